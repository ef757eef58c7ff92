"""The forest plot of an ablation: every variant's difference to the base, with both intervals."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from orchestrator.evaluation.significance import VERDICTS
from orchestrator.reporting.ablation_tables import percent, published_percent
from orchestrator.reporting.comparison import INTERACTIONS
from orchestrator.reporting.parts import Part, compose
from orchestrator.reporting.published import ablation_source
from orchestrator.reporting.rows import (
    LEAST,
    PAPER,
    Rows,
    reach,
    row_panels,
    rows_height,
    rows_of,
    rows_width,
)
from orchestrator.reporting.style import LOOKS, Look, style
from orchestrator.tracking.runs import SweepInfo

_UNRESOLVED = Look(color="0.45", marker="D", line=":", fill="white")
_LOOKS = (*LOOKS[:3], _UNRESOLVED)
VERDICT_LOOKS: dict[str, Look] = dict(
    zip([*VERDICTS.values(), *INTERACTIONS.values()], _LOOKS * 2, strict=True)
)
"""Verdict on a variant, or finding on an interaction -> how it is drawn."""
_BAND = "0.9"
_ROOM = 0.75
"""Intervals over seeds are followed so far beyond everything else, in its range."""
_DASHES = (0, (0.5, 0.25))
_SHIFT = 0.2
"""From the middle of a row to its fixed and to its retuned line, where there are both."""


def forest(
    frame: pd.DataFrame, info: SweepInfo, *, bound: float, title: str, notes: Sequence[str]
) -> Figure:
    """A panel per metric; differences in % of the base's mean, the neutral band shaded.

    Args:
        frame: rows of what :func:`~orchestrator.reporting.comparison.ablation_frame` gave:
            variants without the base, or interactions.
        info: the ablation.
        bound: part of the base's mean that does not matter.
        title: what the figure is about.
        notes: sentences to set under it.
    """
    return compose([forest_part(frame, info, bound=bound, notes=notes)], title=title)


@style()
def forest_part(
    frame: pd.DataFrame, info: SweepInfo, *, bound: float, notes: Sequence[str]
) -> Part:
    """The panels of :func:`forest`."""
    rows, metrics = rows_of(frame), frame["metric"].drop_duplicates().tolist()
    by_metric = {metric: frame[frame["metric"] == metric] for metric in metrics}
    cut = any(_is_cut(own, band=100 * bound) for own in by_metric.values())

    def draw(place: FigureBase, width: float) -> None:
        for metric, axes in row_panels(place, rows, metrics, width):
            _draw(axes, by_metric[metric], rows, band=100 * bound)

    return Part(
        frame=frame,
        draw=draw,
        height=lambda width: rows_height(rows, len(metrics), width),
        width=rows_width(len(metrics)),
        least=LEAST,
        handles=_handles(frame, info),
        notes=[*notes, *(["Arrows: intervals that go on."] if cut else [])],
    )


def _limits(marks: Sequence["_Mark"], band: float) -> tuple[float, float]:
    inner = [-band, band, *(x for mark in marks for x in mark.inner)]
    return reach(inner, [x for mark in marks for x in mark.seeds], room=_ROOM)


def _is_cut(rows: pd.DataFrame, *, band: float) -> bool:
    """Whether an interval goes on beyond the panel."""
    marks = [_Mark(row) for row in rows.itertuples()]
    low, high = _limits(marks, band)
    return any(mark.seeds[0] < low or mark.seeds[1] > high for mark in marks)


def _draw(axes: Axes, rows: pd.DataFrame, places: Rows, *, band: float) -> None:
    marks = [_Mark(row) for row in rows.itertuples()]
    low, high = _limits(marks, band)
    axes.axvspan(-band, band, color=_BAND, lw=0, zorder=0)
    axes.axvline(0.0, color="black", linewidth=0.6, zorder=1)
    axes.set_xlim(low, high)
    is_crossed = (rows["role"] == "interaction").any()
    axes.set_xlabel("interaction (% of base)" if is_crossed else "difference to base (%)")
    has_both = (rows["phase"] == "retuned").any()
    for mark in marks:
        shift = 0.0 if not has_both else _SHIFT if mark.phase == "fixed" else -_SHIFT
        mark.draw(axes, places.heights[mark.variant] + shift, (low, high))


class _Mark:
    """One row's difference, in % of the base's mean."""

    def __init__(self, row: Any) -> None:  # noqa: ANN401 - a row of the frame
        self.variant: str = row.variant
        self.phase: str = row.phase
        self.look = VERDICT_LOOKS[row.verdict]
        self.at = percent(row, row.difference)
        self.seeds = [percent(row, x) for x in (row.difference_low, row.difference_high)]
        self.users = [percent(row, x) for x in (row.users_low, row.users_high)]
        self.paper = published_percent(row)

    @property
    def inner(self) -> list[float]:
        """What must be in the picture."""
        return [self.at, *self.users, self.paper]

    def draw(self, axes: Axes, height: float, limits: tuple[float, float]) -> None:
        """Thick and pale over seeds, thin over users, and the paper's own star."""
        line = "-" if self.phase == "fixed" else _DASHES
        color = self.look.color
        axes.plot(
            self.seeds, [height] * 2, color=color, linestyle=line, lw=3.6, alpha=0.4,
            solid_capstyle="butt", dash_capstyle="butt", zorder=2,
        )  # fmt: skip
        axes.plot(self.users, [height] * 2, color=color, lw=0.9, marker="|", ms=4, zorder=3)
        axes.plot(
            [self.at], [height], self.look.marker, color=color, markerfacecolor=self.look.fill,
            markersize=4, markeredgewidth=0.9, zorder=4,
        )  # fmt: skip
        axes.plot([self.paper], [height], zorder=5, **PAPER)
        low, high = limits
        inside = 0.012 * (high - low)
        for is_cut, at, arrow in (
            (self.seeds[0] < low, low + inside, "<"),
            (self.seeds[1] > high, high - inside, ">"),
        ):
            if is_cut:
                axes.plot([at], [height], arrow, color=color, markersize=3.5, zorder=4)


def _handles(shown: pd.DataFrame, info: SweepInfo) -> list[Artist]:
    handles: list[Artist] = [
        Line2D(
            [], [], color=look.color, linestyle="none", marker=look.marker, markersize=4,
            markerfacecolor=look.fill, label=verdict,
        )
        for verdict, look in VERDICT_LOOKS.items()
        if (shown["verdict"] == verdict).any()
    ]  # fmt: skip
    if shown["difference_low"].notna().any():
        handles.append(Line2D([], [], color="0.3", lw=3.6, alpha=0.4, label="95 % over seeds"))
    if shown["users_low"].notna().any():
        handles.append(Line2D([], [], color="0.3", lw=0.9, label="95 % over users"))
    handles.append(Patch(color=_BAND, label="neutral band"))
    if (shown["phase"] == "retuned").any():
        handles.append(
            Line2D([], [], color="0.3", lw=3.6, alpha=0.4, linestyle=_DASHES, label="retuned")
        )
    if shown["published_difference"].notna().any():
        handles.append(Line2D([], [], label=ablation_source(info.model), **PAPER))
    return handles
