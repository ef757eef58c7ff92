"""The figure of a path: means within the axis, and intervals only where there are seeds."""

import math

import pandas as pd
import pytest

from orchestrator.config import MONITOR
from orchestrator.reporting.path_figure import draw_path, path_part

LABELS = ["base", "dropout = 0.3", "loss = full_softmax"]


@pytest.fixture
def frame():
    def make(half):
        means = (0.0840, 0.0860, 0.0855)
        gains = (math.nan, 0.002, -0.0005)
        return pd.DataFrame(
            {
                "step": [0, 1, 2],
                "is_chosen": True,
                MONITOR: means,
                "gain": gains,
                "low": [gain - half for gain in gains],
                "high": [gain + half for gain in gains],
            }
        )

    return make


def legend(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_the_first_and_the_best_mean_lie_within_the_axis(frame):
    (axes,) = draw_path(frame(math.nan), LABELS, "A title").axes
    low, high = axes.get_xlim()
    assert low < 0.0840 - 0.00005
    assert high > 0.0860 + 0.00005


def test_intervals_are_explained_where_there_are_some(frame):
    assert "95 % over seeds" in legend(draw_path(frame(0.001), LABELS, "A title"))
    alone = draw_path(frame(math.nan), LABELS, "A title")
    assert "95 % over seeds" not in legend(alone)
    assert "One seed: no interval." in path_part(frame(math.nan), LABELS).notes
