"""A one-factor sweep of two factors by hand: runs as the tracker gives them."""

import math

import pandas as pd
import pytest

from orchestrator.tracking import SweepInfo


@pytest.fixture
def make_info():
    def make(factors, base, *, kind="one-factor", seeds=(0, 1, 2), synthetic=True):
        return SweepInfo(
            name="tame-heads-1",
            kind=kind,
            model="tame",
            dataset="planted",
            data_hash="d" * 16,
            space="heads",
            factors=factors,
            base=base,
            seeds=seeds,
            synthetic=synthetic,
        )

    return make


@pytest.fixture
def info(make_info):
    factors = {"model.text_heads": (1, 2, 4), "model.use_gate": (True, False)}
    return make_info(factors, {"model.text_heads": 2, "model.use_gate": True, "model.dim": 64})


def run(heads, seed, recall=0.1, *, gate=True, status="finished"):
    has_ended = status == "finished"
    return {
        "run_id": f"{heads}-{gate}-{seed}",
        "status": status,
        "seed": seed,
        "model.text_heads": heads,
        "model.use_gate": gate,
        "val/ndcg@10": recall / 2 if has_ended else math.nan,
        "test/recall@20": recall if has_ended else math.nan,
        "test/ndcg@20": recall / 2 if has_ended else math.nan,
    }


@pytest.fixture
def make_row():
    return run


@pytest.fixture
def runs():
    rows = [
        *(run(2, seed, recall) for seed, recall in enumerate((0.10, 0.11, 0.12))),
        *(run(1, seed, recall) for seed, recall in enumerate((0.08, 0.09, 0.10))),
        *(run(4, seed, recall) for seed, recall in enumerate((0.13, 0.14))),
        run(4, 2, status="failed"),
        *(run(2, seed, gate=False, status="failed") for seed in (0, 1, 2)),
    ]
    return pd.DataFrame(rows)
