import math
import time

import numpy as np
import pytest

from orchestrator.evaluation import bootstrap
from orchestrator.evaluation.bootstrap import over_users

NUM = 10_001
"""Resamples, and the one of the add-one rule."""


def drawn(num_users, *, shift, seed=0):
    return shift + 0.2 * np.random.default_rng(seed).standard_normal(num_users)


def test_two_users_by_hand():
    # Two draws of two: mean 0 with chance 1/4, 1/2 with chance 1/2, 1 with chance 1/4.
    found = over_users(np.array([0.0, 1.0]))
    assert (found.num, found.mean) == (2, 0.5)
    assert (found.low, found.high) == (0.0, 1.0)
    assert found.p_value == pytest.approx(2 * 1 / 4, abs=0.02)


def test_p_value_is_never_zero():
    found = over_users(np.linspace(-0.2, -0.1, 50))
    assert found.p_value == 2 / NUM
    assert found.high < 0


def test_equal_users_have_an_interval_of_no_width():
    same = over_users(np.zeros(20))
    assert (same.mean, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
    moved = over_users(np.full(20, 0.1))
    assert (moved.low, moved.inner_low, moved.inner_high, moved.high) == (0.1,) * 4
    assert moved.p_value == 2 / NUM


def test_floating_point_noise_is_no_difference():
    noise = (0.1 + 0.2 - 0.3) * np.ones(50)
    assert noise.any()
    found = over_users(noise)
    assert (found.mean, found.p_value) == (0.0, 1.0)


@pytest.mark.parametrize("num", [0, 1])
def test_too_few_users_say_nothing(num):
    found = over_users(np.full(num, 0.5))
    assert found.num == num
    assert math.isnan(found.p_value)
    assert math.isnan(found.low)
    assert math.isnan(found.mean) is (num == 0)


def test_intervals_are_those_of_the_normal_law_for_many_users():
    sample = drawn(4000, shift=0.01)
    reach = sample.std() / math.sqrt(len(sample))
    found = over_users(sample)
    assert found.mean == pytest.approx(sample.mean(), abs=1e-12)
    assert found.low == pytest.approx(found.mean - 1.96 * reach, abs=0.1 * reach)
    assert found.high == pytest.approx(found.mean + 1.96 * reach, abs=0.1 * reach)
    assert found.inner_low == pytest.approx(found.mean - 1.645 * reach, abs=0.1 * reach)
    assert found.inner_high == pytest.approx(found.mean + 1.645 * reach, abs=0.1 * reach)


def test_p_value_agrees_with_the_interval():
    for shift in np.linspace(-0.05, 0.05, 11):
        found = over_users(drawn(200, shift=shift))
        assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)


def test_swapping_base_and_variant_turns_the_result_round():
    sample = drawn(300, shift=0.01)
    found, turned = over_users(sample), over_users(-sample)
    assert turned.mean == -found.mean
    assert turned.p_value == pytest.approx(found.p_value, abs=0.02)
    assert turned.low == pytest.approx(-found.high, abs=0.002)


def test_users_order_changes_nothing():
    sample = np.repeat([0.0, 0.5, -0.25], [200, 30, 10])
    again = np.random.default_rng(1).permutation(sample)
    assert over_users(sample) == over_users(again)


def test_equal_seeds_give_equal_results():
    sample = drawn(200, shift=0.01)
    assert over_users(sample) == over_users(sample)
    assert over_users(sample, seed=1) != over_users(sample)


def test_taking_neighbours_together_changes_next_to_nothing(monkeypatch):
    sample = drawn(3000, shift=0.005)
    coarse = over_users(sample)
    monkeypatch.setattr(bootstrap, "MAX_GROUPS", len(sample))
    fine = over_users(sample)
    width = fine.high - fine.low
    assert coarse.mean == fine.mean
    assert coarse.high - coarse.low == pytest.approx(width, rel=0.03)  # noise of the resamples
    assert coarse.p_value == pytest.approx(fine.p_value, abs=0.02)


def test_groups_keep_the_mean_and_the_number_of_users(monkeypatch):
    monkeypatch.setattr(bootstrap, "MAX_GROUPS", 2)
    values, counts = bootstrap._grouped(np.array([0.0, 0.1, 0.2, 0.2, 0.9, 1.0]))
    assert counts.tolist() == [4, 2]
    assert values == pytest.approx([0.5 / 4, 1.9 / 2])


def test_memory_bound_changes_nothing(monkeypatch):
    sample = drawn(60, shift=0.01)
    whole = over_users(sample)
    monkeypatch.setattr(bootstrap, "_MAX_COUNTS", 1)
    assert over_users(sample) == whole


def test_false_alarms_are_as_rare_as_promised():
    alarms = sum(
        over_users(drawn(100, shift=0.0, seed=seed), resamples=500).p_value < 0.05
        for seed in range(400)
    )
    assert 0.02 < alarms / 400 < 0.09


def test_a_planted_difference_is_found():
    found = over_users(drawn(2000, shift=-0.02))
    assert found.p_value < 0.001
    assert found.low < -0.02 < found.high < 0


@pytest.mark.slow
def test_a_million_users_take_seconds():
    sample = drawn(10**6, shift=0.001)
    started = time.perf_counter()
    found = over_users(sample)
    assert time.perf_counter() - started < 10
    assert found.low < 0.001 < found.high
