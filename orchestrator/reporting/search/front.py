"""The trade-off of a search for two things, drawn: points that nothing beats in both."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from orchestrator.config import MONITOR
from orchestrator.reporting.pareto import LABELS, cost_column, on_front
from orchestrator.reporting.parts import Part, compose
from orchestrator.reporting.points import value_text
from orchestrator.reporting.search.history import VALUE
from orchestrator.reporting.search.trials import FINISHED
from orchestrator.reporting.style import LOOKS, style
from orchestrator.tracking.runs import SweepInfo

_LOG_FROM = 5.0


def front_frame(trials: pd.DataFrame, info: SweepInfo) -> pd.DataFrame:
    """The finished trials with ``on_front``, the cheapest first."""
    cost = cost_column(info)
    assert cost is not None, "a search for one thing has no front"
    finished = trials[trials["state"] == FINISHED].drop(columns="best")
    marked = finished.assign(on_front=on_front(finished[MONITOR], finished[cost]))
    return marked.sort_values([cost, MONITOR], kind="stable", ignore_index=True)


def draw_front(frame: pd.DataFrame, info: SweepInfo, title: str) -> Figure:
    """Dots are trials, the filled ones and the line are the front; cheaper is further left."""
    cost = cost_column(info)
    assert cost is not None
    return compose([front_part(frame, cost)], title=title)


@style()
def front_part(frame: pd.DataFrame, cost: str) -> Part:
    """The panel of :func:`draw_front`, over a column that is to be low."""

    def draw(place: FigureBase, _: float) -> None:
        _draw(place.add_subplot(), frame, cost)

    handles = [
        Line2D([], [], color=LOOKS[0].color, marker="s", ms=4, lw=1.0, label="front"),
        Line2D([], [], color="0.45", marker="o", mfc="white", ls="none", label="beaten"),
    ]
    return Part(
        frame=frame,
        draw=draw,
        height=lambda _: 2.3,
        handles=handles,
        notes=["Means over seeds of each point."],
    )


def _draw(axes: Axes, frame: pd.DataFrame, cost: str) -> None:
    front, rest = frame[frame["on_front"]], frame[~frame["on_front"]]
    axes.spines["right"].set_visible(False)
    axes.margins(x=0.08)
    axes.plot(rest[cost], rest[MONITOR], "o", ms=3.5, mfc="white", color="0.45", mew=0.7)
    axes.step(front[cost], front[MONITOR], where="post", color=LOOKS[0].color, lw=1.0)
    axes.plot(front[cost], front[MONITOR], "s", ms=4, color=LOOKS[0].color)
    _mark(axes, float(frame[cost].min()), float(frame[cost].max()))
    axes.set_xlabel(LABELS[cost])
    axes.set_ylabel(VALUE)


def _text(value: float) -> str:
    """A number on the axis, in thousands and millions."""
    for size, ending in ((1e6, " M"), (1e4, " k")):
        if value >= size:
            return f"{value / (1e6 if ending == ' M' else 1e3):g}{ending}"
    return value_text(value)


def _mark(axes: Axes, low: float, high: float) -> None:
    """A log axis where the dearest is many times the cheapest."""
    is_log = low > 0 and high > _LOG_FROM * low
    if is_log:
        axes.set_xscale("log")
    locator = LogLocator(subs=(1.0, 2.0, 5.0)) if is_log else MaxNLocator(4)
    ticks = [float(tick) for tick in locator.tick_values(low, high) if low <= tick <= high]
    if len(ticks) > 1:
        axes.set_xticks(ticks, labels=list(map(_text, ticks)))
        axes.set_xticks([], minor=True)
