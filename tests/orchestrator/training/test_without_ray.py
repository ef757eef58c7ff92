"""Training stands alone: it works where Ray, MLflow and Optuna cannot be imported."""

import json
import os
import subprocess
import sys

from orchestrator.results import write_json

SCRIPT = """
import sys
from pathlib import Path

for name in ("ray", "mlflow", "optuna"):
    sys.modules[name] = None  # importing it is an ImportError

from orchestrator.config import trial_from_json
from orchestrator.data.store import open_stored
from orchestrator.results import read_json
from orchestrator.training.loop import train

config = trial_from_json(read_json(Path(sys.argv[1])))
record = train(config, open_stored(Path(sys.argv[2])), device="cpu")
print(record.metrics["val/ndcg@10"])
"""


def test_training_needs_neither_ray_nor_mlflow(cycle, trial, tmp_path):
    from orchestrator.training.loop import train

    config = trial("sasrec", train__max_epochs=1)
    write_json(tmp_path / "config.json", config.to_json())
    words = [sys.executable, "-W", "error", "-c", SCRIPT]
    done = subprocess.run(
        [*words, str(tmp_path / "config.json"), str(cycle.folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    here = train(config, cycle, device="cpu")
    assert json.loads(done.stdout) == here.metrics["val/ndcg@10"]
