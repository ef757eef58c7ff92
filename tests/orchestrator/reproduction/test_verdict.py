"""A verdict is what the interval of the difference says, and no more."""

import math

import pytest

from orchestrator.reporting.points import Mean
from orchestrator.reproduction.claims import Claim
from orchestrator.reproduction.verdict import judge


def claim(relation="above", **changes):
    given = {"dataset": "d", "metric": "m", "first": ("a",), "second": ("b",)}
    return Claim(**{**given, "relation": relation, **changes})


def measured(**means):
    return {(subject, "m"): mean for subject, mean in means.items()}


UP, LEVEL, DOWN = (0.30, 0.31, 0.32), (0.10, 0.20, 0.30), (0.01, 0.02, 0.03)
BASE = (0.20, 0.21, 0.22)


@pytest.mark.parametrize(
    ("relation", "values", "verdict"),
    [
        ("above", UP, "reproduced"),
        ("above", LEVEL, "not resolved"),
        ("above", DOWN, "opposite"),
        ("below", DOWN, "reproduced"),
        ("below", LEVEL, "not resolved"),
        ("below", UP, "opposite"),
    ],
)
def test_each_verdict_by_the_side_on_which_the_interval_lies(mean, relation, values, verdict):
    found = judge(claim(relation), measured(a=mean(*values), b=mean(*BASE)))
    assert found.verdict == verdict
    assert bool(found.reason) == (verdict == "not resolved")


def test_differences_are_of_the_same_seed(mean):
    """Seeds differ far more than the subjects do, and every seed says the same."""
    first, second = mean(0.10, 0.50, 0.90), mean(0.09, 0.49, 0.89)
    found = judge(claim(), measured(a=first, b=second))
    assert found.verdict == "reproduced"
    assert found.difference.mean == pytest.approx(0.01)
    assert found.difference.num == 3


def test_only_seeds_that_both_finished_are_compared(mean):
    other = Mean(mean=0.1, low=0.1, high=0.1, seeds=(2, 5), by_seed=(0.1, 0.1))
    found = judge(claim(), measured(a=mean(0.2, 0.3, 0.4), b=other))
    assert found.difference.num == 1
    assert found.difference.mean == pytest.approx(0.3)
    assert (found.verdict, found.reason) == ("not resolved", "one seed has no interval")


def test_no_seed_in_common_resolves_nothing(mean):
    other = Mean(mean=0.1, low=0.1, high=0.1, seeds=(7, 8), by_seed=(0.1, 0.1))
    found = judge(claim(), measured(a=mean(0.2, 0.3), b=other))
    assert (found.verdict, found.reason) == ("not resolved", "no seed has finished in both")


def test_an_interval_that_touches_zero_is_not_resolved(mean):
    same = mean(0.2, 0.2, 0.2)
    assert judge(claim(), measured(a=same, b=same)).verdict == "not resolved"
    assert judge(claim("below"), measured(a=same, b=same)).verdict == "not resolved"


def test_one_seed_has_no_interval_and_resolves_nothing(mean):
    found = judge(claim(), measured(a=mean(0.9), b=mean(0.1)))
    assert (found.verdict, found.reason) == ("not resolved", "one seed has no interval")
    assert math.isnan(found.difference.low)


def test_several_subjects_are_averaged_seed_by_seed(mean):
    sides = {"first": ("a", "b"), "second": ("c",)}
    values = measured(a=mean(0.1, 0.2), b=mean(0.3, 0.4), c=mean(0.1, 0.2))
    found = judge(claim(**sides), values)
    assert found.difference.mean == pytest.approx(0.1)
    assert found.verdict == "reproduced"


def test_a_number_is_what_it_is_compared_with(mean):
    against = {"second": (), "number": 0.0}
    assert judge(claim(**against), measured(a=mean(0.1, 0.11, 0.12))).verdict == "reproduced"
    assert judge(claim(**against), measured(a=mean(-0.1, -0.11, -0.12))).verdict == "opposite"


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((1.001, 0.999, 1.0), "reproduced"),
        ((1.1, 1.101, 1.102), "opposite"),
        ((0.8, 0.801, 0.802), "opposite"),
        ((1.0, 1.2, 0.8), "not resolved"),
        ((1.03, 1.0, 1.03), "not resolved"),
    ],
)
def test_about_is_within_two_percent_of_the_second(mean, values, verdict):
    found = judge(claim("about"), measured(a=mean(*values), b=mean(1.0, 1.0, 1.0)))
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.19, 0.21, "reproduced"), (0.05, 0.35, "not resolved"), (0.02, 0.04, "opposite")],
)
def test_intervals_without_seeds_are_joined(low, high, verdict):
    def over_users(low, high):
        return Mean(mean=(low + high) / 2, low=low, high=high, seeds=(), by_seed=())

    found = judge(claim(), measured(a=over_users(low, high), b=over_users(0.09, 0.11)))
    assert found.verdict == verdict
    reach = math.hypot((high - low) / 2, 0.01)
    assert (found.difference.high - found.difference.low) / 2 == pytest.approx(reach)


def test_what_cannot_be_had_is_not_run_and_says_why(mean):
    found = judge(claim(), measured(a=mean(0.1, 0.2)), absent={"b": "not in the zoo"})
    assert (found.verdict, found.reason) == ("not run", "not in the zoo")


def test_a_subject_none_of_whose_runs_finished_is_not_resolved(mean):
    nothing = Mean(mean=math.nan, low=math.nan, high=math.nan, seeds=(), by_seed=())
    for values in (measured(a=mean(0.1, 0.2)), measured(a=mean(0.1, 0.2), b=nothing)):
        found = judge(claim(), values)
        assert (found.verdict, found.reason) == ("not resolved", "no run of b has finished")


def test_a_claim_in_words():
    sides = {"first": ("4", "8"), "second": ("1", "2")}
    assert claim("below", **sides).text() == "4, 8 below 1, 2"
    assert claim("above", second=(), number=0.0).text() == "a above 0"
