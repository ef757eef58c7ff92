"""Panels side by side, one per metric, with a named row for each variant in all of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from types import MappingProxyType
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from orchestrator.reporting.ablation_tables import readable
from orchestrator.reporting.comparison import Role
from orchestrator.reporting.parts import even_columns
from orchestrator.reporting.points import metric_text
from orchestrator.reporting.style import COLUMN, PAGE

_SECTIONS: tuple[tuple[Role, str], ...] = (
    ("base", ""),
    ("component", ""),
    ("control", "modality controls"),
    ("interaction", ""),
)
_CHARACTERS = 28
"""Of a row's name on a line."""
_INCHES = 0.15
"""Height of a line in a row's name; a row is as high as two."""
PAPER: Mapping[str, Any] = MappingProxyType(
    {
        "color": "black",
        "marker": "*",
        "markersize": 6,
        "markerfacecolor": "white",
        "markeredgewidth": 0.7,
        "linestyle": "none",
    }
)
"""How the paper's own numbers are marked."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Where each row stands, from above, and the titles between them."""

    heights: Mapping[str, float]
    """Variant -> its height."""
    titles: Mapping[str, float]
    """Title of a section -> its height."""

    @property
    def num(self) -> int:
        """Rows and titles."""
        return len(self.heights) + len(self.titles)


def rows_of(frame: pd.DataFrame) -> Rows:
    """A row per variant: base, components, controls under a title, interactions."""
    named = frame.drop_duplicates("variant")
    heights: dict[str, float] = {}
    titles: dict[str, float] = {}
    for role, title in _SECTIONS:
        names = named.loc[named["role"] == role, "variant"].tolist()
        if names and title:
            titles[title] = -float(len(heights) + len(titles))
        for name in names:
            heights[name] = -float(len(heights) + len(titles))
    return Rows(heights=heights, titles=titles)


LEAST = 3.0
"""Inches that rows need beside their names."""


def rows_width(num_metrics: int) -> float:
    """Inches of a figure that stands alone."""
    return PAGE if num_metrics > 1 else COLUMN + 1.5


def rows_height(rows: Rows, num_metrics: int, width: float) -> float:
    """Inches that all panels are high."""
    lines, _ = _shape(num_metrics, width)
    return 0.4 + lines * (0.5 + 2 * _INCHES * (rows.num + 0.5))


def _shape(num_metrics: int, width: float) -> tuple[int, int]:
    """Lines and columns of panels; only those at the left have names beside them."""
    columns = even_columns(num_metrics, width - 1.3, 1.9, most=3)
    return math.ceil(num_metrics / columns), columns


def row_panels(
    place: FigureBase, rows: Rows, metrics: Sequence[str], width: float
) -> Iterator[tuple[str, Axes]]:
    """The axes of each metric, with rows named at the left."""
    shape = _shape(len(metrics), width)
    for index, metric in enumerate(metrics):
        axes = place.add_subplot(*shape, index + 1)
        axes.set_title(metric_text(metric))
        axes.set_ylim(-rows.num + 0.4, 0.6)
        axes.spines["right"].set_visible(False)
        _name(axes, rows, is_first=index % shape[1] == 0)
        yield metric, axes


def _name(axes: Axes, rows: Rows, *, is_first: bool) -> None:
    places = {**rows.titles, **rows.heights}
    labels = [*rows.titles, *(fill(readable(name), _CHARACTERS) for name in rows.heights)]
    axes.set_yticks(list(places.values()), labels=labels if is_first else [""] * len(labels))
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels()[: len(rows.titles)]:
        label.set_fontstyle("italic")


def reach(inner: Sequence[float], outer: Sequence[float], *, room: float) -> tuple[float, float]:
    """Limits that hold all inner values, and outer ones up to ``room`` times their range."""
    known = [value for value in inner if math.isfinite(value)] or [0.0]
    low, high = min(known), max(known)
    spare = room * max(high - low, 1e-9)
    near = [min(max(value, low - spare), high + spare) for value in outer if not math.isnan(value)]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.04 * (high - low)
    return low - margin, high + margin
