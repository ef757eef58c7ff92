"""A table in all its forms: terminal, Markdown, LaTeX and CSV, from the same cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd

from orchestrator.reporting.blocks import REACH, Block, block_markdown, block_text, filled
from orchestrator.reporting.latex import as_document, as_latex

Form = Literal["text", "markdown", "latex", "csv"]
FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True, kw_only=True)
class Table:
    """What a table shows, and how to read it."""

    title: str
    label: str
    r"""What ``\\ref`` finds it by, after ``tab:``."""
    blocks: Sequence[Block]
    """For a terminal."""
    pages: Sequence[Block]
    """For a page, which may be wider."""
    notes: Sequence[str]
    page_notes: Sequence[str]
    """The same where marks are bold and underlined."""
    frame: pd.DataFrame
    """Every number, not rounded."""

    def text(self) -> str:
        """For a terminal."""
        return "\n\n".join([self.title, *map(block_text, self.blocks), filled(self.notes)])

    def markdown(self) -> str:
        """For a report or a page, in the form that the terminal has."""
        told = "\n".join(self.page_notes)
        return "\n\n".join([f"**{self.title}**", *map(block_markdown, self.blocks), told])

    def latex(self, *, is_standalone: bool = False) -> str:
        r"""For a paper: floats to ``\\input``, or a document that compiles by itself."""
        caption = " ".join([f"{self.title}.", *self._told()])
        floats = as_latex(self.pages, caption=caption, label=f"tab:{self.label}")
        return as_document(floats) if is_standalone else floats

    def _told(self) -> list[str]:
        """The notes on what its pages have: those of papers often leave out intervals."""
        cells = [cell for page in self.pages for row in page.all_rows() for cell in row]
        has_reach = any(REACH in cell for cell in cells)
        return [note for note in self.page_notes if has_reach or not note.startswith(REACH)]

    def csv(self) -> str:
        """Every number."""
        return str(self.frame.to_csv(index=False, lineterminator="\n"))

    def written(self, form: Form, *, is_standalone: bool = False) -> str:
        """In a form, with a line's end.

        Args:
            form: which.
            is_standalone: of LaTeX: a document that compiles by itself.
        """
        if form == "latex":
            return self.latex(is_standalone=is_standalone)
        if form == "csv":
            return self.csv()
        return f"{self.text() if form == 'text' else self.markdown()}\n"
