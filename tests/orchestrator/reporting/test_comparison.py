import math

import numpy as np
import pandas as pd
import pytest

from orchestrator.reporting.comparison import COLUMNS, ablation_frame
from orchestrator.tracking.runs import VariantInfo

HIT = "test/hit@10"
T2 = 4.302652729911275
"""97.5 % quantile of Student's t with 2 degrees of freedom."""


def row(frame, variant, *, metric=HIT, phase="fixed", role=None):
    rows = frame[
        (frame["variant"] == variant)
        & (frame["metric"] == metric)
        & (frame["phase"] == phase)
        & ((frame["role"] == role) if role else frame["role"] != "interaction")
    ]
    (found,) = rows.to_dict("records")
    return found


def test_differences_over_seeds_by_hand(by_hand):
    # Hit@10 of the base is 1/2, 3/4, 1/2, of the variant 1/4 each: -1/4, -1/2, -1/4.
    found = row(by_hand.frame(), "without_phase")
    assert found["mean"] == pytest.approx(1 / 4)
    assert found["difference"] == pytest.approx(-1 / 3)
    spread = math.sqrt((2 * (1 / 12) ** 2 + (1 / 6) ** 2) / 2)
    half = T2 * spread / math.sqrt(3)
    assert found["difference_low"] == pytest.approx(-1 / 3 - half)
    assert found["difference_high"] == pytest.approx(-1 / 3 + half)
    assert found["effect"] == pytest.approx(-1 / 3 / spread)
    t_squared = (1 / 3) ** 2 / (spread**2 / 3)
    p_value = 1 - math.sqrt(t_squared / (t_squared + 2))
    assert found["p_seeds"] == pytest.approx(p_value)
    assert found["p_seeds_holm"] == pytest.approx(2 * p_value)  # the other variant's p is 1
    assert (found["seeds"], found["paired"], found["failed"]) == (3, 3, 0)
    assert found["by_seed"] == (0.25, 0.25, 0.25)


def test_differences_over_users_by_hand(by_hand):
    # Per user, over seeds: 0, -1, -1/3, 0. No resample of these is above 0.
    found = row(by_hand.frame(), "without_phase")
    assert found["users"] == 4
    assert found["users_low"] == pytest.approx(-3 / 4, abs=0.1)
    assert found["users_high"] == pytest.approx(0, abs=0.01)
    assert found["p_users"] == pytest.approx(2 * (1 / 2) ** 4, rel=0.1)  # neither of two is drawn


def test_a_variant_equal_to_the_base_differs_in_nothing(by_hand):
    found = row(by_hand.frame(), "linear_adapter")
    assert (found["difference"], found["p_seeds"], found["p_users"]) == (0.0, 1.0, 1.0)
    assert (found["users_low"], found["users_high"]) == (0.0, 0.0)
    assert (found["effect"], found["detectable"]) == (0.0, 0.0)
    assert found["verdict"] == "neutral"


def test_base_comes_first_and_is_compared_with_nothing(by_hand):
    frame = by_hand.frame()
    assert list(frame.columns) == COLUMNS
    assert frame["variant"].tolist() == ["base", "without_phase", "linear_adapter"] * 2
    assert frame["metric"].drop_duplicates().tolist() == [HIT, "test/ndcg@10"]
    base = row(frame, "base")
    assert base["mean"] == base["base"] == pytest.approx(7 / 12)
    assert base["role"] == "base"
    assert base["verdict"] == ""
    assert base["paired"] == base["users"] == 0
    assert all(math.isnan(base[name]) for name in ("difference", "p_seeds", "p_users_holm"))


def test_the_bound_is_a_part_of_the_bases_mean(by_hand):
    assert row(by_hand.frame(), "base")["bound"] == pytest.approx(0.02 * 7 / 12)
    assert row(by_hand.frame(bound=0.5), "without_phase")["bound"] == pytest.approx(0.5 * 7 / 12)


def test_the_papers_numbers_stand_beside_where_the_data_set_is_the_same(by_hand, ablation):
    frame = by_hand.frame()
    assert row(frame, "base")["published"] == 0.1779
    assert math.isnan(row(frame, "base")["published_difference"])
    found = row(frame, "without_phase", metric="test/ndcg@10")
    assert found["published"] == 0.0805
    assert found["published_difference"] == pytest.approx(0.0805 - 0.0897)
    elsewhere = ablation(dataset="planted", variants=("without_phase",)).planted({})
    assert elsewhere.frame()["published"].isna().all()


@pytest.mark.parametrize(
    ("model", "metrics"),
    [
        ("decorec", ["test/hit@10", "test/ndcg@10"]),
        ("tame", ["test/recall@20", "test/ndcg@20"]),
        ("sasrec", ["test/hit@10", "test/ndcg@10"]),
    ],
)
def test_metrics_are_those_of_the_models_own_paper(ablation, model, metrics):
    made = ablation(model=model, dataset="toys").planted({})
    assert made.frame()["metric"].drop_duplicates().tolist() == metrics
    asked = made.frame(metrics=("test/mrr@20",))
    assert asked["metric"].drop_duplicates().tolist() == ["test/mrr@20"]


def test_only_seeds_that_finished_in_both_are_paired(by_hand):
    by_hand.rows[1] |= {"status": "failed", HIT: math.nan}  # without_phase at seed 0
    found = row(by_hand.frame(), "without_phase")
    assert (found["seeds"], found["paired"], found["failed"]) == (2, 2, 1)
    assert found["difference"] == pytest.approx((-1 / 2 - 1 / 4) / 2)
    other = row(by_hand.frame(), "linear_adapter")
    assert other["paired"] == 3


def test_one_seed_resolves_nothing(ablation):
    made = ablation(variants=("without_phase",), seeds=(0,)).planted({"without_phase": 2.0})
    found = row(made.frame(), "without_phase")
    assert found["p_users"] < 0.001
    assert math.isnan(found["p_seeds"])
    assert math.isnan(found["detectable"])
    assert found["verdict"] == "unresolved"


def test_missing_ranks_leave_the_test_over_users_out(by_hand):
    by_hand.ranks.pop(by_hand.rows[1]["run_id"])
    frame = by_hand.frame()
    found = row(frame, "without_phase")
    assert (found["users"], found["verdict"]) == (0, "unresolved")
    assert math.isnan(found["p_users_holm"])
    assert found["difference"] == pytest.approx(-1 / 3)
    assert row(frame, "linear_adapter")["users"] == 4


def test_newest_run_of_a_seed_counts_and_running_ones_do_not(by_hand):
    by_hand.add("without_phase", 0, [1, 1, 1, 1])
    by_hand.add("without_phase", 1, status="running")
    found = row(by_hand.frame(), "without_phase")
    assert found["by_seed"] == (1.0, 0.25, 0.25)
    assert found["paired"] == 3


def test_searches_and_their_test_figures_are_left_out(by_hand):
    plain = by_hand.frame()
    for seed in range(3):
        by_hand.add("without_phase", seed, [1, 1, 1, 1], phase="search")
    pd.testing.assert_frame_equal(by_hand.frame(), plain)


def test_roles(crossed_frame):
    frame = crossed_frame
    roles = frame[(frame["phase"] == "fixed") & (frame["metric"] == HIT)]
    assert list(zip(roles["variant"], roles["role"], strict=True)) == [
        ("base", "base"),
        ("without_a", "component"),
        ("without_b", "component"),
        ("image_shuffled", "control"),
        ("without_a+without_b", "pair"),
        ("without_a+without_b", "interaction"),
    ]


def test_retuned_variants_are_compared_with_the_retuned_base(crossed_frame):
    frame = crossed_frame
    assert frame["phase"].drop_duplicates().tolist() == ["fixed", "retuned"]
    fixed, retuned = (row(frame, "without_a", phase=phase) for phase in ("fixed", "retuned"))
    base = row(frame, "base", phase="retuned")
    assert retuned["base"] == base["mean"] != fixed["base"]
    assert retuned["difference"] == pytest.approx(retuned["mean"] - base["mean"])


def test_an_interaction_is_what_both_do_beyond_their_sum(crossed_frame):
    frame = crossed_frame
    both, one, other = (
        row(frame, name)["difference"] for name in ("without_a+without_b", "without_a", "without_b")
    )
    found = row(frame, "without_a+without_b", role="interaction")
    assert found["difference"] == pytest.approx(both - one - other)
    assert found["users_low"] < found["difference"] < found["users_high"]
    assert (found["paired"], found["users"]) == (4, 150)
    assert found["difference"] > 0  # the second removal costs little once the first is made


def test_an_interaction_by_hand(ablation):
    pair = VariantInfo(name="a+b", changed={}, members=("a", "b"))
    made = ablation(variants=("a", "b", pair), seeds=(0, 1))
    hits = {"base": (4, 4), "a": (3, 3), "b": (3, 2), "a+b": (0, 0)}
    for variant, counts in hits.items():
        for seed, count in enumerate(counts):
            made.add(variant, seed, [1] * count + [99] * (4 - count))
    found = row(made.frame(), "a+b", role="interaction")
    assert found["difference"] == pytest.approx(((0 - 3 - 3 + 4) + (0 - 3 - 2 + 4)) / 2 / 4)
    assert math.isnan(found["mean"])


def test_families_of_the_correction(crossed_frame):
    """Components with controls, pairs, interactions: each family of a metric and phase."""
    frame = crossed_frame
    for role in ("pair", "interaction"):  # one of each
        rows = frame[frame["role"] == role]
        assert rows["p_seeds_holm"].tolist() == rows["p_seeds"].tolist()
    for _, rows in frame[frame["role"].isin(["component", "control"])].groupby(["phase", "metric"]):
        assert rows["p_seeds_holm"].min() == pytest.approx(3 * rows["p_seeds"].min())


def test_a_planted_difference_is_found_in_its_direction(ablation):
    made = ablation(variants=("worse", "better", "same"), seeds=tuple(range(5)))
    made.planted({"worse": 0.7, "better": -0.7, "same": 0.0}, num_users=2000, noise=0.0)
    frame = made.frame(bound=0.1)
    assert [row(frame, name)["verdict"] for name in ("worse", "better", "same")] == [
        "helps",
        "hurts",
        "neutral",
    ]


def test_where_nothing_differs_few_are_told_apart(ablation):
    alarms = 0
    for place in range(40):
        made = ablation(variants=(f"null_{place}",), seeds=(0, 1, 2))
        made.planted({f"null_{place}": 0.0}, num_users=100, noise=0.2)
        frame = made.frame(metrics=(HIT,))
        alarms += row(frame, f"null_{place}")["verdict"] in ("helps", "hurts")
    assert alarms <= 40 * 0.12  # both tests must agree, so fewer than 5 % are expected


def test_without_a_finished_run_there_is_a_frame_too(by_hand):
    failed = by_hand.runs().assign(status="failed")
    frame = ablation_frame(failed, by_hand.info, ranks={})
    assert frame["mean"].isna().all()
    assert set(frame["verdict"]) == {"", "unresolved"}
    assert row(frame, "base")["failed"] == 3


def test_metric_that_was_not_measured_is_unknown(by_hand):
    frame = by_hand.frame(metrics=("test/ndcg@50",))
    assert frame["mean"].isna().all()
    assert (frame["paired"] == 0).all()


def test_seeds_are_whole_numbers(crossed_frame):
    frame = crossed_frame
    for name in ("seeds", "failed", "paired", "users"):
        assert np.issubdtype(frame[name].dtype, np.integer)
