"""What items of a history recall, beside the paper's own numbers (DeCoRec paper, Table 3)."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from orchestrator.diagnosis.recall_views import Recalled
from orchestrator.reporting.diagnostics.drawing import Drawing, Told, panel, title, words
from orchestrator.reporting.parts import Part, compose
from orchestrator.reporting.published import published
from orchestrator.reporting.rows import PAPER
from orchestrator.reporting.style import BARS, style
from orchestrator.tracking.runs import SweepInfo

EACH = 10
"""Predictions per user that are aimed at where the paper has no number for the data set."""
_COUNTS = {"recall_count": "recalled", "predicted_count": "predicted"}


def published_views(dataset: str) -> dict[str, dict[str, float]]:
    """View -> figure -> value in the paper's Table 3; empty for a data set it does not have."""
    rows = published(paper="decorec", table="3")
    rows = rows[rows["dataset"] == dataset]
    return {
        str(view): dict(zip(own["metric"], own["value"], strict=True))
        for view, own in rows.groupby("variant", sort=False)
    }


def target_predictions(dataset: str, num_users: int) -> int:
    """Predictions to aim at: the mean over the paper's views, or :data:`EACH` for each user."""
    views = published_views(dataset)
    if not views:
        return EACH * num_users
    return round(float(np.mean([view["predicted_count"] for view in views.values()])))


def recall_frame(found: Sequence[Recalled], dataset: str) -> pd.DataFrame:
    """A row per view.

    Returns:
        Columns ``view, k, recalled, predicted, precision, low, high, users`` and the paper's
        ``published_recalled, published_predicted, published_precision`` (NaN where it has none).
    """
    paper = published_views(dataset)
    rows = [
        {
            "view": one.view,
            "k": one.k,
            "recalled": one.num_recalled,
            "predicted": one.num_predicted,
            "precision": one.precision,
            "low": one.low,
            "high": one.high,
            "users": one.num_users,
            **_published(paper.get(one.view, {})),
        }
        for one in found
    ]
    return pd.DataFrame(rows)


def _published(view: Mapping[str, float]) -> dict[str, float]:
    names = {**_COUNTS, "precision_rate": "precision"}
    return {f"published_{name}": view.get(key, np.nan) for key, name in names.items()}


def draw_recall(found: Sequence[Recalled], info: SweepInfo) -> Drawing:
    """Precision of the three views, each with about as many predictions.

    Args:
        found: what :func:`orchestrator.diagnosis.recall_views.recall_views` gave.
        info: the diagnosis; of it the data set counts.
    """
    frame = recall_frame(found, info.dataset)
    head = title(info, "recall by history")
    rows = frame.to_dict("records")
    told = (*(one for row in rows for one in _told(row)), *_apart(rows))
    notes = (
        "For every user: the union of the k items that each item of the history recalls, less the "
        "history itself; k is the one whose predictions are nearest to a common number.",
        "Interest: co-occurrence in the training part. Modal similarity: mean cosine over "
        "modalities. Both: among the k first of either. Intervals are over users.",
    )
    figure = recall_figure(frame, head)
    return Drawing(view="recall", title=head, figure=figure, frame=frame, told=told, notes=notes)


def _told(row: Mapping[Hashable, Any]) -> list[Told]:
    name = words(row["view"])
    told = [
        _one(name, "k", row["k"], ".0f"),
        _one(name, "recalled", row["recalled"], ",.0f"),
        _one(name, "predicted", row["predicted"], ",.0f"),
        Told(
            name=name,
            figure="precision",
            mean=row["precision"],
            low=row["low"],
            high=row["high"],
            num=row["users"],
            form=".5f",
        ),
    ]
    if not math.isnan(row["published_recalled"]):
        told += [
            _one(name, "paper: recalled", row["published_recalled"], ",.0f"),
            _one(name, "paper: predicted", row["published_predicted"], ",.0f"),
            _one(name, "paper: precision", row["published_precision"], ".5f"),
        ]
    return told


def _apart(rows: Sequence[Mapping[Hashable, Any]]) -> Iterator[Told]:
    """Precision of the last view, which joins the others, less that of each of them.

    The interval is of two samples, though both are of the same users: it is rather too wide.
    """
    *others, last = rows
    for row in others:
        gain = last["precision"] - row["precision"]
        half = math.hypot(*((one["high"] - one["low"]) / 2 for one in (last, row)))
        yield Told(
            name=f"gain over {words(row['view'])}",
            figure="precision",
            mean=gain,
            low=gain - half,
            high=gain + half,
            num=row["users"],
            form="+.5f",
            signs=("the joined view recalls better", "the joined view recalls worse"),
        )


def _one(name: str, figure: str, value: float | int, form: str) -> Told:
    return Told(name=name, figure=figure, mean=float(value), form=form)


def recall_figure(frame: pd.DataFrame, head: str) -> Figure:
    """A bar per view from 0, with its interval, its counts and the paper's precision."""
    return compose([recall_part(frame)], title=head)


@style()
def recall_part(frame: pd.DataFrame) -> Part:
    """The panel of :func:`recall_figure`."""
    handles = [Patch(lw=0.6, label="here", **BARS[0]), _interval_handle()]
    if frame["published_precision"].notna().any():
        handles.append(Line2D([], [], label="DeCoRec paper, Table 3", **PAPER))

    def draw(place: FigureBase, _: float) -> None:
        _draw_panel(panel(place), frame)

    return Part(
        frame=frame,
        draw=draw,
        height=lambda _: 1.9,
        least=3.0,
        handles=handles,
        notes=["Below a name: recalled of predicted."],
    )


def _draw_panel(axes: Axes, frame: pd.DataFrame) -> None:
    for place, row in enumerate(frame.to_dict("records")):
        _draw(axes, len(frame) - 1 - place, row)
    names = [_name(row) for row in frame.to_dict("records")]
    axes.set_yticks(range(len(frame))[::-1], labels=names)
    axes.set_xlabel("precision")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.margins(x=0.08)


def _name(row: Mapping[Hashable, Any]) -> str:
    return f"{words(row['view'])}\n{row['recalled']:,} of {row['predicted']:,}, k = {row['k']}"


def _interval_handle() -> Line2D:
    return Line2D([], [], color="0.15", lw=0.9, label="95 % over users")


def _draw(axes: Axes, at: int, row: Mapping[Hashable, Any]) -> None:
    axes.barh(at, row["precision"], height=0.6, lw=0.6, zorder=2, **BARS[0])
    axes.plot([max(row["low"], 0.0), row["high"]], [at, at], color="0.15", lw=0.9, zorder=3)
    axes.plot([row["published_precision"]], [at], zorder=5, **PAPER)
