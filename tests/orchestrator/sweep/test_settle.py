"""When seeds are enough: intervals at a level that is shared by all looks."""

import numpy as np
import pytest
from scipy.special import stdtrit

from orchestrator.errors import ConfigError
from orchestrator.sweep.settle import Rule


def judged(differences, *, base=0.1, num_seeds=10, bound=0.02):
    seeds = dict(enumerate(np.full(len(differences), base)))
    variant = {seed: base + differences[seed] for seed in seeds}
    return Rule(num_seeds=num_seeds, bound=bound).judge(variant, seeds)


def test_the_looks_share_five_per_cent():
    rule = Rule(num_seeds=10, bound=0.02)
    assert rule.looks == 8, "after 3, 4, ..., 10 seeds"
    assert rule.confidence == pytest.approx(1 - 0.05 / 8)


@pytest.mark.parametrize("num", [1, 3])
def test_seeds_to_which_none_can_be_added_are_refused(num):
    with pytest.raises(ConfigError, match=rf"^--until-resolved cannot be used with --seeds {num}"):
        Rule(num_seeds=num, bound=0.02)


def test_an_interval_by_hand():
    """Differences of -1, -2, -3 % of the base, s = 1 %, n = 3, two looks: t(2) at 0.9875."""
    answer = judged([-0.001, -0.002, -0.003], num_seeds=4)
    quantile = stdtrit(2, 0.9875)
    assert answer.mean == pytest.approx(-0.02)
    assert answer.half == pytest.approx(quantile * 0.01 / np.sqrt(3))
    assert answer.detectable == pytest.approx((quantile + stdtrit(2, 0.8)) * 0.01 / np.sqrt(3))
    assert (answer.finding, answer.is_settled) == ("unresolved", False)


@pytest.mark.parametrize(
    ("differences", "finding"),
    [
        ([-0.0100, -0.0101, -0.0102], "below"),
        ([0.0100, 0.0101, 0.0102], "above"),
        ([0.0001, -0.0001, 0.0], "within"),
        ([0.0, 0.0, 0.0], "within"),
        ([0.01, -0.01, 0.0], "unresolved"),
        ([0.01, 0.01], "unresolved"),
        ([], "unresolved"),
    ],
)
def test_where_a_difference_lies(differences, finding):
    assert judged(differences).finding == finding


def test_what_a_wide_bound_holds_is_settled():
    assert judged([0.01, -0.01, 0.0], bound=0.02).finding == "unresolved"
    assert judged([0.01, -0.01, 0.0], bound=0.9).finding == "within"


def test_only_seeds_that_both_have_count():
    rule = Rule(num_seeds=10, bound=0.02)
    variant = {0: 0.09, 1: 0.09, 2: 0.09, 3: 0.5}
    assert rule.judge(variant, {0: 0.1, 1: 0.1, 4: 0.1}).num_seeds == 2
    assert rule.judge(variant, {0: 0.1, 1: 0.1, 2: 0.1}).finding == "below"


def test_looking_often_finds_no_more_than_five_per_cent_of_what_is_not_there():
    """Ten seeds of pure noise, looked at eight times; at the level of one look it would be 15 %."""
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 0.01, size=(1500, 10))
    rule = Rule(num_seeds=10, bound=1e-9)

    def is_found(row):
        base = dict.fromkeys(range(10), 0.1)
        looks = ({seed: 0.1 + row[seed] for seed in range(n)} for n in range(3, 11))
        return any(rule.judge(look, base).is_settled for look in looks)

    assert 0.005 < np.mean([is_found(row) for row in noise]) < 0.05
