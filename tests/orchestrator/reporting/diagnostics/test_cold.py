import math

import pytest

from orchestrator.reporting.diagnostics.cold import cold_frame, draw_cold

METRICS = ("test/hit@10", "test/ndcg@10")


def of_groups(value):
    """Metrics that are half for cold users and twice for warm ones."""
    return {
        metric + ending: value * factor
        for metric in METRICS
        for ending, factor in (("/cold", 0.5), ("/warm", 2.0), ("", 1.0))
    }


@pytest.fixture
def runs(make_record):
    return {seed: make_record(**of_groups(value)) for seed, value in enumerate((0.12, 0.13, 0.14))}


@pytest.fixture
def baseline(make_record):
    return {seed: make_record(**of_groups(value)) for seed, value in ((0, 0.10), (1, 0.10))}


def metrics_of(records):
    return {seed: record.metrics for seed, record in records.items()}


def test_gains_are_relative_and_of_seeds_that_both_finished(runs, baseline):
    frame = cold_frame(metrics_of(runs), metrics_of(baseline))
    assert list(frame.columns) == ["group", "metric", "seed", "value", "baseline", "gain"]
    assert set(frame["seed"]) == {0, 1}
    assert set(frame["group"]) == {"cold", "warm", "all"}
    assert set(frame["metric"]) == set(METRICS), "what a record lacks is left out"
    cold = frame[(frame["group"] == "cold") & (frame["metric"] == "test/ndcg@10")]
    assert cold["value"].tolist() == [0.06, 0.065]
    assert cold["gain"].tolist() == pytest.approx([0.2, 0.3])


def test_a_baseline_of_zero_has_no_gain(runs):
    frame = cold_frame(metrics_of(runs), {0: of_groups(0.0)})
    assert frame["gain"].isna().all()


def test_gains_are_told_by_group_and_metric(runs, baseline, info, told):
    numbers = told(draw_cold(runs, baseline, info, against="sasrec"))
    mean, low, high, num = numbers["cold, NDCG@10", "gain"]
    assert (mean, num) == (pytest.approx(0.25), 2)
    assert low < mean < high
    assert numbers["warm, Hit@10", "decorec"][0] == pytest.approx(0.25)
    assert numbers["warm, Hit@10", "sasrec"][0] == pytest.approx(0.2)


def test_bars_are_in_percent_groups_side_by_side(runs, baseline, info, texts):
    drawing = draw_cold(runs, baseline, info, against="sasrec")
    (axes,) = drawing.figure.axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([25.0] * 6)
    assert {"cold users", "warm users", "all users", "Hit@10", "NDCG@10"} <= set(
        texts(drawing.figure)
    )
    assert axes.get_ylabel() == "gain over sasrec in %"


def test_one_seed_is_drawn_without_an_interval(runs, baseline, info, told):
    drawing = draw_cold({0: runs[0]}, baseline, info, against="sasrec")
    assert math.isnan(told(drawing)["cold, Hit@10", "gain"][1])
