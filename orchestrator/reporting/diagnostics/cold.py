"""What a model gains over another one for users of few and of many interactions (Figure 9)."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
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
from orchestrator.reporting.parts import Part, compose
from orchestrator.reporting.points import metric_text
from orchestrator.reporting.rows import reach
from orchestrator.reporting.style import BARS, style
from orchestrator.results import Record
from orchestrator.tracking.runs import SweepInfo

METRICS = ("test/hit@10", "test/ndcg@10", "test/hit@50", "test/ndcg@50")
Measured = Mapping[int, Mapping[str, float]]
"""Seed -> metric -> value."""
GROUPS = {"cold": "/cold", "warm": "/warm", "all": ""}
"""Group of users -> what its metrics' names end in."""
_LOOKS = {"cold": BARS[4], "warm": BARS[2], "all": BARS[3]}


def cold_frame(
    runs: Measured, baseline: Measured, metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """Relative gain of each seed that both models finished.

    Args:
        runs: seed -> metrics of the model's run.
        baseline: those of the one that it is compared with.
        metrics: without a group; those that a run lacks are left out.

    Returns:
        Columns ``group, metric, seed, value, baseline, gain``; the gain is
        ``value / baseline - 1``, NaN where the baseline is 0.
    """
    rows = []
    for seed in sorted(set(runs) & set(baseline)):
        for group, ending in GROUPS.items():
            for metric in metrics:
                pair = [found[seed].get(metric + ending) for found in (runs, baseline)]
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
    frame = cold_frame(_metrics(runs), _metrics(baseline))
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


def _metrics(runs: Mapping[int, Record]) -> Measured:
    return {seed: record.metrics for seed, record in runs.items()}


def _told(name: str, own: pd.DataFrame, model: str, against: str) -> list[Told]:
    return [
        told_over(name, model, own["value"].tolist()),
        told_over(name, against, own["baseline"].tolist()),
        told_over(
            name,
            "gain",
            own["gain"].tolist(),
            form="+.1%",
            signs=(f"better than {against}", f"worse than {against}"),
        ),
    ]


def cold_figure(frame: pd.DataFrame, head: str, against: str) -> Figure:
    """Bars of relative gain, metric by metric, groups side by side."""
    return compose([cold_part(frame, against)], title=head)


@style()
def cold_part(frame: pd.DataFrame, against: str) -> Part:
    """The panel of :func:`cold_figure`."""
    groups = [group for group in GROUPS if (frame["group"] == group).any()]

    def draw(place: FigureBase, _: float) -> None:
        axes = panel(place)
        _draw(axes, frame, groups)
        axes.set_ylabel(f"gain over {against} in %")

    return Part(
        frame=frame,
        draw=draw,
        height=lambda _: 2.2,
        least=2.9,
        handles=_handles(groups),
        notes=[over_seeds_text([frame["seed"].nunique()])],
    )


def _draw(axes: Axes, frame: pd.DataFrame, groups: Sequence[str]) -> None:
    metrics = frame["metric"].drop_duplicates().tolist()
    for place, metric in enumerate(metrics):
        for index, group in enumerate(groups):
            own = frame[(frame["metric"] == metric) & (frame["group"] == group)]
            shift = 0.27 * (index - (len(groups) - 1) / 2)
            _bar(axes, place + shift, (100 * own["gain"]).tolist(), group)
    axes.set_ylim(*_limits(frame))
    axes.axhline(0.0, color="0.3", lw=0.6)
    axes.set_xticks(range(len(metrics)), labels=list(map(metric_text, metrics)))


def _limits(frame: pd.DataFrame) -> tuple[float, float]:
    """All seeds are in the panel; intervals over few seeds may reach out of it."""
    own = [(100 * rows["gain"]).tolist() for _, rows in frame.groupby(["group", "metric"])]
    over = [told_over("", "", values) for values in own]
    inner = [0.0, *(value for values in own for value in values)]
    return reach(inner, [end for one in over for end in (one.low, one.high)], room=0.6)


def _bar(axes: Axes, at: float, values: Sequence[float], group: str) -> None:
    over = told_over("", "", values)
    axes.bar(at, over.mean, width=0.24, lw=0.6, zorder=2, **_LOOKS[group])
    axes.plot([at, at], [over.low, over.high], color="0.15", lw=0.9, zorder=3)
    axes.plot(
        [at - 0.06] * len(values), values, "o", color="white", ms=2.4, mec="0.15", mew=0.4, zorder=4
    )


def _handles(groups: Sequence[str]) -> list[Artist]:
    names = {"cold": "cold users", "warm": "warm users", "all": "all users"}
    handles: list[Artist] = [Patch(label=names[g], lw=0.6, **_LOOKS[g]) for g in groups]
    dot = Line2D(
        [], [], color="white", mec="0.15", marker="o", ms=2.4, mew=0.4, linestyle="none",
        label="a seed",
    )  # fmt: skip
    return [*handles, dot, Line2D([], [], color="0.15", lw=0.9, label="95 % over seeds")]
