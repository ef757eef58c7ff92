"""The figure of an ablation path: a bar per step from the last mean to the next."""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from orchestrator.config import MONITOR
from orchestrator.reporting.parts import Part, compose
from orchestrator.reporting.search.history import VALUE
from orchestrator.reporting.style import BARS, LOOKS, style

_BAR: dict[bool, dict[str, Any]] = {
    True: {**BARS[0]},
    False: {"facecolor": "white", "edgecolor": LOOKS[1].color, "hatch": "//////"},
}
"""Whether a step gains -> how it is drawn."""


def draw_path(frame: pd.DataFrame, labels: list[str], title: str) -> Figure:
    """Steps from above, each from the mean before it to its own; grey dots were not chosen.

    Args:
        frame: what :func:`~orchestrator.reporting.path.path_frame` gave.
        labels: what the base and each step are called.
        title: what the figure is about.
    """
    return compose([path_part(frame, labels)], title=title)


@style()
def path_part(frame: pd.DataFrame, labels: list[str]) -> Part:
    """The panel of :func:`draw_path`."""
    notes = ["Greedy by validation: means over seeds; intervals of the gain over the step before."]
    if not _has_intervals(frame):
        notes = ["Greedy by validation.", "One seed: no interval."]

    def draw(place: FigureBase, _: float) -> None:
        _draw(place.add_subplot(), frame, labels)

    return Part(
        frame=frame,
        draw=draw,
        height=lambda _: 0.6 + 0.26 * len(labels),
        least=3.0,
        handles=_handles(frame),
        notes=notes,
    )


def _draw(axes: Axes, frame: pd.DataFrame, labels: list[str]) -> None:
    chosen = frame[frame["is_chosen"]].reset_index(drop=True)
    axes.spines["right"].set_visible(False)
    axes.use_sticky_edges = False  # a bar's end is no end of the axis: means are dots there
    axes.margins(x=0.05)
    _draw_steps(axes, chosen, frame[~frame["is_chosen"]])
    axes.set_yticks([-index for index in range(len(chosen))], labels=labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-len(chosen) + 0.4, 0.6)
    axes.set_xlabel(VALUE)


def _draw_steps(axes: Axes, chosen: pd.DataFrame, others: pd.DataFrame) -> None:
    means = chosen[MONITOR].tolist()
    bounds = chosen[["low", "high"]].to_numpy(dtype=float).tolist()
    axes.plot([means[0]], [0], "o", color=LOOKS[0].color, zorder=4)
    for index in range(1, len(means)):
        before, here = means[index - 1], means[index]
        look = _BAR[here >= before]
        axes.barh(-index, here - before, left=before, height=0.55, lw=0.7, zorder=2, **look)
        axes.plot([before] * 2, [1 - index, -index], color="0.4", lw=0.6, zorder=1)
        ends = [before + end for end in bounds[index]]
        axes.plot(ends, [-index] * 2, color="0.15", lw=0.9, zorder=3)
        axes.plot([here], [-index], "o", color=LOOKS[0].color, zorder=4)
    axes.plot(others[MONITOR], -others["step"] - 0.36, "|", color="0.45", ms=4.5, mew=0.8, zorder=3)


def _has_intervals(frame: pd.DataFrame) -> bool:
    return bool(frame.loc[frame["is_chosen"] & (frame["step"] > 0), "low"].notna().any())


def _handles(frame: pd.DataFrame) -> list[Artist]:
    gains = frame.loc[frame["is_chosen"] & (frame["step"] > 0), "gain"] >= 0
    names = {True: "gain of a step", False: "loss of a step"}
    handles: list[Artist] = [
        Patch(label=names[is_gain], lw=0.7, **_BAR[is_gain])
        for is_gain in (True, False)
        if (gains == is_gain).any()
    ]
    handles.append(Line2D([], [], color=LOOKS[0].color, marker="o", linestyle="none", label="mean"))
    if _has_intervals(frame):
        handles.append(Line2D([], [], color="0.15", lw=0.9, label="95 % over seeds"))
    if not frame["is_chosen"].all():
        handles.append(
            Line2D([], [], color="0.45", marker="|", ms=4.5, mew=0.8, ls="none", label="not chosen")
        )
    return handles
