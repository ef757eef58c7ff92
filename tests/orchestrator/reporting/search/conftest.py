"""A joint search by hand: 30 trials of two seeds, with a failed and a stopped one."""

import math

import numpy as np
import pandas as pd
import pytest

from orchestrator.tracking.runs import SweepInfo

DOMAINS = {
    "train.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "model.num_layers": {"choices": (1, 2)},
    "model.dropout": {"low": 0.0, "high": 0.5, "log": False, "when": {"model.num_layers": (2,)}},
    "model.kind": {"choices": ("plain", "gated")},
}


@pytest.fixture
def info():
    return SweepInfo(
        name="s",
        kind="joint",
        model="sasrec",
        dataset="planted",
        data_hash="d" * 16,
        space="joint",
        factors={key: domain.get("choices", ()) for key, domain in DOMAINS.items()},
        base={
            "train.learning_rate": 1e-3,
            "model.num_layers": 1,
            "model.dropout": 0.25,
            "model.kind": "plain",
        },
        seeds=(0, 1),
        synthetic=True,
        domains=DOMAINS,
    )


def worth(rate, layers, dropout):
    """The rate decides nearly all of it."""
    lost = abs(math.log10(rate) + 2) + (0.02 * dropout if layers == 2 else 0.01)
    return 0.2 - 0.05 * lost


@pytest.fixture
def make_runs():
    """Runs as the tracker gives them; the test figures are whatever is wanted."""

    def make(num=30, test=0.5, parameters=None):
        random = np.random.default_rng(3)
        rows = []
        for trial in range(num):
            rate = float(10 ** random.uniform(-4, -1))
            layers = int(random.integers(1, 3))
            dropout = float(random.uniform(0, 0.5)) if layers == 2 else 0.25
            kind = ("plain", "gated")[int(random.integers(2))]
            status = {4: "failed", 7: "stopped"}.get(trial, "finished")
            for seed in (0, 1):
                rows.append(
                    {
                        "run_id": f"{trial}-{seed}",
                        "status": status,
                        "seed": seed,
                        "train.learning_rate": rate,
                        "model.num_layers": layers,
                        "model.dropout": dropout,
                        "model.kind": kind,
                        "val/ndcg@10": worth(rate, layers, dropout) + 0.001 * seed,
                        "test/recall@20": test,
                        "test/ndcg@20": test,
                        "num_parameters": float(parameters[trial] if parameters else 1000),
                        "seconds": 1.0 + trial,
                    }
                )
        frame = pd.DataFrame(rows)
        is_done = frame["status"] == "finished"
        figures = ["val/ndcg@10", "test/recall@20", "test/ndcg@20"]
        frame.loc[~is_done, figures] = math.nan
        return frame

    return make
