"""How fast a model's parts learn, each alone and together (DeCoRec paper, Figure 2)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from orchestrator.config import MONITOR
from orchestrator.reporting.diagnostics.drawing import (
    Drawing,
    Runs,
    Told,
    looks_of,
    mean_and_band,
    over_seeds_text,
    panel,
    title,
    told_over,
    words,
)
from orchestrator.reporting.legend import describe
from orchestrator.reporting.points import metric_text
from orchestrator.reporting.style import COLUMN, Look, new_figure, style
from orchestrator.tracking.runs import SweepInfo

NEARLY = 0.95
"""Part of its own best that a run is asked to reach first."""


def convergence_frame(runs: Runs, variants: Sequence[str]) -> pd.DataFrame:
    """Validation NDCG@10 of every epoch.

    Returns:
        Columns ``variant, seed, epoch, value, is_best``; at most one epoch of a run is the best.
    """
    rows = [
        [variant, seed, epoch.step, epoch.valid[MONITOR], epoch.step == record.best_step]
        for variant in variants
        for seed, record in sorted(runs.get(variant, {}).items())
        for epoch in record.epochs
    ]
    return pd.DataFrame(rows, columns=["variant", "seed", "epoch", "value", "is_best"])


def draw_convergence(runs: Runs, variants: Sequence[str], info: SweepInfo) -> Drawing:
    """Curves of validation over epochs, and the epochs at which they peak.

    Args:
        runs: finished runs of the variants.
        variants: in the order to show them.
        info: the diagnosis.
    """
    frame = convergence_frame(runs, variants)
    head = title(info, "convergence")
    told = tuple(one for variant in variants for one in _told(frame, variant))
    metric = f"validation {metric_text(MONITOR)}"
    notes = (
        f"Peak: the epoch of a run's best {metric}, whose weights are kept; training stops where "
        "nothing better has come for `train.patience` epochs.",
        over_seeds_text([one.num for one in told]),
    )
    figure = convergence_figure(frame, head)
    return Drawing(
        view="convergence", title=head, figure=figure, frame=frame, told=told, notes=notes
    )


def _told(frame: pd.DataFrame, variant: str) -> list[Told]:
    own = [run for _, run in frame[frame["variant"] == variant].groupby("seed")]
    peaks = [run[run["is_best"]].iloc[0] for run in own]
    near = [
        float(run.loc[run["value"] >= NEARLY * peak["value"], "epoch"].min())
        for run, peak in zip(own, peaks, strict=True)
    ]
    name = words(variant)
    return [
        told_over(name, "epoch of the peak", [float(p["epoch"]) for p in peaks], form=".1f"),
        told_over(name, f"epoch of {NEARLY:.0%} of it", near, form=".1f"),
        told_over(name, f"val {metric_text(MONITOR)}", [float(p["value"]) for p in peaks]),
    ]


def convergence_figure(frame: pd.DataFrame, head: str) -> Figure:
    """A curve per variant: mean and interval as far as all seeds go, seeds thin to their ends."""
    looks = looks_of(frame["variant"].drop_duplicates().tolist())
    with style():
        figure = new_figure(COLUMN, 2.5)
        axes = panel(figure)
        for variant, look in looks.items():
            _draw(axes, frame[frame["variant"] == variant], look)
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"validation {metric_text(MONITOR)}")
        axes.set_xlim(left=0)
        notes = ["Thin: a seed.", over_seeds_text([frame["seed"].nunique()])]
        describe(figure, title=head, handles=_handles(looks), notes=notes)
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, look: Look) -> None:
    curves = [run for _, run in rows.groupby("seed")]
    for run in curves:
        axes.plot(run["epoch"], run["value"], color=look.color, lw=0.5, alpha=0.4)
    mean, low, high = mean_and_band([run["value"].tolist() for run in curves])
    epochs = np.arange(1, len(mean) + 1)
    axes.plot(epochs, mean, color=look.color, linestyle=look.line)
    axes.fill_between(epochs, low, high, color=look.color, alpha=0.15, lw=0)
    best = rows[rows["is_best"]]
    axes.plot(
        [best["epoch"].mean()], [best["value"].mean()], look.marker, color=look.color,
        markerfacecolor=look.fill, markersize=6, zorder=4,
    )  # fmt: skip
    axes.plot(best["epoch"], best["value"], look.marker, color=look.color, ms=2.2, zorder=3)


def _handles(looks: dict[str, Look]) -> list[Artist]:
    lines: list[Artist] = [
        Line2D([], [], color=look.color, linestyle=look.line, label=words(variant))
        for variant, look in looks.items()
    ]
    marks = {"peak, mean": 6.0, "peak of a seed": 2.2}
    lines += [
        Line2D([], [], color="0.3", marker="o", ms=size, linestyle="none", label=label)
        for label, size in marks.items()
    ]
    return lines
