"""A search's history: every trial in its order, the best so far, and those without an outcome."""

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from orchestrator.config import MONITOR
from orchestrator.reporting.parts import Part, compose
from orchestrator.reporting.points import metric_text
from orchestrator.reporting.search.trials import STOPPED, UNFINISHED
from orchestrator.reporting.style import LOOKS, style

ENDS = {STOPPED: ("v", "ended early"), UNFINISHED: ("x", "failed or cut")}
"""State -> marker at the foot of a panel, and what it means."""
VALUE = f"validation {metric_text(MONITOR)}"


def draw_history(trials: pd.DataFrame, title: str) -> Figure:
    """A dot per trial, a line at the best so far."""
    return compose([history_part(trials)], title=title)


@style()
def history_part(trials: pd.DataFrame) -> Part:
    """The panel of :func:`draw_history`."""

    def draw(place: FigureBase, _: float) -> None:
        _draw(place.add_subplot(), trials)

    handles = [
        Line2D([], [], color=LOOKS[0].color, marker="o", ms=3, linestyle="none", label="trial"),
        Line2D([], [], color=LOOKS[1].color, lw=1.0, label="best so far"),
        *end_handles(trials),
    ]
    return Part(
        frame=trials,
        draw=draw,
        height=lambda _: 2.1,
        handles=handles,
        notes=["Means over seeds."],
    )


def _draw(axes: Axes, trials: pd.DataFrame) -> None:
    axes.spines["right"].set_visible(False)
    axes.margins(y=0.12)  # room for marks at the foot
    axes.plot(trials["trial"], trials[MONITOR], "o", color=LOOKS[0].color, ms=3, markeredgewidth=0)
    axes.step(trials["trial"], trials["best"], where="post", color=LOOKS[1].color, lw=1.0)
    mark_ends(axes, trials, trials["trial"].astype(float).tolist())
    axes.set_xlabel("trial")
    axes.set_ylabel(VALUE)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def mark_ends(axes: Axes, trials: pd.DataFrame, places: list[float]) -> None:
    """Trials without an outcome, at the foot of a panel."""
    for state, (marker, _) in ENDS.items():
        at = [place for place, one in zip(places, trials["state"], strict=True) if one == state]
        axes.plot(
            at,
            [0.03] * len(at),
            marker,
            color="0.3",
            markersize=3.5,
            markerfacecolor="none",
            transform=axes.get_xaxis_transform(),
            zorder=5,
        )


def end_handles(trials: pd.DataFrame) -> list[Artist]:
    """What those marks mean, of those that are drawn."""
    return [
        Line2D(
            [], [], color="0.3", marker=marker, ms=3.5, markerfacecolor="none", linestyle="none",
            label=label,
        )
        for state, (marker, label) in ENDS.items()
        if (trials["state"] == state).any()
    ]  # fmt: skip
