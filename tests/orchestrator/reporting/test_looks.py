"""Tables of runs whose seeds were added one by one."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from orchestrator.evaluation.significance import interval, over_seeds
from orchestrator.reporting.comparison import ablation_frame
from orchestrator.reporting.looks import at_shared_seeds, for_looks
from orchestrator.reporting.tables import as_text, sweep_table
from orchestrator.tracking.runs import SweepInfo, VariantInfo

DIFFERENCES = [-0.010, -0.011, -0.009]


def info(**changes):
    given = {
        "name": "t",
        "kind": "one-factor",
        "model": "sasrec",
        "dataset": "tiny",
        "data_hash": "d",
        "space": "heads",
        "factors": {"model.num_heads": (1, 2)},
        "base": {"model.num_heads": 1},
        "seeds": tuple(range(6)),
        "synthetic": False,
        "looks": 4,
    }
    return SweepInfo(**{**given, **changes})


def test_one_look_changes_nothing():
    once = over_seeds(DIFFERENCES)
    assert for_looks(once, DIFFERENCES, 1) == once


def test_several_looks_multiply_p_and_widen_the_inner_interval():
    once = over_seeds(DIFFERENCES)
    often = for_looks(once, DIFFERENCES, 4)
    wider = interval(DIFFERENCES, confidence=1 - 0.1 / 4)
    assert often.p_value == pytest.approx(4 * once.p_value)
    assert (often.inner_low, often.inner_high) == (wider.low, wider.high)
    assert (often.mean, often.low, often.high) == (once.mean, once.low, once.high)
    same = [0.01, -0.01, 0.0]
    assert for_looks(over_seeds(same), same, 4).p_value == 1.0


def runs_of(heads, values, *, test=0.2):
    return pd.DataFrame(
        {
            "run_id": [f"{heads}-{seed}" for seed in range(len(values))],
            "status": "finished",
            "seed": range(len(values)),
            "model.num_heads": heads,
            "val/ndcg@10": values,
            "test/recall@20": test,
            "test/ndcg@20": test,
        }
    )


def test_the_best_point_is_found_over_the_seeds_that_all_have():
    """The one that was settled after 3 seeds is better at each of them."""
    base = runs_of(1, [0.10, 0.10, 0.10, 0.30, 0.30, 0.30])
    better = runs_of(2, [0.15, 0.15, 0.15])
    runs = pd.concat([base, better], ignore_index=True)
    table = sweep_table(runs, info())
    assert table["seeds"].tolist() == [6, 3]
    assert table["val/ndcg@10"].tolist() == pytest.approx([0.2, 0.15])
    assert table["is_best"].tolist() == [False, True]
    assert "over the seeds that all points have" in as_text(table, info())
    assert sweep_table(runs, info(looks=1))["is_best"].tolist() == [True, False]


def test_a_point_without_a_finished_run_shares_nothing():
    failed = runs_of(2, [0.1]).assign(status="failed")
    of_points = [runs_of(1, [0.1, 0.2]), failed]
    shared = at_shared_seeds(pd.concat(of_points), of_points)
    assert [len(own) for own in shared] == [2, 1]


def test_an_ablations_p_is_of_all_looks_and_paired_over_shared_seeds():
    base = runs_of(1, [0.1] * 6).assign(variant="base")
    few = runs_of(1, [0.1] * 3).assign(variant="without_x", run_id=["a", "b", "c"])
    base["test/ndcg@10"] = [0.10, 0.11, 0.12, 0.13, 0.14, 0.15]
    few["test/ndcg@10"] = np.array([0.10, 0.11, 0.12]) + DIFFERENCES
    runs = pd.concat([base, few], ignore_index=True).assign(phase="fixed")
    variants = (VariantInfo(name="without_x", changed={"model.x": False}),)
    ablation = info(kind="ablation", space="ablation", factors={}, variants=variants)
    own = {}
    for looks in (1, 4):
        told = dataclasses.replace(ablation, looks=looks)
        frame = ablation_frame(runs, told, ranks={}, metrics=["test/ndcg@10"])
        own[looks] = frame[frame["variant"] == "without_x"].iloc[0]
    assert own[4]["paired"] == 3
    assert own[4]["difference"] == pytest.approx(-0.01)
    assert own[4]["p_seeds_holm"] == pytest.approx(4 * own[1]["p_seeds_holm"])
