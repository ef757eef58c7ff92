"""Few points are timed, and the cost of the others follows."""

import pytest

from orchestrator.config import override
from orchestrator.sweep.cost import Cost, Seconds, cost_class
from orchestrator.sweep.price import Prices
from orchestrator.sweep.space import Choice, Range, Space

FACTORS = {
    "model.num_heads": Choice((1, 2, 4, 8)),
    "model.num_layers": Choice((1, 2, 3)),
    "model.dropout": Range(0.0, 0.5),
    "train.learning_rate": Range(1e-3, 1e-2, log=True),
}


def cost(seconds, weights=100.0):
    return Cost(
        epochs={"joint": Seconds(seconds, seconds)},
        ends=Seconds(1.0, 1.0),
        weights=weights,
        checkpoint=3 * weights,
    )


@pytest.fixture
def asked():
    return []


@pytest.fixture
def prices(base, asked):
    """A second per layer and an eighth of one per head; the base has 1 layer and 2 heads."""

    def time(config):
        asked.append(config)
        settings = config.settings
        return cost(settings.num_layers + settings.num_heads / 8, 100.0 * settings.num_layers)

    return Prices(base, time, FACTORS)


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({"train.learning_rate": 0.1}, True),
        ({"train.patience": 3, "train.max_epochs": 9}, True),
        ({"model.dropout": 0.3}, True),
        ({"model.dropout": 0.0}, False),
        ({"model.num_heads": 4}, False),
        ({"train.batch_targets": 3}, False),
        ({"train.precision": "bf16"}, False),
        ({"train.average_decay": 0.9}, False),
    ],
)
def test_what_costs_the_same_is_one_class(base, changes, is_same):
    assert (cost_class(override(base, changes, where="")) == cost_class(base)) is is_same


def epochs(between):
    return between.low.epoch, between.high.epoch


def test_an_end_of_a_factor_is_timed_and_what_is_between_is_on_the_line(prices, asked):
    assert epochs(prices.of([{"model.num_heads": 8}])) == (2.0, 2.0)
    assert epochs(prices.of([{"model.num_heads": 4}])) == pytest.approx((1.5, 1.5))
    assert [config.settings.num_heads for config in asked] == [2, 8], "4 heads are not timed"
    assert set(prices.timed) == {"base", "num_heads=8"}


def test_each_cost_class_is_timed_once(prices, asked):
    for rate in (1e-3, 2e-3, 5e-3):
        prices.of([{"train.learning_rate": rate}])
        prices.of([{"model.num_heads": 8}, {"train.learning_rate": rate}])
    assert len(asked) == 2


def test_several_changes_lie_between_added_and_multiplied(prices):
    """Base 1.25 s; 3 layers 3.25 s, 8 heads 2 s: added 4 s, multiplied 5.2 s. It would be 4 s."""
    between = prices.of([{"model.num_layers": 3}, {"model.num_heads": 8}])
    assert epochs(between) == pytest.approx((4.0, 5.2))
    assert between.high.weights == pytest.approx(300.0)


def test_drawn_points_are_of_the_space(prices):
    space = Space(name="t", model="sasrec", kind="joint", about="", factors=FACTORS, source="t")
    drawn = prices.drawn(space, [], num=40, seed=0)
    assert len({epochs(between) for between in drawn}) > 5
    assert all(1.0 < low <= high < 6.0 for low, high in map(epochs, drawn))
    again = prices.drawn(space, [], num=40, seed=0)
    assert list(map(epochs, again)) == list(map(epochs, drawn))
