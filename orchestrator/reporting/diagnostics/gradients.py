"""Whether a model's id part and modality part pull alike (DeCoRec paper, Figure 3)."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from orchestrator.reporting.diagnostics.drawing import (
    Drawing,
    Told,
    over_seeds_text,
    panel,
    title,
    told_over,
    words,
)
from orchestrator.reporting.parts import Part, compose
from orchestrator.reporting.style import COLUMN, LOOKS, PAGE, Look, style
from orchestrator.tracking.runs import SweepInfo

FIRST = 50
"""Steps of the first panel, as in the paper."""
_WINDOWS = 40
"""A running mean is over this part of all steps."""
_COSINE, _ID, _MODALITY = replace(LOOKS[2], line="-"), LOOKS[0], LOOKS[1]

Traces = Mapping[str, Mapping[int, pd.DataFrame]]
"""Variant -> seed -> what :func:`orchestrator.training.trace.read_trace` gave."""


def gradients_frame(traces: Traces) -> pd.DataFrame:
    """All steps of all runs: the columns of a trace, after ``variant`` and ``seed``."""
    frames = [
        trace.assign(variant=variant, seed=seed)
        for variant, runs in traces.items()
        for seed, trace in sorted(runs.items())
    ]
    frame = pd.concat(frames, ignore_index=True)
    head = ["variant", "seed"]
    return frame[[*head, *frame.columns.drop(head)]]


def draw_gradients(traces: Traces, info: SweepInfo) -> Drawing:
    """Cosine of the parts' gradients early and throughout, and the norms of each part's own.

    Args:
        traces: of one variant or more, all with rows.
        info: the diagnosis.
    """
    frame = gradients_frame(traces)
    head = title(info, "gradients of its id part and its modality part")
    told = tuple(
        one for variant in traces for one in _told(frame[frame["variant"] == variant], variant)
    )
    notes = (
        "Cosine: of the gradients that the two parts alone send into the shared parameters, at the "
        "weights and with the dropout of the step. Norm: of the joint loss's gradient in the "
        "part's own parameters, before clipping.",
        over_seeds_text([one.num for one in told]),
    )
    figure = gradients_figure(frame, head)
    return Drawing(view="gradients", title=head, figure=figure, frame=frame, told=told, notes=notes)


def _told(rows: pd.DataFrame, variant: str) -> list[Told]:
    runs = [run for _, run in rows.groupby("seed")]
    first, last = [run.head(FIRST) for run in runs], [run.tail(FIRST) for run in runs]
    told = []
    for part, spans in (("first", first), ("last", last)):
        name = f"{words(variant)}, {part} {FIRST} steps"
        told += [
            told_over(
                name,
                "cosine",
                [span["cosine"].mean() for span in spans],
                form="+.3f",
                signs=("the parts pull alike", "they pull apart"),
            ),
            told_over(name, "below 0", [(span["cosine"] < 0).mean() for span in spans], form=".0%"),
            told_over(name, "norm id", [span["norm_id"].mean() for span in spans], form=".3f"),
            told_over(
                name, "norm modality", [span["norm_modality"].mean() for span in spans], form=".3f"
            ),
        ]
    return told


def running_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Centred mean over ``window`` neighbours, fewer at the ends; NaN counts as no neighbour."""
    smooth = pd.Series(values).rolling(window, center=True, min_periods=1).mean()
    return smooth.to_numpy(dtype=float)


def gradients_figure(frame: pd.DataFrame, head: str) -> Figure:
    """Three panels per variant: cosine of the first steps, of all steps, and norms."""
    return compose([gradients_part(frame)], title=head)


@style()
def gradients_part(frame: pd.DataFrame) -> Part:
    """The panels of :func:`gradients_figure`."""
    num = frame["variant"].nunique()
    window = max(1, int(frame.groupby(["variant", "seed"]).size().max()) // _WINDOWS)

    def draw(place: FigureBase, width: float) -> None:
        _draw_panels(place, frame, window, columns=_columns(width))

    return Part(
        frame=frame,
        draw=draw,
        height=lambda width: 2.0 * num * math.ceil(3 / _columns(width)),
        width=PAGE,
        least=2 * COLUMN,
        handles=_handles(),
        notes=_figure_notes(frame["seed"].nunique(), window),
    )


def _columns(width: float) -> int:
    return 3 if width > COLUMN + 1 else 1


def _draw_panels(place: FigureBase, frame: pd.DataFrame, window: int, *, columns: int) -> None:
    variants = frame["variant"].drop_duplicates().tolist()
    rows = len(variants) * math.ceil(3 / columns)
    for row, variant in enumerate(variants):
        own = frame[frame["variant"] == variant]
        early, whole, norms = (panel(place, rows, columns, 3 * row + at) for at in (1, 2, 3))
        _draw_early(early, own)
        _draw_whole(whole, own, window)
        _draw_norms(norms, own, window)
        if len(variants) > 1:
            early.set_title(words(variant), loc="left")


def _figure_notes(num_seeds: int, window: int) -> list[str]:
    bold = f"mean over {num_seeds} seeds" if num_seeds > 1 else "one seed"
    smooth = f", in (b) and (c) as a running mean over {window} steps" if window > 1 else ""
    return [f"Bold: {bold}{smooth}. Thin: a seed as it is."]


def _draw_early(axes: Axes, rows: pd.DataFrame) -> None:
    early = rows.groupby("seed").head(FIRST)
    _draw_curves(axes, early, "cosine", _COSINE, window=1)
    _finish(axes, "cosine", f"(a) first {FIRST} steps")


def _draw_whole(axes: Axes, rows: pd.DataFrame, window: int) -> None:
    _draw_curves(axes, rows, "cosine", _COSINE, window=window)
    _finish(axes, "cosine", "(b) all steps")


def _finish(axes: Axes, name: str, what: str) -> None:
    axes.axhline(0.0, color="0.4", lw=0.6, linestyle=":")
    axes.set_ylabel(name)
    axes.set_xlabel(f"step\n{what}")


def _draw_norms(axes: Axes, rows: pd.DataFrame, window: int) -> None:
    for name, look in (("norm_id", _ID), ("norm_modality", _MODALITY)):
        if rows[name].notna().any():
            _draw_curves(axes, rows, name, look, window=window)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("gradient norm")
    axes.set_xlabel("step\n(c) own parameters")


def _draw_curves(axes: Axes, rows: pd.DataFrame, name: str, look: Look, *, window: int) -> None:
    """Each seed thin as it is, and the mean over seeds smoothed, as far as all seeds go.

    Steps count from the first that was recorded.
    """
    runs = [run for _, run in rows.groupby("seed")]
    for run in runs:
        axes.plot(np.arange(1, len(run) + 1), run[name], color=look.color, lw=0.3, alpha=0.3)
    shortest = min(map(len, runs))
    values = np.array([run[name].to_numpy(dtype=float)[:shortest] for run in runs])
    smooth = running_mean(values.mean(axis=0), window)
    steps = np.arange(1, shortest + 1)
    axes.plot(steps, smooth, color=look.color, linestyle=look.line, lw=1.3)


def _handles() -> list[Artist]:
    named = {"norm, id part": _ID, "norm, modality part": _MODALITY}
    return [
        Line2D([], [], color=look.color, linestyle=look.line, label=label)
        for label, look in named.items()
    ]
