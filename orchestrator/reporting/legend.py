"""Title, legend and notes of a figure, all outside its panels."""

import math
import re
from collections.abc import Sequence
from textwrap import wrap

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend

from orchestrator.reporting.style import is_bare

_NOTE = 18.2
_TITLE = 14.3
"""Characters to the inch."""
_LINE = 0.13
"""Inches that a line of the legend takes."""
_MOST = 5
"""Columns of a legend."""


def describe(
    figure: Figure, *, title: str, handles: Sequence[Artist], notes: Sequence[str]
) -> None:
    """Add title, legend and notes to a figure, which grows by the lines that they take.

    In a figure for a paper's caption there is the legend alone, of which there may be none.
    """
    inches = figure.get_figwidth()
    lines = [] if is_bare() else joined(notes, round(_NOTE * inches))
    if not is_bare():
        figure.suptitle("\n".join(broken(title, _TITLE * inches)))
    if not handles and not lines:
        return
    columns = _columns(figure, handles)
    legend = _legend(figure, handles, columns)
    if lines:
        legend.set_title("\n".join(lines), prop=FontProperties(size=6.5))
        legend.get_title().set_multialignment("center")
    num_lines = len(lines) + math.ceil(len(handles) / columns)
    figure.set_figheight(figure.get_figheight() + _LINE * num_lines)


def _legend(figure: Figure, handles: Sequence[Artist], columns: int) -> Legend:
    return figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, handlelength=2.8
    )


def _columns(figure: Figure, handles: Sequence[Artist]) -> int:
    """As many as the figure has room for, and no more than make the lines even."""
    for columns in range(min(len(handles), _MOST), 1, -1):
        legend = _legend(figure, handles, columns)
        width = legend.get_window_extent().width / figure.dpi
        legend.remove()
        if width <= figure.get_figwidth():
            return math.ceil(len(handles) / math.ceil(len(handles) / columns))
    return 1


def broken(text: str, width: float) -> list[str]:
    """Lines of about so many characters; names keep together, and what stands in brackets."""
    kept = re.sub(r"\([^)]*\)", lambda found: found.group().replace(" ", "\xa0"), text)
    return wrap(kept, round(width), break_on_hyphens=False)


def joined(sentences: Sequence[str], width: int) -> list[str]:
    """Sentences in lines: short ones share a line, longer ones than a line are broken."""
    lines: list[str] = []
    for sentence in sentences:
        if lines and len(lines[-1]) + len(sentence) < width:
            lines[-1] += f" {sentence}"
        else:
            lines += wrap(sentence, width, break_on_hyphens=False) or [""]
    return lines
