"""Comparisons by hand: runs as the tracker gives them, with the ranks of their users."""

import numpy as np
import pandas as pd
import pytest

from orchestrator.evaluation.evaluate import summary
from orchestrator.reporting.compare.report import compared
from orchestrator.tracking import SweepInfo
from orchestrator.tracking.runs import VariantInfo


class Contest:
    """A comparison in the making: runs are added by their users' ranks."""

    def __init__(self, *models, dataset="planted", ours="", num_tuned=0, seeds=(0, 1, 2)):
        self.rows = []
        self.ranks = {}
        self.phase = "retuned" if num_tuned else "fixed"
        self.info = SweepInfo(
            name="comparison-1",
            kind="comparison",
            model=", ".join(models),
            dataset=dataset,
            data_hash="d" * 16,
            space="comparison",
            factors={},
            base={},
            seeds=seeds,
            synthetic=dataset == "planted",
            variants=tuple(VariantInfo(name=one, changed={}, model=one) for one in models),
            bound=0.02,
            ours=ours,
            num_tuned=num_tuned,
        )

    def add(self, model, seed, ranks=None, *, phase=None, status="finished", **figures):
        run_id = f"{model}-{seed}-{len(self.rows)}"
        row = {
            "run_id": run_id,
            "status": status,
            "seed": seed,
            "variant": model,
            "phase": phase or self.phase,
            "val/ndcg@10": 0.5,
            **figures,
        }
        if ranks is not None:
            self.ranks[run_id] = np.asarray(ranks, dtype=float)
            row |= summary(self.ranks[run_id], cutoffs=(10, 20, 50), prefix="test")
        self.rows.append(row)
        return self

    def first(self, model, hits, *, users=4):
        """Runs of which so many users' targets are first, and the others' far away."""
        for seed, number in enumerate(hits):
            ranks = [1] * number + [99] * (users - number)
            self.add(model, seed, ranks, num_parameters=100.0, seconds=2.0)
        return self

    def runs(self):
        return pd.DataFrame(self.rows)

    def compared(self, **options):
        return compared(self.runs(), self.info, ranks=self.ranks, **options)


@pytest.fixture
def contest():
    return Contest


@pytest.fixture
def by_hand():
    """Three models of four users: Hit and NDCG at any cutoff are equal."""
    made = Contest("sasrec", "tame", "gru4rec")
    return made.first("sasrec", (2, 2, 2)).first("tame", (3, 3, 3)).first("gru4rec", (1, 2, 1))


@pytest.fixture
def clear():
    """Two models that differ in every seed and for most of many users."""
    made = Contest("sasrec", "tame")
    for seed in made.info.seeds:
        made.add("sasrec", seed, [1] * (20 + seed) + [99] * (180 - seed))
        made.add("tame", seed, [1] * (120 + 2 * seed) + [99] * (80 - 2 * seed))
    return made
