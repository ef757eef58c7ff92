"""Figures of one part or of several, each with the panels of one study."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure, FigureBase

from orchestrator.reporting.legend import broken, describe
from orchestrator.reporting.style import COLUMN, PAGE, fitted, new_figure, settle, style

_HEADING = 0.17
"""Inches of a line above a part."""
_CHARACTERS = 15.0
"""Of a heading, to the inch."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The panels of one study, and what a reader must be told of them."""

    frame: pd.DataFrame
    """The numbers behind the panels."""
    draw: Callable[[FigureBase, float], None]
    """Draws the panels into a figure, given the width that they have there, in inches."""
    height: Callable[[float], float]
    """Inches that the panels are high, by the width that they have."""
    width: float = COLUMN
    """Of a figure that has no other part and is drawn for no paper, in inches."""
    least: float = 2.3
    """Inches below which the panels crowd."""
    handles: Sequence[Artist] = ()
    notes: Sequence[str] = ()
    heading: str = ""
    """What is written above it where there are several."""


def compose(parts: Sequence[Part], *, title: str) -> Figure:
    """A figure of all parts, side by side as far as they have room.

    Args:
        parts: one or more; what their legends share is told once.
        title: what the figure is about.
    """
    with style():
        width = fitted(parts[0].width if len(parts) == 1 else PAGE)
        columns = even_columns(len(parts), width, max(part.least for part in parts))
        each = width / columns
        rows = [parts[begin : begin + columns] for begin in range(0, len(parts), columns)]
        heights = [max(_height(part, each, num=len(parts)) for part in row) for row in rows]
        figure = new_figure(width, sum(heights))
        for part, place in zip(parts, _places(figure, heights, columns, len(parts)), strict=True):
            part.draw(place, each)
            if len(parts) > 1:
                place.suptitle("\n".join(_heading(part, each)), fontsize=8)
        describe(figure, title=title, handles=_handles(parts), notes=_notes(parts))
        return settle(figure)


def caption(parts: Sequence[Part], *, title: str) -> str:
    """What a bare figure does not say, for a paper's caption."""
    return " ".join([f"{title}.", *_notes(parts)])


def even_columns(num: int, width: float, least: float, most: int = 4) -> int:
    """Columns of ``num`` panels: as many as have room, with the rows as even as can be."""
    columns = max(1, min(num, most, int(width / least + 1e-9)))
    return math.ceil(num / math.ceil(num / columns))


def _height(part: Part, width: float, *, num: int) -> float:
    return part.height(width) + (_HEADING * len(_heading(part, width)) if num > 1 else 0.0)


def _heading(part: Part, width: float) -> list[str]:
    return broken(part.heading, _CHARACTERS * width)


def _places(
    figure: Figure, heights: Sequence[float], columns: int, num: int
) -> Iterator[FigureBase]:
    if num == 1:
        return iter([figure])
    made = figure.subfigures(len(heights), columns, squeeze=False, height_ratios=heights)
    return iter(made.ravel()[:num])


def _handles(parts: Iterable[Part]) -> list[Artist]:
    """Each label once."""
    by_label = {str(handle.get_label()): handle for part in parts for handle in part.handles}
    return list(by_label.values())


def _notes(parts: Iterable[Part]) -> list[str]:
    """Each sentence once."""
    return list(dict.fromkeys(note for part in parts for note in part.notes))
