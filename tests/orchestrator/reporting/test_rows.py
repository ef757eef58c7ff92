import math

import pytest
from matplotlib.figure import Figure

from orchestrator.reporting.rows import reach, row_panels, rows_of, rows_width
from orchestrator.reporting.style import COLUMN, PAGE


def test_rows_stand_under_each_other_with_a_title_between(crossed_frame):
    rows = rows_of(crossed_frame[crossed_frame["role"] != "interaction"])
    heights = {"base": 0.0, "without_a": -1.0, "without_b": -2.0, "image_shuffled": -4.0}
    assert rows.heights == heights
    assert rows.titles == {"modality controls": -3.0}
    assert rows.num == 5


def test_interactions_have_rows_of_their_own(crossed_frame):
    rows = rows_of(crossed_frame[crossed_frame["role"] == "interaction"])
    assert rows.heights == {"without_a+without_b": 0.0}


@pytest.mark.parametrize(
    ("num_metrics", "width", "columns"),
    [(1, COLUMN + 1.5, 1), (2, PAGE, 2), (3, PAGE, 3), (4, PAGE, 2)],
)
def test_metrics_stand_in_even_lines_as_wide_as_the_page(
    crossed_frame, num_metrics, width, columns
):
    metrics = [f"test/ndcg@{5 * (i + 1)}" for i in range(num_metrics)]
    assert rows_width(num_metrics) == width
    axes = dict(row_panels(Figure(), rows_of(crossed_frame), metrics, width))
    assert list(axes) == metrics
    named = [any(label.get_text() for label in own.get_yticklabels()) for own in axes.values()]
    assert named == [place % columns == 0 for place in range(num_metrics)]


def test_limits_hold_inner_values_and_outer_ones_up_to_a_point():
    low, high = reach([0.0, 1.0], [-0.2, 5.0], room=0.5)
    assert (low, high) == (pytest.approx(-0.2 - 0.04 * 1.7), pytest.approx(1.5 + 0.04 * 1.7))


def test_unknown_values_set_no_limit():
    low, high = reach([math.nan, 0.0, 1.0], [math.nan, math.inf], room=1.0)
    assert (low, high) == (pytest.approx(-0.08), pytest.approx(2.08))
    assert all(map(math.isfinite, reach([], [math.nan], room=1.0)))
