"""Items before and after their cluster's embedding is added (DeCoRec paper, Figure 6)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from textwrap import wrap

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from torch import Tensor

from models import Clustered
from orchestrator.diagnosis.embedding import (
    PERPLEXITY,
    drawn_items,
    largest_clusters,
    plane,
    silhouette,
)
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
from orchestrator.reporting.style import LOOKS, PAGE, style
from orchestrator.tracking.runs import SweepInfo

SHOWN = 8
"""Clusters that get a look of their own: the largest."""
COLORS = tuple(look.color for look in LOOKS[:SHOWN])
MARKERS = tuple(look.marker for look in LOOKS[:SHOWN])
SIDES = ("without", "with")
_JOINED = "\xa0"
"""Keeps a number and its interval on a line."""
_CHARACTERS = 6.5
"""Of a panel's title, to an inch of both panels."""
_REST = "0.75"


@dataclass(frozen=True, kw_only=True)
class Items:
    """The items of one run, by what its clusters were made of."""

    clustered: Mapping[str, Clustered]
    never: Mapping[str, Tensor] = field(default_factory=dict)
    """The same in a model of the same seed that was trained without clusters, if there is one."""


def draw_clusters(found: Mapping[int, Items], info: SweepInfo) -> Drawing:
    """A picture of the first seed's items, and silhouettes of all seeds'.

    Args:
        found: seed -> the items of its run.
        info: the diagnosis.
    """
    scores = silhouette_frame(found)
    frame = places_frame(found[min(found)])
    head = title(info, "items and their clusters")
    told = _told(scores)
    return Drawing(
        view="clusters",
        title=head,
        figure=clusters_figure(frame, head, _told_by(told)),
        frame=frame,
        told=told,
        notes=_notes(told),
        beside={"silhouette": scores},
    )


def _notes(told: tuple[Told, ...]) -> tuple[str, ...]:
    notes = [
        "Silhouette over all items by cosine, of one and the same clusters: 1 is far apart, 0 is "
        "no gap.",
        "With: one embedding per cluster is added to all its items, which tends to draw them "
        "together whatever was learned; without: the same model's items less that embedding.",
    ]
    if any(one.name.endswith(words("never had")) for one in told):
        notes.append("Never had: the items of a model that was trained without clusters.")
    return (*notes, over_seeds_text([one.num for one in told]))


def silhouette_frame(found: Mapping[int, Items]) -> pd.DataFrame:
    """Columns ``source, side, seed, silhouette``; ``side`` is without, with or never_had."""
    rows = []
    for seed, items in sorted(found.items()):
        for source, own in items.clustered.items():
            drawn = drawn_items(len(own.clusters))
            sides = {"without": own.before, "with": own.after}
            if source in items.never:
                sides["never_had"] = items.never[source]
            for side, vectors in sides.items():
                score = silhouette(vectors.numpy()[drawn], own.clusters.numpy()[drawn])
                rows.append([source, side, seed, score])
    return pd.DataFrame(rows, columns=["source", "side", "seed", "silhouette"])


def places_frame(items: Items) -> pd.DataFrame:
    """Where t-SNE puts each item, without and with.

    Returns:
        Columns ``source, side, item, cluster, place, x, y``; ``place`` is that of the cluster among
        the largest, from 0, and -1 for the others.
    """
    frames = []
    for source, own in items.clustered.items():
        drawn = drawn_items(len(own.clusters))
        clusters = own.clusters.numpy()[drawn]
        order = largest_clusters(clusters, SHOWN).tolist()
        place = [order.index(one) if one in order else -1 for one in clusters.tolist()]
        for side, vectors in zip(SIDES, (own.before, own.after), strict=True):
            x, y = plane(vectors.numpy()[drawn]).T
            columns = {"item": drawn + 1, "cluster": clusters, "place": place, "x": x, "y": y}
            frames.append(pd.DataFrame(columns).assign(source=source, side=side))
    head = ["source", "side"]
    frame = pd.concat(frames, ignore_index=True)
    return frame[[*head, *frame.columns.drop(head)]]


def scores_text(scores: pd.DataFrame) -> dict[str, str]:
    """``source, side`` -> the silhouette over seeds as text.

    Args:
        scores: what :func:`silhouette_frame` gave.
    """
    return _told_by(_told(scores))


def _told(scores: pd.DataFrame) -> tuple[Told, ...]:
    sides = tuple(
        told_over(
            f"{source}, {words(str(side))}", "silhouette", own["silhouette"].tolist(), form="+.3f"
        )
        for (source, side), own in scores.groupby(["source", "side"], sort=False)
    )
    return (*sides, *_rises(scores))


def _rises(scores: pd.DataFrame) -> Iterator[Told]:
    """By how much the embeddings of clusters draw them together, of the same seeds."""
    signs = ("clusters stand further apart", "clusters stand less far apart")
    for source, own in scores.groupby("source", sort=False):
        both = own.pivot_table("silhouette", "seed", "side")
        rise = (both["with"] - both["without"]).tolist()
        name = f"{source}, with less without"
        yield told_over(name, "silhouette", rise, form="+.3f", signs=signs)


def _told_by(told: tuple[Told, ...]) -> dict[str, str]:
    return {one.name: one.text() for one in told}


def clusters_figure(frame: pd.DataFrame, head: str, scores: Mapping[str, str]) -> Figure:
    """A row per source, without on the left and with on the right.

    Args:
        frame: what :func:`places_frame` gave.
        head: what the figure is about.
        scores: ``source, side`` -> its silhouette as text.
    """
    return compose([clusters_part(frame, scores)], title=head)


@style()
def clusters_part(frame: pd.DataFrame, scores: Mapping[str, str]) -> Part:
    """The panels of :func:`clusters_figure`."""
    sources = frame["source"].drop_duplicates().tolist()

    def draw(place: FigureBase, width: float) -> None:
        for row, source in enumerate(sources):
            for column, side in enumerate(SIDES):
                axes = panel(place, len(sources), 2, 2 * row + column + 1)
                own = frame[(frame["source"] == source) & (frame["side"] == side)]
                _draw(axes, own)
                name = f"{source}, {side}"
                text = f"{name} cluster embedding: {scores[name].replace(' ', _JOINED)}"
                axes.set_title("\n".join(wrap(text, round(_CHARACTERS * width))))

    notes = [
        f"t-SNE by cosine, perplexity {PERPLEXITY:g}, of the first seed; each panel by itself. "
        "Distances between bundles mean nothing.",
        "Numbers: silhouette of all clusters, mean over seeds.",
    ]
    return Part(
        frame=frame,
        draw=draw,
        height=lambda width: (0.55 + 0.32 * width) * len(sources),
        width=PAGE,
        least=3.3,
        handles=_handles(int(frame["place"].max()) + 1),
        notes=notes,
    )


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    rest = rows[rows["place"] < 0]
    axes.plot(rest["x"], rest["y"], ".", color=_REST, ms=1.6, mew=0, zorder=1)
    for place in range(SHOWN):
        own = rows[rows["place"] == place]
        axes.plot(own["x"], own["y"], MARKERS[place], color=COLORS[place], ms=3.2, mew=0, zorder=2)
    axes.set(xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_color("0.8")
    axes.margins(0.03)


def _handles(num_shown: int) -> list[Artist]:
    handles: list[Artist] = [
        Line2D(
            [], [], color=COLORS[place], marker=MARKERS[place], ms=4, linestyle="none",
            label=f"cluster {place + 1}",
        )
        for place in range(num_shown)
    ]  # fmt: skip
    other = Line2D([], [], color=_REST, marker=".", ms=4, linestyle="none", label="other clusters")
    return [*handles, other]
