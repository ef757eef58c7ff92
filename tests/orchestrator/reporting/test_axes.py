import pandas as pd
import pytest

from orchestrator.reporting.axes import places_of, scale


@pytest.mark.parametrize(
    ("values", "at"),
    [
        ([1, 2, 4, 8, 16], (0, 1, 2, 3, 4)),
        ([0.1, 0.2, 0.3], (0.1, 0.2, 0.3)),
        ([True, False], (0, 1)),
        (["sum", "mean"], (0, 1)),
        ([0, 0.001, 0.01, 0.1, 1], (0, 1, 2, 3, 4)),  # would crowd on a linear axis
        ([3], (3,)),
    ],
)
def test_places_of_values(values, at):
    places = places_of(values)
    assert places.at == pytest.approx(at)
    assert places.ticks == places.at
    assert not places.is_sampled


def test_labels_of_values():
    assert places_of([True, False]).labels == ("on", "off")
    assert places_of([1e-4, 1e-3]).labels == ("0.0001", "0.001")
    assert places_of([(5, 10), (5,)]).labels == ("5, 10", "5")


def test_sampled_values_get_round_ticks_within_their_range():
    linear = places_of([0.031 * i for i in range(1, 20)])
    assert linear.is_sampled
    assert linear.labels == ("0.15", "0.3", "0.45")
    log = places_of([1e-4 * 1.3**i for i in range(20)])
    assert log.labels == ("0.0001", "0.0003", "0.001", "0.003", "0.01")


def rows(*by_seed, low=None, high=None):
    columns = {"low": low or [v[0] for v in by_seed], "high": high or [v[-1] for v in by_seed]}
    return pd.DataFrame({**columns, "by_seed": list(by_seed)})


def test_curves_take_their_share_of_the_height():
    one = scale(rows((0.1, 0.2)), [], (0.5, 1.0))
    assert (one.low, one.high) == pytest.approx((0.0, 0.2))
    assert one.middle == 0.75
    assert all(0.1 <= tick <= 0.2 for tick in one.ticks)


def test_near_reference_widens_the_axis_and_a_far_one_does_not():
    assert scale(rows((0.1, 0.2)), [0.25], (0.0, 1.0)).high == pytest.approx(0.25)
    assert scale(rows((0.1, 0.2)), [0.9], (0.0, 1.0)).high == pytest.approx(0.2)


def test_one_wide_bar_does_not_flatten_the_curves():
    wide = scale(rows((0.1, 0.2), low=[-5.0], high=[5.0]), [], (0.0, 1.0))
    assert (wide.low, wide.high) == pytest.approx((0.0, 0.3))


def test_noise_is_not_blown_up():
    flat = scale(rows((0.1000, 0.1001)), [], (0.0, 1.0))
    assert flat.high - flat.low == pytest.approx(0.05 * 0.1001)
