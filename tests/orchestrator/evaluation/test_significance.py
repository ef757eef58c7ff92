import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from orchestrator.evaluation.significance import (
    VERDICTS,
    Paired,
    detectable,
    effect_size,
    finding,
    holm,
    interval,
    over_seeds,
)

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


def test_three_seeds_compared_by_hand():
    # Differences of mean -0.02 and s = 0.01: t = -0.02 / (0.01 / sqrt(3)) = -2 sqrt(3).
    found = over_seeds([-0.01, -0.02, -0.03])
    assert (found.num, found.mean) == (3, pytest.approx(-0.02))
    reach = 4.302653 * 0.01 / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((-0.02 - reach, -0.02 + reach), abs=1e-7)
    inner = 2.919986 * 0.01 / math.sqrt(3)
    assert (found.inner_low, found.inner_high) == pytest.approx((-0.02 - inner, -0.02 + inner))
    # With 2 degrees of freedom, P(T < -t) = 1/2 - t / (2 sqrt(t² + 2)); here t² = 12.
    assert found.p_value == pytest.approx(1 - math.sqrt(12 / 14))


@given(st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=8))
def test_paired_t_test_is_scipys(differences):
    found = over_seeds(differences)
    rounded = np.round(differences, 12)
    if not np.ptp(rounded):
        assert found.p_value == (0.0 if rounded[0] else 1.0)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of nearly equal numbers
        expected = stats.ttest_1samp(rounded, 0.0)
    bounds = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high), abs=1e-9)


def test_equal_differences_need_no_spread():
    assert over_seeds([0.0, 0.0]).p_value == 1.0
    assert over_seeds([0.1, 0.1, 0.1]).p_value == 0.0
    assert effect_size([0.0, 0.0]) == 0.0
    assert effect_size([-0.1, -0.1]) == -math.inf
    assert detectable([0.1, 0.1]) == 0.0


def test_floating_point_noise_is_no_difference():
    noise = [0.1 + 0.2 - 0.3, 0.0, 0.3 - 0.2 - 0.1]
    assert any(noise)
    assert (over_seeds(noise).mean, over_seeds(noise).p_value) == (0.0, 1.0)
    shifted = [0.1 + 0.2, 0.3, 0.3]
    assert effect_size(shifted) == math.inf
    assert over_seeds(shifted).p_value == 0.0


def test_one_seed_has_a_difference_and_no_test():
    found = over_seeds([0.3])
    assert (found.num, found.mean) == (1, 0.3)
    for value in (found.low, found.high, found.inner_low, found.p_value):
        assert math.isnan(value)
    assert math.isnan(effect_size([0.3]))
    assert math.isnan(detectable([0.3]))


def test_no_seed_has_nothing():
    found = over_seeds([])
    assert found.num == 0
    assert math.isnan(found.mean)
    assert math.isnan(found.p_value)
    assert math.isnan(effect_size([]))
    assert math.isnan(detectable([]))


def test_effect_size_by_hand():
    assert effect_size([-0.01, -0.02, -0.03]) == pytest.approx(-2)  # -0.02 / 0.01


def test_smallest_detectable_difference_by_hand():
    found = detectable([-0.01, -0.02, -0.03])
    assert found == pytest.approx((4.302653 + 1.060660) * 0.01 / math.sqrt(3), rel=1e-6)


def test_the_detectable_difference_is_seen_about_as_often_as_promised():
    # The formula is the usual approximation; the exact power of five pairs is near 80 %.
    random = np.random.default_rng(0)
    true = detectable(np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * math.sqrt(1 / 0.625))  # s = 1
    seen = sum(over_seeds(true + random.standard_normal(5)).p_value < 0.05 for _ in range(1000))
    assert 0.7 < seen / 1000 < 0.9


def test_false_alarms_over_seeds_are_as_rare_as_promised():
    random = np.random.default_rng(0)
    alarms = sum(over_seeds(random.standard_normal(5)).p_value < 0.05 for _ in range(1000))
    assert 0.03 < alarms / 1000 < 0.07


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_counts_no_test_that_was_not_made():
    found = holm([0.01, math.nan, 0.03])
    assert found[0] == pytest.approx(0.02)
    assert math.isnan(found[1])
    assert found[2] == pytest.approx(0.03)


p_values = st.lists(st.floats(0, 1) | st.just(math.nan), max_size=12)


@given(p_values)
def test_holm_keeps_the_order_and_only_raises(values):
    found = holm(values)
    made = [(p, q) for p, q in zip(values, found, strict=True) if not math.isnan(p)]
    assert sum(map(math.isnan, found)) == len(values) - len(made)
    assert all(p <= q <= min(1.0, len(made) * p) + 1e-12 for p, q in made)
    ordered = [q for _, q in sorted(made)]
    assert ordered == sorted(ordered)


@given(p_values, st.randoms())
def test_holm_does_not_depend_on_the_order(values, random):
    places = list(range(len(values)))
    random.shuffle(places)
    shuffled = holm([values[place] for place in places])
    straight = holm(values)
    expected = [straight[place] for place in places]
    assert shuffled == pytest.approx(expected, nan_ok=True)


def pairs(mean, reach):
    return Paired(
        num=5,
        mean=mean,
        low=mean - 1.2 * reach,
        high=mean + 1.2 * reach,
        inner_low=mean - reach,
        inner_high=mean + reach,
        p_value=0.5,
    )


@pytest.mark.parametrize(
    ("seeds", "users", "p_seeds", "p_users", "expected"),
    [
        (pairs(-0.1, 0.01), pairs(-0.1, 0.01), 0.01, 0.01, "below"),
        (pairs(0.1, 0.01), pairs(0.1, 0.01), 0.01, 0.01, "above"),
        (pairs(0.1, 0.01), pairs(0.1, 0.01), 0.01, 0.05, "unresolved"),
        (pairs(0.1, 0.01), pairs(0.1, 0.01), 0.05, 0.01, "unresolved"),
        (pairs(0.1, 0.01), pairs(-0.1, 0.01), 0.01, 0.01, "unresolved"),  # of other sign
        (pairs(0.01, 0.005), pairs(0.01, 0.009), 0.5, 0.01, "within"),
        (pairs(0.01, 0.005), pairs(0.01, 0.011), 0.5, 0.5, "unresolved"),  # users may differ
        (pairs(0.01, 0.011), pairs(0.01, 0.005), 0.5, 0.5, "unresolved"),  # seeds may differ
        (pairs(0.01, 0.001), pairs(0.01, 0.001), 0.01, 0.01, "above"),  # small, yet sure
        (over_seeds([0.0]), pairs(0.0, 0.001), math.nan, 0.9, "unresolved"),  # one seed
        (pairs(0.0, 0.001), Paired(num=0), 0.9, math.nan, "unresolved"),  # no users
    ],
)
def test_both_tests_must_agree(seeds, users, p_seeds, p_users, expected):
    found = finding(seeds, users, p_seeds=p_seeds, p_users=p_users, bound=0.02)
    assert found == expected


def test_a_variant_below_the_base_lacks_what_helps():
    assert dict(VERDICTS) == {
        "below": "helps",
        "above": "hurts",
        "within": "neutral",
        "unresolved": "unresolved",
    }


def test_without_a_base_nothing_is_resolved():
    found = finding(pairs(0.0, 0.0), pairs(0.0, 0.0), p_seeds=1.0, p_users=1.0, bound=math.nan)
    assert found == "unresolved"
