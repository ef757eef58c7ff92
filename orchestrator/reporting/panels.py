"""Drawing of a sensitivity frame: a panel per factor, a metric per side, scales shared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from orchestrator.reporting.axes import Places, Scale, places_of, scale, shares
from orchestrator.reporting.parts import Part, even_columns
from orchestrator.reporting.points import metric_text, short_names
from orchestrator.reporting.style import COLUMN, LOOKS, PAGE, Look, style
from orchestrator.tracking.runs import SweepInfo

Line = tuple[int, tuple[float, ...]]
"""A line's dashes: offset, then lengths on and off."""

_CHARACTERS = 20
"""Characters on a panel's axis from which its labels are turned."""
_LEAST = 2.2
"""Inches that a panel with two scales needs."""
_GREY = "0.3"
_BAND = "0.88"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Horizontal lines to compare with: a value per metric, of those that have one."""

    label: str
    heights: Mapping[str, float]
    line: Line


@style()
def sensitivity_part(frame: pd.DataFrame, info: SweepInfo, references: Sequence[Reference]) -> Part:
    """The panels of a sensitivity frame of one or two metrics."""
    metrics = list(dict.fromkeys(frame["metric"]))
    factors = list(dict.fromkeys(frame["factor"]))
    assert metrics
    assert len(metrics) <= 2
    sides = dict(zip(metrics, LOOKS, strict=False))
    scales = {
        metric: scale(frame[frame["metric"] == metric], _values_of(references, metric), part)
        for metric, part in zip(metrics, shares(len(metrics)), strict=True)
    }
    shown = _Shown(frame, info, sides, scales, references)

    def draw(place: FigureBase, width: float) -> None:
        names = short_names(factors)
        for panel, factor in zip(_grid(place, len(factors), width), factors, strict=True):
            _draw_panel(panel, frame[frame["factor"] == factor], shown)
            panel.left.set_xlabel(names[factor])

    return Part(
        frame=frame,
        draw=draw,
        height=lambda width: 0.4 + 1.75 * math.ceil(len(factors) / _columns(len(factors), width)),
        width=COLUMN if len(factors) == 1 else PAGE,
        handles=_handles(shown),
        notes=_notes(shown),
    )


@dataclass(frozen=True)
class _Shown:
    """What the panels of one study share."""

    frame: pd.DataFrame
    info: SweepInfo
    sides: Mapping[str, Look]
    scales: Mapping[str, Scale]
    references: Sequence[Reference]


@dataclass(frozen=True, kw_only=True)
class _Panel:
    left: Axes
    is_first: bool
    """Leftmost in its row: names the left scale."""
    is_last: bool
    """Rightmost in its row: names the right scale."""


def _columns(num_panels: int, width: float) -> int:
    return even_columns(num_panels, width, _LEAST, most=2 if num_panels == 4 else 3)


def _grid(place: FigureBase, num_panels: int, width: float) -> list[_Panel]:
    columns = _columns(num_panels, width)
    rows = math.ceil(num_panels / columns)
    return [
        _Panel(
            left=place.add_subplot(rows, columns, index + 1),
            is_first=index % columns == 0,
            is_last=(index + 1) % columns == 0 or index == num_panels - 1,
        )
        for index in range(num_panels)
    ]


def _draw_panel(panel: _Panel, frame: pd.DataFrame, shown: _Shown) -> None:
    axes, sides, is_joined = panel.left, shown.sides, shown.info.kind == "one-factor"
    one = frame[frame["metric"] == next(iter(sides))]
    domain = shown.info.domains.get(str(one["factor"].iloc[0]), {})
    places = places_of(one["value"].tolist(), is_log=domain.get("log") if "low" in domain else None)
    _draw_horizontal(axes, places, one)
    for index, (metric, look) in enumerate(sides.items()):
        side = axes if index == 0 else axes.twinx()
        is_named = panel.is_first if index == 0 else panel.is_last
        _draw_vertical(side, metric, look, shown.scales[metric], is_named=is_named)
        _draw_references(side, metric, look, shown.scales[metric], shown.references)
        shift = places.unit * (index - (len(sides) - 1) / 2)
        rows = frame[frame["metric"] == metric]
        _draw_curve(side, places, rows, look, shift=shift, is_joined=is_joined)


def _draw_horizontal(axes: Axes, places: Places, rows: pd.DataFrame) -> None:
    """Values, the base value's band, and crosses where no run finished."""
    axes.set_xticks(places.ticks, labels=places.labels)
    if sum(map(len, places.labels)) > _CHARACTERS and any(len(t) > 4 for t in places.labels):
        axes.tick_params(axis="x", labelrotation=30)
        for label in axes.get_xticklabels():
            label.set(horizontalalignment="right", rotation_mode="anchor")
    margin = 0.08 * places.breadth if len(places.at) > 2 else 0.4 * places.breadth
    axes.set_xlim(min(places.at) - margin, max(places.at) + margin)
    for place, is_base, n in zip(places.at, rows["is_base"], rows["n"], strict=True):
        if is_base:
            axes.axvspan(place - 1.5 * places.unit, place + 1.5 * places.unit, color=_BAND, lw=0)
        if n == 0:
            axes.plot(
                [place], [0.04], "x", color=_GREY, transform=axes.get_xaxis_transform(), zorder=5
            )


def _draw_vertical(axes: Axes, metric: str, look: Look, scale: Scale, *, is_named: bool) -> None:
    axes.set_ylim(scale.low, scale.high)
    axes.set_yticks(scale.ticks)
    axes.tick_params(axis="y", colors=look.color)
    if is_named:
        axes.set_ylabel(metric_text(metric), color=look.color, y=scale.middle)
    else:
        axes.set_yticklabels([])


def _draw_references(
    axes: Axes, metric: str, look: Look, scale: Scale, references: Sequence[Reference]
) -> None:
    """Lines across the panel, with the metric's marker at their ends: colour may be lost."""
    for reference in _drawn(references, metric, scale):
        axes.plot(
            [0, 1],
            [reference.heights[metric]] * 2,
            color=look.color,
            linestyle=reference.line,
            linewidth=0.9,
            marker=look.marker,
            markersize=2.5,
            markerfacecolor=look.fill,
            transform=axes.get_yaxis_transform(),
            clip_on=False,
        )


def _draw_curve(
    axes: Axes, places: Places, rows: pd.DataFrame, look: Look, *, shift: float, is_joined: bool
) -> None:
    at = np.asarray(places.at) + shift
    mean, low, high = (rows[name].to_numpy(dtype=float) for name in ("mean", "low", "high"))
    bars = np.nan_to_num([mean - low, high - mean]) if not places.is_sampled else None
    axes.errorbar(
        at,
        mean,
        yerr=bars,
        color=look.color,
        linestyle=look.line if is_joined else "none",
        marker=look.marker,
        markerfacecolor=look.fill,
        capsize=2,
        elinewidth=0.8,
        zorder=3,
    )
    for place, values in zip(at, rows["by_seed"], strict=True):
        if len(values) > 1 and not places.is_sampled:
            axes.plot(
                [place + shift] * len(values), values, look.marker, color=look.color, alpha=0.35,
                markersize=2.2, markeredgewidth=0, zorder=2,
            )  # fmt: skip


def _values_of(references: Sequence[Reference], metric: str) -> list[float]:
    return [r.heights[metric] for r in references if metric in r.heights]


def _drawn(references: Sequence[Reference], metric: str, scale: Scale) -> list[Reference]:
    return [
        reference
        for reference in references
        if metric in reference.heights and scale.low <= reference.heights[metric] <= scale.high
    ]


def _handles(shown: _Shown) -> list[Artist]:
    """Curves, then the marks that are drawn."""
    frame, sides, scales = shown.frame, shown.sides, shown.scales
    handles: list[Artist] = [
        Line2D(
            [], [], color=look.color, linestyle=look.line, marker=look.marker,
            markerfacecolor=look.fill, label=metric_text(metric),
        )
        for metric, look in sides.items()
    ]  # fmt: skip
    if frame["is_base"].any():
        handles.append(Patch(color=_BAND, label="base value"))
    drawn = [
        reference
        for reference in shown.references
        if any(reference in _drawn(shown.references, m, scales[m]) for m in sides)
    ]
    handles += [Line2D([], [], color=_GREY, linestyle=r.line, lw=0.9, label=r.label) for r in drawn]
    if (frame["n"] == 0).any():
        handles.append(
            Line2D([], [], color=_GREY, linestyle="none", marker="x", label="no run finished")
        )
    return handles


def _notes(shown: _Shown) -> list[str]:
    frame, info = shown.frame, shown.info
    most = int(frame["n"].max())
    notes = ["Means over seeds (small dots) with 95 % t intervals."] if most > 1 else []
    notes += ["One seed: no interval."] if most == 1 else []
    if info.kind != "one-factor" and len(info.factors) > 1:
        notes.append("The other factors vary freely at each value.")
    failed = _num_failed(frame, info)
    if failed:
        notes.append(f"{failed} failed run{'s are' if failed > 1 else ' is'} left out.")
    return [" ".join(notes), *_offscale(shown.scales, shown.references)]


def _offscale(scales: Mapping[str, Scale], references: Sequence[Reference]) -> list[str]:
    """What is too far away to be drawn."""
    told = []
    for reference in references:
        far = [
            f"{metric_text(metric)} {value:.4g}"
            for metric, value in reference.heights.items()
            if metric in scales and not scales[metric].low <= value <= scales[metric].high
        ]
        told += [f"Off the scale: {reference.label}, {', '.join(far)}."] if far else []
    return told


def _num_failed(frame: pd.DataFrame, info: SweepInfo) -> int:
    """Failed runs, each once although it may be in every panel."""
    rows = frame[frame["metric"] == frame["metric"].iloc[0]]
    if info.kind != "one-factor":
        return int(rows.loc[rows["factor"] == rows["factor"].iloc[0], "failed"].sum())
    at_base = rows.loc[rows["is_base"], "failed"]
    return int(rows.loc[~rows["is_base"], "failed"].sum()) + int(
        at_base.max() if len(at_base) else 0
    )
