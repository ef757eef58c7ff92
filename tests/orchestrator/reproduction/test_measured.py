"""What runs and a diagnosis's numbers say of the subjects of claims."""

import math

import pandas as pd
import pytest

from orchestrator.reproduction.measured import of_values, of_variants, of_view
from orchestrator.tracking.runs import SweepInfo


def runs(rows):
    columns = ["variant", "phase", "status", "seed", "test/hit@10"]
    return pd.DataFrame(rows, columns=columns)


def test_variants_have_their_finished_runs_at_fixed_settings():
    frame = runs(
        [
            ["base", "fixed", "finished", 0, 0.1],
            ["base", "fixed", "finished", 1, 0.3],
            ["base", "search", "finished", 0, 0.9],
            ["other", "fixed", "failed", 0, math.nan],
        ]
    )
    found = of_variants(frame, ["hit@10"])
    assert found["base", "hit@10"].by_seed == (0.1, 0.3)
    assert found["base", "hit@10"].mean == pytest.approx(0.2)
    assert math.isnan(found["other", "hit@10"].mean)


def test_a_run_of_changed_code_takes_the_place_of_the_older_one():
    frame = runs([["base", "fixed", "finished", 0, 0.1], ["base", "fixed", "finished", 0, 0.4]])
    assert of_variants(frame, ["hit@10"])["base", "hit@10"].by_seed == (0.4,)


def test_values_of_a_swept_factor():
    info = SweepInfo(
        name="s",
        kind="one-factor",
        model="tame",
        dataset="d",
        data_hash="h",
        space="text_heads",
        description="",
        factors={"model.text_heads": (1, 2)},
        base={"model.text_heads": 2},
        seeds=(0, 1),
        synthetic=False,
    )
    frame = pd.DataFrame(
        {
            "status": "finished",
            "seed": [0, 1, 0, 1],
            "model.text_heads": [1, 1, 2, 2],
            "test/ndcg@20": [0.1, 0.2, 0.3, 0.4],
        }
    )
    found = of_values(frame, info, ["ndcg@20"])
    assert found["1", "ndcg@20"].by_seed == (0.1, 0.2)
    assert found["2", "ndcg@20"].seeds == (0, 1)


def test_convergence_tells_the_epoch_of_the_peak():
    frame = pd.DataFrame(
        {
            "variant": ["id_only"] * 3,
            "seed": 0,
            "epoch": [1, 2, 3],
            "value": [0.1, 0.3, 0.2],
            "is_best": [False, True, False],
        }
    )
    found = of_view("convergence", {"": frame}, "decorec")
    assert found["id_only", "peak_epoch"].by_seed == (2.0,)


def test_gradients_tell_their_first_and_last_steps():
    steps = pd.DataFrame(
        {
            "variant": "naive_joint",
            "seed": 0,
            "cosine": [-0.5] * 50 + [0.0] * 20 + [0.25] * 50,
            "norm_id": [1.0] * 50 + [0.5] * 70,
            "norm_modality": 2.0,
        }
    )
    found = of_view("gradients", {"": pd.concat([steps, steps.assign(seed=1)])}, "decorec")
    assert found["cosine_first", "gradients"].by_seed == (-0.5, -0.5)
    assert found["cosine_last", "gradients"].mean == 0.25
    assert found["norm_id_last", "gradients"].mean == 0.5


def test_silhouettes_stand_in_a_table_beside_the_main_one():
    frame = pd.DataFrame(
        {"source": "text", "side": ["without", "with"], "seed": 0, "silhouette": [0.1, 0.4]}
    )
    found = of_view("clusters", {"": pd.DataFrame(), "silhouette": frame}, "decorec")
    assert found["text_with", "silhouette"].mean == 0.4


def test_one_modality_by_how_it_was_trained():
    frame = pd.DataFrame(
        {
            "modality": "text",
            "trained": ["alone", "together"],
            "seed": 0,
            "metric": "test/hit@10",
            "value": [0.1, 0.2],
        }
    )
    found = of_view("unimodal", {"": frame}, "decorec")
    assert found["text_together", "hit@10"].mean == 0.2


def test_gains_are_of_cold_users_and_of_the_model_that_was_diagnosed():
    frame = pd.DataFrame(
        {"group": ["cold", "warm"], "metric": "test/hit@10", "seed": 0, "gain": [0.3, 0.1]}
    )
    found = of_view("cold", {"": frame}, "unisrec")
    assert {key: own.mean for key, own in found.items()} == {("unisrec", "hit@10"): 0.3}


def test_recall_has_intervals_over_users_and_no_seeds():
    row = {"view": "interest", "precision": 0.2, "low": 0.1, "high": 0.3}
    frame = pd.DataFrame([{**row, "recalled": 20, "predicted": 100}])
    found = of_view("recall", {"": frame}, "decorec")
    assert found["interest", "precision_rate"].low == 0.1
    assert found["interest", "recall_count"].mean == 20
    assert found["interest", "precision_rate"].seeds == ()
