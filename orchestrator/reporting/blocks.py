"""Tables of text cells, for a terminal and for Markdown; :mod:`orchestrator.reporting.latex` too.

The first column names a row and its header says what the table is about.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Literal

WIDTH = 110
"""Characters of a line on a terminal."""
_LEAST = 16
"""Characters that names get at least."""

Mark = Literal["best", "second"]
MARKS: Mapping[Mark, str] = {"best": "*", "second": "_"}
"""What stands before a marked cell on a terminal."""
REACH = "±"
"""Between a mean and half of its interval in a cell, and the first word of the note on it."""
_MARKDOWN: Mapping[Mark, str] = {"best": "**{}**", "second": "<u>{}</u>"}


class Marked(str):
    """A cell that stands out among those that it is compared with."""

    __slots__ = ("mark",)
    mark: Mark

    def __new__(cls, text: str, mark: Mark) -> "Marked":
        """A text with its mark."""
        made = super().__new__(cls, text)
        made.mark = mark
        return made


Cells = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """Rows that belong together."""

    title: str = ""
    rows: tuple[Cells, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A table: a header, and rows in sections."""

    header: Cells
    sections: tuple[Section, ...]
    is_main: bool = True
    """It shows what was asked, and not a view beside it."""
    caption: str = ""
    """Of a view beside it, on a page; by default the first cell of the header."""

    def all_rows(self) -> list[Cells]:
        """Header and rows, without the sections' titles."""
        return [self.header, *(row for section in self.sections for row in section.rows)]


def block_text(block: Block) -> str:
    """The table for a terminal: long names are broken, so that lines keep to :data:`WIDTH`."""
    rows = [_plain(row) for row in block.all_rows()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1)
    widths[0] = min(widths[0], max(room, _LEAST))
    lines = [*_lines(block.header, widths), _line(["-" * width for width in widths], widths)]
    for section in block.sections:
        lines += [f"[{section.title}]"] if section.title else []
        lines += [line for row in section.rows for line in _lines(row, widths)]
    return "\n".join(lines)


def _plain(cells: Sequence[str]) -> Cells:
    """Cells with their marks as characters."""
    return tuple(
        f"{MARKS[cell.mark]}{cell}" if isinstance(cell, Marked) else cell for cell in cells
    )


def _lines(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = _plain(cells)
    name, *rest = wrap(cells[0], max(widths[0], 1)) or [""]
    return [_line([name, *cells[1:]], widths), *(f"  {part}" for part in rest)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [cells[0].ljust(widths[0])]
    aligned += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join(aligned).rstrip()


def block_markdown(block: Block) -> str:
    """The table for a report or a page."""
    columns = len(block.header)
    lines = [_piped(block.header), _piped([":---", *["---:"] * (columns - 1)])]
    for section in block.sections:
        if section.title:
            lines.append(_piped([f"*{section.title}*", *[""] * (columns - 1)]))
        lines += map(_piped, section.rows)
    return "\n".join(lines)


def _piped(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_markdown_cell, cells))} |"


def _markdown_cell(cell: str) -> str:
    text = cell.replace("|", "\\|")
    return _MARKDOWN[cell.mark].format(text) if isinstance(cell, Marked) else text


def filled(sentences: Sequence[str]) -> str:
    """Sentences, each in lines of its own that keep to :data:`WIDTH`."""
    return "\n".join(line for sentence in sentences for line in wrap(sentence, WIDTH))
