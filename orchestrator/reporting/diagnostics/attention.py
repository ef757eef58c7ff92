"""Attention on the tokens that tell, before and after training, where data say which they are."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D

from orchestrator.diagnosis.attention import Mass
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
from orchestrator.reporting.style import LOOKS, style
from orchestrator.tracking.runs import SweepInfo

STATES = {"untrained": "before training", "trained": "after", "best_query": "after, best query"}
"""Field of a mass -> how figures and tables say it."""
Masses = Mapping[int, Mapping[str, Mass]]
"""Seed -> modality -> attention on marked tokens."""


def attention_frame(masses: Masses) -> pd.DataFrame:
    """Columns ``modality, seed, chance, untrained, trained, best_query``."""
    rows = [
        [modality, seed, mass.chance, *(getattr(mass, state) for state in STATES)]
        for seed, by_modality in sorted(masses.items())
        for modality, mass in by_modality.items()
    ]
    return pd.DataFrame(rows, columns=["modality", "seed", "chance", *STATES])


def draw_attention(masses: Masses, info: SweepInfo) -> Drawing:
    """Share of attention on marked tokens, by modality.

    Args:
        masses: of each seed's run.
        info: the diagnosis.
    """
    frame = attention_frame(masses)
    head = title(info, "attention on the marked tokens")
    told = tuple(
        one
        for modality in frame["modality"].drop_duplicates()
        for one in _told(frame[frame["modality"] == modality], modality)
    )
    notes = (
        "Share of a query's attention that the marked tokens get, which alone tell an item's "
        "facets; means over items, heads and queries. Chance: every token gets the same. "
        "Rise: after less before, of the same seeds.",
        over_seeds_text([one.num for one in told]),
    )
    figure = attention_figure(frame, head)
    return Drawing(view="attention", title=head, figure=figure, frame=frame, told=told, notes=notes)


def _told(rows: pd.DataFrame, modality: str) -> list[Told]:
    name = words(modality)
    chance = Told(name=name, figure="chance", mean=rows["chance"].iloc[0], form=".3f")
    states = [
        told_over(name, label, rows[state].tolist(), form=".3f") for state, label in STATES.items()
    ]
    rise = (rows["trained"] - rows["untrained"]).tolist()
    signs = ("attention on the marked tokens rises", "attention on the marked tokens falls")
    return [chance, *states, told_over(name, "rise", rise, form="+.3f", signs=signs)]


def attention_figure(frame: pd.DataFrame, head: str) -> Figure:
    """A panel per modality: from before training to after, a line per seed, and chance."""
    return compose([attention_part(frame)], title=head)


@style()
def attention_part(frame: pd.DataFrame) -> Part:
    """The panels of :func:`attention_figure`."""
    modalities = frame["modality"].drop_duplicates().tolist()

    def draw(place: FigureBase, _: float) -> None:
        for index, modality in enumerate(modalities):
            axes = panel(place, 1, len(modalities), index + 1)
            _draw(axes, frame[frame["modality"] == modality])
            axes.set_title(words(modality))
            if not index:
                axes.set_ylabel("share of attention")

    return Part(
        frame=frame,
        draw=draw,
        height=lambda _: 2.1,
        least=3.0,
        handles=_handles(),
        notes=[over_seeds_text([frame["seed"].nunique()])],
    )


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    for values in rows[list(STATES)].to_numpy():
        axes.plot([0, 1], values[:2], color=LOOKS[0].color, lw=0.5, alpha=0.5, zorder=2)
    for place, state in enumerate(STATES):
        _point(axes, float(place), rows[state].tolist())
    axes.axhline(rows["chance"].iloc[0], color="0.45", lw=0.8, ls="--", zorder=1)
    axes.set_xticks(range(len(STATES)), labels=["before", "after", "best\nquery"])
    axes.set_xlim(-0.4, len(STATES) - 0.6)
    axes.set_ylim(0, 1.02)


def _point(axes: Axes, at: float, values: Sequence[float]) -> None:
    over = told_over("", "", values)
    axes.plot([at] * len(values), values, "o", color=LOOKS[0].color, ms=2.2, mew=0, zorder=3)
    axes.plot([at - 0.15, at + 0.15], [over.mean, over.mean], color="0.15", lw=1.4, zorder=4)
    axes.plot([at, at], [over.low, over.high], color="0.15", lw=0.9, zorder=4)


def _handles() -> list[Artist]:
    return [
        Line2D([], [], color=LOOKS[0].color, marker="o", ms=2.2, lw=0.5, label="a seed"),
        Line2D([], [], color="0.15", lw=1.4, label="mean and 95 % over seeds"),
        Line2D([], [], color="0.45", lw=0.8, ls="--", label="chance"),
    ]
