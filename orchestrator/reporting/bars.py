"""Bar plots of variants or models: every one's mean, its interval, and the seeds as dots."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from orchestrator.reporting.parts import Part, compose
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
from orchestrator.reporting.style import BARS, LOOKS, style

_BAR = {"fixed": BARS[0], "retuned": BARS[1]}
_ROOM = 0.5
"""Intervals are followed so far beyond everything else, in its range."""


def bars(frame: pd.DataFrame, *, title: str, notes: Sequence[str], source: str = "") -> Figure:
    """A panel per metric, every axis from 0; a dotted line at the base's mean. Pairs are left out.

    Args:
        frame: what :func:`~orchestrator.reporting.comparison.ablation_frame` gave.
        title: what the figure is about.
        notes: sentences to set under it.
        source: where published numbers are from.
    """
    return compose([bars_part(frame, notes=notes, source=source)], title=title)


@style()
def bars_part(frame: pd.DataFrame, *, notes: Sequence[str], source: str) -> Part:
    """The panels of :func:`bars`."""
    shown = frame[~frame["role"].isin(["pair", "interaction"])]
    rows, metrics = rows_of(shown), frame["metric"].drop_duplicates().tolist()

    def draw(place: FigureBase, width: float) -> None:
        for metric, axes in row_panels(place, rows, metrics, width):
            _draw(axes, shown[shown["metric"] == metric], rows)

    return Part(
        frame=shown,
        draw=draw,
        height=lambda width: rows_height(rows, len(metrics), width),
        width=rows_width(len(metrics)),
        least=LEAST,
        handles=_handles(shown, source),
        notes=notes,
    )


def _draw(axes: Axes, rows: pd.DataFrame, places: Rows) -> None:
    inner = [0.0, *rows["mean"], *rows["published"], *(x for xs in rows["by_seed"] for x in xs)]
    _, right = reach(inner, rows["high"].tolist(), room=_ROOM)
    axes.set_xlim(0.0, right or 1.0)  # 0 where no run has finished
    has_both = (rows["phase"] == "retuned").any()
    height = 0.36 if has_both else 0.6
    for row in rows.itertuples():
        shift = 0.0 if not has_both else height / 2 if row.phase == "fixed" else -height / 2
        _bar(axes, row, places.heights[str(row.variant)] + shift, height=height, right=right)
    bases = rows.loc[(rows["role"] == "base") & (rows["phase"] == "fixed"), "mean"].dropna()
    for mean in bases:
        axes.axvline(mean, color=LOOKS[0].color, linestyle=":", linewidth=0.8, zorder=1)


def _bar(axes: Axes, row: Any, at: float, *, height: float, right: float) -> None:  # noqa: ANN401
    if math.isnan(row.mean):
        axes.plot([0.01 * right], [at], "x", color="0.3", markersize=4)
    axes.barh(at, row.mean, height=height, lw=0.5, zorder=2, **_BAR[row.phase])
    axes.plot([max(row.low, 0.0), row.high], [at] * 2, color="0.15", lw=0.9, zorder=3)
    seeds, below = list(row.by_seed), at - 0.25 * height
    axes.plot(
        seeds, [below] * len(seeds), "o", color=LOOKS[0].color, ms=2.4, markeredgewidth=0, zorder=4
    )
    axes.plot([row.published], [at], zorder=5, **PAPER)
    if row.high > right:
        axes.plot([0.988 * right], [at], ">", color="0.15", markersize=3.5, zorder=4)


def _handles(shown: pd.DataFrame, source: str) -> list[Artist]:
    phases = [phase for phase in _BAR if (shown["phase"] == phase).any()]
    names = {"fixed": "mean, fixed settings" if len(phases) > 1 else "mean"}
    handles: list[Artist] = [
        Patch(label=names.get(phase, "mean, retuned"), lw=0.5, **_BAR[phase]) for phase in phases
    ]
    handles += [
        Line2D([], [], color=LOOKS[0].color, marker="o", ms=2.4, linestyle="none", label="a seed"),
        Line2D([], [], color="0.15", lw=0.9, label="95 % over seeds"),
    ]
    if (shown["role"] == "base").any():
        handles.append(
            Line2D([], [], color=LOOKS[0].color, lw=0.8, linestyle=":", label="the base's mean")
        )
    if (shown["seeds"] == 0).any():
        handles.append(
            Line2D([], [], color="0.3", marker="x", ms=4, linestyle="none", label="no run finished")
        )
    if shown["published"].notna().any():
        handles.append(Line2D([], [], label=source, **PAPER))
    return handles
