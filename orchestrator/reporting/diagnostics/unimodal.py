"""One modality alone ranks: trained across modalities against trained alone (Figure 8)."""

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
    words,
)
from orchestrator.reporting.parts import Part, compose
from orchestrator.reporting.points import metric_text
from orchestrator.reporting.style import BARS, LOOKS, style
from orchestrator.tracking.runs import SweepInfo

METRICS = ("test/hit@10", "test/ndcg@10")
TRAINED = {"alone": "trained alone", "together": "trained with the others"}
"""How the model was trained -> how figures and tables say it."""
_BARS = {"alone": BARS[1], "together": BARS[0]}

Measured = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Modality that ranks -> seed -> test metrics."""


def unimodal_frame(alone: Measured, together: Measured) -> pd.DataFrame:
    """Columns ``modality, trained, seed, metric, value``."""
    rows = [
        [modality, trained, seed, metric, metrics[metric]]
        for trained, measured in (("alone", alone), ("together", together))
        for modality, runs in measured.items()
        for seed, metrics in sorted(runs.items())
        for metric in METRICS
    ]
    return pd.DataFrame(rows, columns=["modality", "trained", "seed", "metric", "value"])


def draw_unimodal(alone: Measured, together: Measured, info: SweepInfo) -> Drawing:
    """What training across modalities gives to each of them when it ranks by itself.

    Args:
        alone: metrics of models that were trained on that modality only.
        together: metrics of the whole model's weights, with that modality alone ranking.
        info: the diagnosis.
    """
    frame = unimodal_frame(alone, together)
    head = title(info, "one modality ranks")
    modalities = frame["modality"].drop_duplicates()
    told = tuple(one for m in modalities for one in _told(frame[frame["modality"] == m], m))
    notes = (
        "Trained with the others: the whole model's weights, where the states and representations "
        "of one modality alone give the scores. Gain: of the same seeds, relative to alone.",
        over_seeds_text([one.num for one in told]),
    )
    figure = unimodal_figure(frame, head)
    return Drawing(view="unimodal", title=head, figure=figure, frame=frame, told=told, notes=notes)


def _told(rows: pd.DataFrame, modality: str) -> list[Told]:
    told = []
    for metric in METRICS:
        own = rows[rows["metric"] == metric].pivot_table("value", "seed", "trained")
        name = f"{words(modality)}, {metric_text(metric)}"
        told += [
            told_over(name, TRAINED[trained], own[trained].dropna().tolist()) for trained in TRAINED
        ]
        both = own.dropna()
        gains = (both["together"] / both["alone"] - 1).tolist()
        signs = ("training with the others helps", "training with the others hurts")
        told.append(told_over(name, "gain", gains, form="+.1%", signs=signs))
    return told


def unimodal_figure(frame: pd.DataFrame, head: str) -> Figure:
    """A panel per metric; for each modality alone beside together, from 0."""
    return compose([unimodal_part(frame)], title=head)


@style()
def unimodal_part(frame: pd.DataFrame) -> Part:
    """The panels of :func:`unimodal_figure`."""
    modalities = frame["modality"].drop_duplicates().tolist()

    def draw(place: FigureBase, _: float) -> None:
        for index, metric in enumerate(METRICS):
            axes = panel(place, 1, len(METRICS), index + 1)
            _draw(axes, frame[frame["metric"] == metric], modalities)
            axes.set_title(metric_text(metric))

    return Part(
        frame=frame,
        draw=draw,
        height=lambda _: 2.1,
        least=3.0,
        handles=_handles(),
        notes=[over_seeds_text([frame["seed"].nunique()])],
    )


def _draw(axes: Axes, rows: pd.DataFrame, modalities: Sequence[str]) -> None:
    for place, modality in enumerate(modalities):
        for shift, trained in ((-0.2, "alone"), (0.2, "together")):
            own = rows[(rows["modality"] == modality) & (rows["trained"] == trained)]
            _bar(axes, place + shift, own["value"].tolist(), trained)
    axes.set_xticks(range(len(modalities)), labels=list(map(words, modalities)))
    axes.set_xlim(-0.6, len(modalities) - 0.4)
    axes.set_ylim(bottom=0)


def _bar(axes: Axes, at: float, values: Sequence[float], trained: str) -> None:
    over = told_over("", "", values)
    axes.bar(at, over.mean, width=0.36, lw=0.6, zorder=2, **_BARS[trained])
    axes.plot([at, at], [over.low, over.high], color="0.15", lw=0.9, zorder=3)
    axes.plot([at - 0.09] * len(values), values, "o", color=LOOKS[0].color, ms=2.2, mew=0, zorder=4)


def _handles() -> list[Artist]:
    handles: list[Artist] = [
        Patch(lw=0.6, label=label, **_BARS[trained]) for trained, label in TRAINED.items()
    ]
    dot = Line2D([], [], color=LOOKS[0].color, marker="o", ms=2.2, linestyle="none", label="a seed")
    return [*handles, dot, Line2D([], [], color="0.15", lw=0.9, label="95 % over seeds")]
