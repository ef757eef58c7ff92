"""How fast a model's parts learn, each alone and together (DeCoRec paper, Figure 2)."""

import math
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

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
from orchestrator.reporting.parts import Part, compose, even_columns
from orchestrator.reporting.points import metric_text
from orchestrator.reporting.style import LOOKS, PAGE, Look, style
from orchestrator.tracking.runs import SweepInfo

NEARLY = 0.95
"""Part of its own best that a run is asked to reach first."""
VALUE = f"validation {metric_text(MONITOR)}"
_REST = "0.72"
_MOST = 5
"""Curves in a panel; of more variants, each has a panel with the first one beside it."""
_BANDS = 3
"""Curves whose intervals can be told apart in a panel."""
_LEAST = 1.7
"""Inches that a panel needs where each variant has its own."""


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
    told = (
        *(one for variant in variants for one in _told(frame, variant)),
        *(_later(frame, variant, variants[0]) for variant in variants[1:]),
    )
    notes = (
        f"Peak: the epoch of a run's best {VALUE}, whose weights are kept; training stops where "
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


def _later(frame: pd.DataFrame, variant: str, first: str) -> Told:
    """How much later a variant peaks than the first one, of the same seeds."""
    peaks = frame[frame["is_best"]].pivot_table("epoch", "seed", "variant")
    later = (peaks[variant] - peaks[first]).tolist() if {variant, first} <= set(peaks) else []
    name = f"{words(variant)} less {words(first)}"
    signs = (f"peaks later than {words(first)}", f"peaks earlier than {words(first)}")
    return told_over(name, "epoch of the peak", later, form="+.1f", signs=signs)


def convergence_figure(frame: pd.DataFrame, head: str) -> Figure:
    """A curve per variant: mean and interval as far as all seeds go, seeds thin to their ends."""
    return compose([convergence_part(frame)], title=head)


@style()
def convergence_part(
    frame: pd.DataFrame,
    label: str = VALUE,
    *,
    heading: str = "",
    rest: str = "",
    order: Sequence[str] = (),
) -> Part:
    """The panel of :func:`convergence_figure`.

    Args:
        frame: what :func:`convergence_frame` gave; of other values than those that choose,
            ``is_best`` says which epoch was kept all the same.
        label: what the values are.
        heading: what is written above the panel where there are several.
        rest: the variant whose runs are drawn thin and grey, behind the others.
        order: all names of the figure's panels, so that each looks alike in all of them.
    """
    names = [name for name in frame["variant"].drop_duplicates() if name != rest]
    if len(order or names) > _MOST:
        return _many(frame, names, label, heading)
    looks = {name: look for name, look in looks_of(order or names).items() if name in names}
    has_bands = len(names) <= _BANDS

    def draw(place: FigureBase, _: float) -> None:
        axes = panel(place)
        for _, run in _runs(frame[frame["variant"] == rest]):
            axes.plot(run["epoch"], run["value"], color=_REST, lw=0.5, zorder=1)
        for variant, look in looks.items():
            _draw(axes, frame[frame["variant"] == variant], look, has_band=has_bands)
        _name(axes, label)
        _fit(axes, frame)

    handles = _handles(looks)
    if (frame["variant"] == rest).any():
        handles.append(Line2D([], [], color=_REST, lw=0.5, label=rest))
    return Part(
        frame=frame,
        draw=draw,
        height=lambda _: 2.3,
        heading=heading,
        handles=handles,
        notes=_notes(frame, has_bands=has_bands),
    )


def _runs(rows: pd.DataFrame) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Each run's own rows; a variant may have several runs of a seed, told apart by ``run``."""
    return iter(rows.groupby("run" if "run" in rows else "seed", sort=True))


def _many(frame: pd.DataFrame, names: Sequence[str], label: str, heading: str) -> Part:
    """A panel per variant, the first one in each of them to compare with."""
    looks = {names[0]: LOOKS[4], "variant": LOOKS[0]}

    def draw(place: FigureBase, width: float) -> None:
        columns = even_columns(len(names) - 1, width, _LEAST)
        rows = math.ceil((len(names) - 1) / columns)
        first: Axes | None = None
        for index, name in enumerate(names[1:]):
            axes = place.add_subplot(rows, columns, index + 1, sharex=first, sharey=first)
            first = first or axes
            axes.spines["right"].set_visible(False)
            for shown, look in zip((names[0], name), looks.values(), strict=True):
                _draw(axes, frame[frame["variant"] == shown], look, has_band=True)
            axes.set_title("\n".join(wrap(words(name), round(14 * width / columns))), fontsize=7.5)
            _name(axes, label, is_left=index % columns == 0)
            _fit(axes, frame)

    def height(width: float) -> float:
        return 1.75 * math.ceil((len(names) - 1) / even_columns(len(names) - 1, width, _LEAST))

    return Part(
        frame=frame,
        draw=draw,
        height=height,
        width=PAGE,
        least=PAGE,
        heading=heading,
        handles=_handles(looks),
        notes=[*_notes(frame), f"Each panel: one variant and the {words(names[0])}."],
    )


def _notes(frame: pd.DataFrame, *, has_bands: bool = True) -> list[str]:
    num = frame["seed"].nunique()
    means = over_seeds_text([num]) if has_bands or num < 2 else f"Bold: means over {num} seeds."
    return ["Thin: a seed.", means] if num > 1 else [means]


def _name(axes: Axes, label: str, *, is_left: bool = True) -> None:
    axes.set_xlabel("epoch")
    last = axes.dataLim.x1
    axes.set_xlim(1 - 0.04 * last, 1.03 * last)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if is_left:
        axes.set_ylabel(label)


def _fit(axes: Axes, frame: pd.DataFrame) -> None:
    """All seeds are in the panel; intervals over few seeds may reach out of it."""
    low, high = frame["value"].min(), frame["value"].max()
    room = 0.06 * ((high - low) or abs(high) or 1.0)
    axes.set_ylim(low - room, high + room)


def _draw(axes: Axes, rows: pd.DataFrame, look: Look, *, has_band: bool) -> None:
    curves = [run for _, run in _runs(rows)]
    for run in curves:
        axes.plot(run["epoch"], run["value"], color=look.color, lw=0.5, alpha=0.4)
    mean, low, high = mean_and_band([run["value"].tolist() for run in curves])
    epochs = np.arange(1, len(mean) + 1)
    axes.plot(epochs, mean, color=look.color, linestyle=look.line)
    if has_band:
        axes.fill_between(epochs, low, high, color=look.color, alpha=0.15, lw=0)
    best = rows[rows["is_best"]]
    axes.plot(
        [best["epoch"].mean()], [best["value"].mean()], look.marker, color=look.color,
        markerfacecolor=look.fill, markersize=6, zorder=4,
    )  # fmt: skip
    axes.plot(best["epoch"], best["value"], look.marker, color=look.color, ms=2.2, zorder=3)


def _handles(looks: dict[str, Look]) -> list[Artist]:
    lines: list[Artist] = [
        Line2D(
            [], [], color=look.color, linestyle=look.line, marker=look.marker,
            markerfacecolor=look.fill, label=words(variant),
        )
        for variant, look in looks.items()
    ]  # fmt: skip
    marks = {"peak, mean": 6.0, "peak of a seed": 2.2}
    lines += [
        Line2D([], [], color="0.3", marker="o", ms=size, linestyle="none", label=label)
        for label, size in marks.items()
    ]
    return lines
