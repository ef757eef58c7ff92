"""A one-factor sweep of two factors by hand, and ablations: runs as the tracker gives them."""

import copy
import math

import numpy as np
import pandas as pd
import pytest

from orchestrator.evaluation.evaluate import summary
from orchestrator.reporting.comparison import ablation_frame
from orchestrator.tracking import SweepInfo
from orchestrator.tracking.runs import VariantInfo


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


class Ablation:
    """An ablation in the making: runs are added by their users' ranks."""

    def __init__(self, *, model="decorec", dataset="planted", variants=(), seeds=(0, 1, 2)):
        self.rows = []
        self.ranks = {}
        self.info = SweepInfo(
            name=f"{model}-ablation-1",
            kind="ablation",
            model=model,
            dataset=dataset,
            data_hash="d" * 16,
            space="ablation",
            factors={},
            base={},
            seeds=seeds,
            synthetic=dataset == "planted",
            variants=tuple(
                one if isinstance(one, VariantInfo) else VariantInfo(name=one, changed={})
                for one in variants
            ),
        )

    def add(self, variant, seed, ranks=None, *, phase="fixed", status="finished"):
        run_id = f"{phase}-{variant}-{seed}-{len(self.rows)}"
        row = {
            "run_id": run_id,
            "status": status,
            "seed": seed,
            "variant": variant,
            "phase": phase,
        }
        if ranks is not None:
            self.ranks[run_id] = np.asarray(ranks, dtype=float)
            row |= summary(self.ranks[run_id], cutoffs=(10, 20), prefix="test")
        self.rows.append(row)
        return self

    def planted(self, effects, *, phase="fixed", num_users=400, noise=0.02):
        """Ranks of users who differ, at seeds that differ; an effect moves log ranks."""
        skill = np.random.default_rng(7).normal(3.0, 1.4, num_users)
        for variant, effect in {"base": 0.0, **effects}.items():
            for seed in self.info.seeds:
                random = np.random.default_rng([seed, *map(ord, variant + phase)])
                moved = skill + effect + random.normal(0, noise)
                logs = moved + random.normal(0, 0.5, num_users)
                self.add(variant, seed, np.maximum(1, np.exp(logs).round()), phase=phase)
        return self

    def runs(self):
        return pd.DataFrame(self.rows)

    def frame(self, **options):
        return ablation_frame(self.runs(), self.info, ranks=self.ranks, **options)


@pytest.fixture
def ablation():
    return Ablation


@pytest.fixture(scope="session")
def _by_hand():
    made = Ablation(dataset="scientific", variants=("without_phase", "linear_adapter"))
    for seed, hits in enumerate((2, 3, 2)):
        made.add("base", seed, [1] * hits + [99] * (4 - hits))
        made.add("without_phase", seed, [1, 99, 99, 99])
        made.add("linear_adapter", seed, [1] * hits + [99] * (4 - hits))
    return made


@pytest.fixture
def by_hand(_by_hand):
    """Four users whose target is first or far away, so that Hit@10 and NDCG@10 are equal."""
    return copy.deepcopy(_by_hand)


@pytest.fixture(scope="session")
def _crossed():
    pair = VariantInfo(name="without_a+without_b", changed={}, members=("without_a", "without_b"))
    control = VariantInfo(name="image_shuffled", changed={}, is_control=True)
    made = Ablation(variants=("without_a", "without_b", control, pair), seeds=(0, 1, 2, 3))
    effects = {"without_a": 0.5, "without_b": 0.5, "image_shuffled": 1.0, pair.name: 0.6}
    for phase in ("fixed", "retuned"):
        made.planted(effects, phase=phase, num_users=150)
    return made, made.frame()


@pytest.fixture
def crossed(_crossed):
    """Two variants, the pair of them, a control; all at fixed and at their own settings."""
    return copy.deepcopy(_crossed[0])


@pytest.fixture
def crossed_frame(_crossed):
    return _crossed[1].copy()
