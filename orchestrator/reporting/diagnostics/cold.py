"""What a model gains over another one for users of few and of many interactions (Figure 9)."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from orchestrator.reporting.diagnostics.drawing import (
    Drawing,
    Told,
    over_seeds_text,
    panel,
    title,
    told_over,
)
from orchestrator.reporting.legend import describe
from orchestrator.reporting.points import metric_text
from orchestrator.reporting.style import COLUMN, new_figure, style
from orchestrator.results import Record
from orchestrator.tracking.runs import SweepInfo

METRICS = ("test/hit@10", "test/ndcg@10", "test/hit@50", "test/ndcg@50")
GROUPS = {"cold": "/cold", "warm": "/warm", "all": ""}
"""Group of users -> what its metrics' names end in."""
_COLORS = {"cold": "#0072B2", "warm": "#E69F00", "all": "0.75"}


def cold_frame(
    runs: Mapping[int, Record], baseline: Mapping[int, Record], metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """Relative gain of each seed that both models finished.

    Args:
        runs: seed -> record of the model.
        baseline: seed -> record of the one that it is compared with.
        metrics: without a group; those that a record lacks are left out.

    Returns:
        Columns ``group, metric, seed, value, baseline, gain``; the gain is
        ``value / baseline - 1``, NaN where the baseline is 0.
    """
    rows = []
    for seed in sorted(set(runs) & set(baseline)):
        for group, ending in GROUPS.items():
            for metric in metrics:
                pair = [found[seed].metrics.get(metric + ending) for found in (runs, baseline)]
                if pair[0] is not None and pair[1] is not None:
                    gain = pair[0] / pair[1] - 1 if pair[1] else math.nan
                    rows.append([group, metric, seed, *pair, gain])
    return pd.DataFrame(rows, columns=["group", "metric", "seed", "value", "baseline", "gain"])


def draw_cold(
    runs: Mapping[int, Record], baseline: Mapping[int, Record], info: SweepInfo, *, against: str
) -> Drawing:
    """Gain over a baseline by group of users.

    Args:
        runs: seed -> record of the model.
        baseline: seed -> record of the baseline.
        info: the diagnosis.
        against: the baseline's name.
    """
    frame = cold_frame(runs, baseline)
    head = title(info, f"gain over {against}")
    told = tuple(
        one
        for (group, metric), own in frame.groupby(["group", "metric"], sort=False)
        for one in _told(f"{group}, {metric_text(str(metric))}", own, info.model, against)
    )
    notes = (
        "Cold: the 40 % of users with the fewest training interactions, and all who tie with them; "
        "warm: the others. Gain: of the same seeds, relative to the baseline.",
        over_seeds_text([one.num for one in told]),
    )
    figure = cold_figure(frame, head, against)
    return Drawing(view="cold", title=head, figure=figure, frame=frame, told=told, notes=notes)


def _told(name: str, own: pd.DataFrame, model: str, against: str) -> list[Told]:
    return [
        told_over(name, model, own["value"].tolist()),
        told_over(name, against, own["baseline"].tolist()),
        told_over(name, "gain", own["gain"].tolist(), form="+.1%"),
    ]


def cold_figure(frame: pd.DataFrame, head: str, against: str) -> Figure:
    """Bars of relative gain, metric by metric, groups side by side."""
    metrics = frame["metric"].drop_duplicates().tolist()
    groups = [group for group in GROUPS if (frame["group"] == group).any()]
    with style():
        figure = new_figure(COLUMN, 2.2)
        axes = panel(figure)
        for place, metric in enumerate(metrics):
            for index, group in enumerate(groups):
                own = frame[(frame["metric"] == metric) & (frame["group"] == group)]
                shift = 0.27 * (index - (len(groups) - 1) / 2)
                _bar(axes, place + shift, (100 * own["gain"]).tolist(), _COLORS[group])
        axes.axhline(0.0, color="0.3", lw=0.6)
        axes.set_xticks(range(len(metrics)), labels=list(map(metric_text, metrics)))
        axes.set_ylabel(f"gain over {against} in %")
        notes = [over_seeds_text([frame["seed"].nunique()])]
        describe(figure, title=head, handles=_handles(groups), notes=notes)
    return figure


def _bar(axes: Axes, at: float, values: Sequence[float], color: str) -> None:
    over = told_over("", "", values)
    axes.bar(at, over.mean, width=0.24, color=color, zorder=2)
    axes.plot([at, at], [over.low, over.high], color="0.15", lw=0.9, zorder=3)
    axes.plot(
        [at - 0.06] * len(values), values, "o", color="white", ms=2.4, mec="0.15", mew=0.4, zorder=4
    )


def _handles(groups: Sequence[str]) -> list[Artist]:
    names = {"cold": "cold users", "warm": "warm users", "all": "all users"}
    handles: list[Artist] = [Patch(color=_COLORS[group], label=names[group]) for group in groups]
    dot = Line2D(
        [], [], color="white", mec="0.15", marker="o", ms=2.4, mew=0.4, linestyle="none",
        label="a seed",
    )  # fmt: skip
    return [*handles, dot, Line2D([], [], color="0.15", lw=0.9, label="95 % over seeds")]
