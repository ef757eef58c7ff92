"""A cluster of nodes that share nothing, one of them lost in mid-sweep, by the real command."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

import orchestrator
from orchestrator.results import read_record
from orchestrator.training.checkpoint import Checkpoints

pytestmark = pytest.mark.slow

ROOT = Path(orchestrator.__file__).parents[1]
BIN = Path(sys.executable).parent
PATIENCE = 300.0
"""Seconds to wait for what must come; Ray takes half a minute to miss a node."""
EPOCHS = 120
WORDS = (
    *("sweep", "sasrec", "--space", "heads", "--dataset", "tiny", "--name", "mine"),
    *("--seeds", 1, "--max-epochs", EPOCHS, "--set", f"train.patience={EPOCHS}"),
)
NODES = ("driver", "one", "two")


def wait(what, condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")


def can_hide():
    """Whether a process can be given a view of the disk of its own."""
    words = ("unshare", "--mount", "true")
    return bool(shutil.which("unshare")) and subprocess.run(words, check=False).returncode == 0


class Cluster:
    """Ray's nodes on this machine, each with folders of its own and without sight of the others'.

    The driver's node has no CPUs, so that all runs are on nodes that see neither its results nor
    its data sets.
    """

    def __init__(self, folder, data_dir):
        self.folder, self._data_dir = folder, data_dir
        self.nodes = {}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        for name in NODES:
            for part in ("home", "cache", "tmp", "ray"):
                (folder / name / part).mkdir(parents=True)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def environment(self, name):
        own = self.folder / name
        others = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "TUNE_"))}
        return {
            **others,  # not what earlier tests' Ray left in this process's
            "HOME": str(own / "home"),
            "XDG_CACHE_HOME": str(own / "cache"),
            "TMPDIR": str(own / "tmp"),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    def start(self, name, *words):
        hidden = [self.folder / other for other in NODES if other != name]
        hidden += [self._data_dir] * (name != "driver")
        hide = "".join(f"mount -t tmpfs none '{path}' && " for path in hidden)
        temp = self.folder / name / "ray"
        ray = f"exec '{BIN}/ray' start --block --temp-dir='{temp}' {' '.join(words)}"
        command = ["bash", "-c", ray]
        if can_hide():
            command = ["unshare", "--mount", "bash", "-c", hide + ray]
        with self.log(name).open("w") as log:
            self.nodes[name] = subprocess.Popen(
                command, env=self.environment(name), stdout=log, stderr=log, cwd="/"
            )
        wait(f"node {name}", lambda: "Ray runtime started" in self.log(name).read_text())

    def log(self, name):
        return self.folder / f"{name}.log"

    def kill(self, name):
        """As if the machine lost power."""
        process = self.nodes.pop(name)
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture
def cluster(data_dir):
    folder = Path(tempfile.mkdtemp(prefix="orch-"))  # Ray's sockets need a short path
    made = Cluster(folder, data_dir)
    try:
        made.start("driver", "--head", f"--port={made.port}", "--num-cpus=0")
        for name in NODES[1:]:
            made.start(name, f"--address={made.address}", "--num-cpus=1")
        yield made
    finally:
        for name in list(made.nodes):
            made.kill(name)
        shutil.rmtree(folder, ignore_errors=True)


def training(results):
    """Runs in training -> their epochs that the driver has."""
    found = {}
    for folder in results.glob("runs/*"):
        if not (folder / "record.json").exists():
            with contextlib.suppress(Exception):  # it is being written at this moment
                progress = Checkpoints(folder / "checkpoints").latest()
                found[folder.name] = progress.epochs if progress else []
    return found


def figures(results):
    """Run -> all that it measured, without the seconds that no two runs share."""
    found = {}
    for path in results.glob("runs/*/record.json"):
        record = read_record(path)
        epochs = [(e.step, dict(e.loss), dict(e.valid)) for e in record.epochs]
        found[record.run_id] = (record.status, dict(record.metrics), record.best_step, epochs)
    return found


def client(results):
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{results / 'mlflow.db'}")


def tracked(results):
    experiments = [found.experiment_id for found in client(results).search_experiments()]
    return list(client(results).search_runs(experiments))


def finish(process):
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + err
    return out


@pytest.fixture
def undisturbed(start, made_store, tmp_path, small, monkeypatch):
    """Results of the same sweep in one process."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    results = tmp_path / "alone"
    results.mkdir()
    shutil.copy(made_store, results / "mlflow.db")
    finish(start(*WORDS, *small, "--executor", "local", "--results", results))
    return results


@pytest.mark.parametrize("storage", [False, True])
def test_a_lost_node_costs_nothing_but_time(
    cluster, undisturbed, start, made_store, small, monkeypatch, storage
):
    """Without a storage all goes through the driver; with one, below its URL."""
    results = cluster.folder / "driver" / "results"
    results.mkdir()
    shutil.copy(made_store, results / "mlflow.db")
    kept = cluster.folder / "shared" if storage else results
    words = ("--storage", kept.as_uri()) if storage else ()
    for key, value in cluster.environment("driver").items():
        monkeypatch.setenv(key, value)
    process = start(*WORDS, *small, "--address", cluster.address, "--results", results, *words)

    def both_train():
        epochs = training(kept)
        return len(epochs) == 2 and all(len(done) > 3 for done in epochs.values()) and epochs

    before = wait("epochs of two nodes", both_train)
    cluster.kill("two")
    finish(process)
    assert figures(results) == figures(undisturbed)
    for run, epochs in before.items():
        record = read_record(results / "runs" / run / "record.json")
        assert list(record.epochs[: len(epochs)]) == epochs, "with the seconds of the first time"
    for run in results.glob("runs/*"):
        names = {path.name for path in run.iterdir() if not path.name.startswith(".")}
        assert names == {"record.json", "model.safetensors", "ranks.parquet"}
    runs = tracked(results)
    assert len(runs) == 1 + 4
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        told = client(results).get_metric_history(run.info.run_id, "val/ndcg_at_10")
        steps = [metric.step for metric in told]
        expected = range(1, EPOCHS + 1) if "orch.run_id" in run.data.tags else ()
        assert steps == list(expected), "each epoch once, whoever told of it"
    (copy,) = (cluster.folder / "one" / "cache" / "orch" / "nodes").glob("*/tiny")
    assert (copy / "manifest.json").exists()
    assert not list((cluster.folder / "one" / "tmp").glob("orch-*")), "nothing is left on a node"
