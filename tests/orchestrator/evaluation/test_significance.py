import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evaluation.significance import interval

numbers = st.lists(st.floats(-10, 10), min_size=2, max_size=10)


def test_three_seeds_against_the_printed_t_table():
    found = interval([1.0, 2.0, 3.0])
    reach = 4.302653 * 1 / math.sqrt(3)  # t(2 degrees of freedom, 97.5 %) = 4.302653, s = 1
    assert found == pytest.approx((2.0, 2 - reach, 2 + reach), abs=1e-5)


def test_two_seeds_against_the_printed_t_table():
    found = interval([0.1, 0.3])
    assert found.high - found.mean == pytest.approx(12.7062 * 0.1, abs=1e-4)  # s / sqrt(2) = 0.1


def test_another_confidence():
    found = interval([1.0, 2.0, 3.0], confidence=0.9)
    assert found.high - found.mean == pytest.approx(2.919986 / math.sqrt(3), abs=1e-5)


def test_one_seed_has_a_mean_and_no_interval():
    found = interval([0.25])
    assert found.mean == 0.25
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_equal_seeds_have_an_interval_of_no_width():
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "confidence", "message"),
    [
        ([], 0.95, "cannot be empty"),
        ([0.1, math.nan], 0.95, "cannot hold NaN"),
        ([0.1, math.inf], 0.95, "cannot hold NaN"),
        ([0.1, 0.2], 1.0, "`confidence` cannot be 1.0"),
        ([0.1, 0.2], 0.0, "`confidence` cannot be 0.0"),
    ],
)
def test_what_has_no_interval_is_refused(values, confidence, message):
    with pytest.raises(ValueError, match=message):
        interval(values, confidence=confidence)


@given(numbers)
def test_the_mean_lies_within(values):
    found = interval(values)
    assert found.low <= found.mean <= found.high


@given(numbers)
def test_more_confidence_is_never_narrower(values):
    assert interval(values, confidence=0.99).high >= interval(values, confidence=0.9).high
