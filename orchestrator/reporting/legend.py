"""Title, legend and notes of a figure, all outside its panels."""

import math
from collections.abc import Sequence
from textwrap import wrap

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from orchestrator.reporting.style import COLUMN

_NOTE = 18.2
_TITLE = 14.3
"""Characters to the inch."""


def describe(
    figure: Figure, *, title: str, handles: Sequence[Artist], notes: Sequence[str]
) -> None:
    """Add title, legend and notes to a figure, which grows by the lines that they take."""
    inches = figure.get_figwidth()
    lines = joined(notes, round(_NOTE * inches))
    columns = 2 if inches == COLUMN else min(len(handles), 5)
    legend = figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        title="\n".join(lines),
        title_fontproperties={"size": 6.5},
        handlelength=2.8,
    )
    legend.get_title().set_multialignment("center")
    figure.suptitle("\n".join(wrap(title, round(_TITLE * inches))))
    num_lines = len(lines) + math.ceil(len(handles) / columns)
    figure.set_figheight(figure.get_figheight() + 0.13 * num_lines)


def joined(sentences: Sequence[str], width: int) -> list[str]:
    """Sentences in lines: short ones share a line, longer ones than a line are broken."""
    lines: list[str] = []
    for sentence in sentences:
        if lines and len(lines[-1]) + len(sentence) < width:
            lines[-1] += f" {sentence}"
        else:
            lines += wrap(sentence, width) or [""]
    return lines
