"""Sentences on what was found, with intervals."""

import math

import pandas as pd
import pytest

from orchestrator.evaluation.significance import over_seeds
from orchestrator.reporting.verdicts import ablation_verdicts, path_verdicts, sweep_verdicts


def test_the_best_point_is_compared_with_the_base_over_shared_seeds(make_info, make_row):
    info = make_info({"model.text_heads": (2, 4)}, {"model.text_heads": 2, "model.use_gate": True})
    rows = [make_row(2, seed, recall) for seed, recall in enumerate((0.10, 0.11, 0.12))]
    rows += [make_row(4, seed, recall) for seed, recall in enumerate((0.13, 0.145, 0.15))]
    (told,) = sweep_verdicts(pd.DataFrame(rows), info)
    assert told.startswith("Best by mean validation NDCG@10, 0.0708 (95 % interval over 3 seeds ")
    expected = over_seeds([0.03, 0.035, 0.03])
    assert (
        f"Recall@20 {expected.mean:+.4f} (95 % interval over 3 seeds {expected.low:+.4f} to "
        f"{expected.high:+.4f}: higher)"
    ) in told
    assert ": text heads = 4." in told


def test_a_difference_within_the_spread_is_unresolved(make_info, make_row):
    info = make_info({"model.text_heads": (2, 4)}, {"model.text_heads": 2})
    rows = [make_row(2, seed, recall) for seed, recall in enumerate((0.10, 0.20))]
    rows += [make_row(4, seed, recall) for seed, recall in enumerate((0.25, 0.10))]
    (told,) = sweep_verdicts(pd.DataFrame(rows), info)
    assert told.count(": unresolved)") == 2


def test_one_seed_resolves_nothing(make_info, make_row):
    info = make_info({"model.text_heads": (2, 4)}, {"model.text_heads": 2})
    (told,) = sweep_verdicts(pd.DataFrame([make_row(2, 0, 0.1), make_row(4, 0, 0.9)]), info)
    assert "Recall@20 +0.8000 (one seed, so unresolved)" in told


def test_the_base_is_not_compared_with_itself(make_info, make_row):
    info = make_info({"model.text_heads": (2, 4)}, {"model.text_heads": 2})
    (told,) = sweep_verdicts(pd.DataFrame([make_row(2, 0, 0.9), make_row(4, 0, 0.1)]), info)
    assert told.endswith("text heads = 2. It is the base.")


def test_a_base_that_failed_is_said(make_info, make_row):
    info = make_info({"model.text_heads": (2, 4)}, {"model.text_heads": 2})
    rows = [make_row(2, 0, status="failed"), make_row(4, 0, 0.1)]
    (told,) = sweep_verdicts(pd.DataFrame(rows), info)
    assert told.endswith("No run of the base finished to compare it with.")


def test_nothing_finished_is_no_verdict(make_info, make_row):
    info = make_info({"model.text_heads": (2, 4)}, {"model.text_heads": 2})
    assert sweep_verdicts(pd.DataFrame([make_row(2, 0, status="failed")]), info) == ()


def test_a_variant_has_a_sentence_with_its_verdicts(by_hand):
    frame = by_hand.frame()
    adapter, phase = sorted(ablation_verdicts(frame))
    assert adapter.startswith("linear adapter: Hit@10 +0.0 % (95 % interval +0.0 to +0.0 %): ")
    row = frame[(frame["variant"] == "without_phase")].iloc[0]
    assert phase.startswith(f"without phase: Hit@10 {100 * row['difference'] / row['base']:+.1f} %")
    assert f": {row['verdict']}" in phase


def test_a_verdict_is_on_what_a_variant_takes_away(ablation):
    """The variant is far below the base: what it lacks helps."""
    made = ablation(variants=("without_a", "without_b"), seeds=(0, 1, 2, 3))
    frame = made.planted({"without_a": 2.0, "without_b": -2.0}).frame()
    first, second = ablation_verdicts(frame)
    assert first.startswith("without a: Hit@10 -")
    assert "what it takes away or replaces helps" in first
    assert "what it takes away or replaces hurts" in second


def test_retuned_variants_and_interactions_are_told_apart(crossed_frame):
    told = ablation_verdicts(crossed_frame)
    assert len(told) == 2 * 5  # two variants, a control, a pair, its interaction; in two phases
    assert sum("each at the settings of its own search" in text for text in told) == 5
    assert sum(text.startswith("interaction of without a + without b") for text in told) == 2


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.01, 0.03, "gains"), (-0.03, -0.01, "loses"), (-0.1, 0.2, "unresolved")],
)
def test_a_step_says_what_its_interval_shows(low, high, word):
    chosen = pd.DataFrame(
        [
            {"step": 0, "gain": math.nan, "low": math.nan, "high": math.nan},
            {"step": 1, "gain": 0.02, "low": low, "high": high},
        ]
    )
    (told,) = path_verdicts(chosen, ["base", "dim = 64"])
    assert told.startswith("Step 1, dim = 64: validation NDCG@10 +0.0200 (95 % interval over seeds")
    assert told.endswith(f": {word}.")


def test_a_step_of_one_seed_is_unresolved():
    row = {"step": 1, "gain": 0.02, "low": math.nan, "high": math.nan}
    (told,) = path_verdicts(pd.DataFrame([row]), ["dim = 64"])
    assert told.endswith("at one seed, which shows no spread: unresolved.")
