"""What each query of a model reads of an item: as numbers, as a table, and as a figure's file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from orchestrator.diagnosis.explain import Reading, Readings
from orchestrator.diagnosis.items import cut
from orchestrator.reporting.blocks import Block, Cells, Section, block_text, filled
from orchestrator.reporting.explain_figure import Picture, draw_readings, head
from orchestrator.reporting.style import save, write_whole

COLUMNS = ("modality", "query", "head", "place", "token", "weight")
NUM_TOLD = 5
"""Tokens that the table has of each query."""
_LETTERS = 60
"""Of an item's text in a title."""
_WORD = 16
"""Letters of a word in the table."""
_SUM = "A query's shares add up to 1 over all tokens of a modality, special ones among them."


@dataclass(frozen=True, kw_only=True)
class About:
    """Whose reading of what."""

    model: str
    dataset: str
    is_synthetic: bool
    item: int
    raw_id: str
    text: str
    seed: int
    run_id: str

    @property
    def title(self) -> str:
        """Model, data set, item and run in a sentence."""
        origin = " (synthetic data)" if self.is_synthetic else ""
        text = f" “{cut(self.text, _LETTERS)}”" if self.text.strip() else ""
        return (
            f"{self.model} on {self.dataset}{origin}, seed {self.seed}, run {self.run_id[:8]}: "
            f"what it reads of item #{self.item} ({self.raw_id}){text}"
        )

    @property
    def stem(self) -> str:
        """Of the files' names."""
        return f"{self.model}-explain-{self.dataset}-{self.item}"


@dataclass(frozen=True, kw_only=True)
class ExplanationReport:
    """What was made of a model's reading of an item."""

    table: pd.DataFrame
    text: str
    """For a terminal."""
    files: tuple[Path, ...]
    """PDF, PNG and CSV."""


def report_explanation(
    about: About, readings: Readings, pictures: Mapping[str, Picture], *, folder: Path
) -> ExplanationReport:
    """Write the figure and the numbers into a folder, and make the table.

    Args:
        about: whose reading of what.
        readings: what is read.
        pictures: modality -> the picture that its patches lie on.
        folder: where the files go.

    Raises:
        StoreError: the folder cannot be written.
    """
    frame = explanation_frame(readings.shown)
    figure = explanation_figure(about, readings, pictures)
    stem = folder / about.stem
    numbers = frame.to_csv(index=False, lineterminator="\n").encode()
    drawn = [save(figure, stem.with_name(f"{stem.name}{end}")) for end in (".pdf", ".png")]
    return ExplanationReport(
        table=frame,
        text=explanation_text(about, readings),
        files=(*drawn, write_whole(stem.with_name(f"{stem.name}.csv"), numbers)),
    )


def explanation_frame(readings: Sequence[Reading]) -> pd.DataFrame:
    """A row per weight, with the columns :data:`COLUMNS`; queries, heads, places count from 1."""
    rows = [
        [reading.modality, query + 1, head + 1, place + 1, reading.words[place], float(weight)]
        for reading in readings
        for (query, head, place), weight in np.ndenumerate(reading.weights)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def explanation_figure(about: About, readings: Readings, pictures: Mapping[str, Picture]) -> Figure:
    """The readings, drawn."""
    notes = (_SUM, *readings.notes)
    return draw_readings(readings.shown, pictures, title=about.title, notes=notes)


def explanation_text(about: About, readings: Readings) -> str:
    """Per modality and query the tokens that are read most, for a terminal."""
    header = ("most read", *(f"{place}." for place in range(1, NUM_TOLD + 1)))
    sections = tuple(
        Section(title=head(reading), rows=_rows(reading)) for reading in readings.shown
    )
    table = block_text(Block(header=header, sections=sections))
    return "\n".join([filled([about.title]), "", table, "", filled([_SUM, *readings.notes])])


def _rows(reading: Reading) -> tuple[Cells, ...]:
    """Of each query the tokens with the largest shares, the earlier one first of equal ones."""
    rows = []
    for query, shares in enumerate(reading.by_query, start=1):
        most = np.argsort(-shares, kind="stable")[:NUM_TOLD]
        cells = [f"{_named(reading, place)} {shares[place]:.3f}" for place in most.tolist()]
        rows.append((f"query {query}", *cells, *[""] * (NUM_TOLD - len(cells))))
    return tuple(rows)


def _named(reading: Reading, place: int) -> str:
    """A word, with its place where the item has it more than once."""
    word = reading.words[place]
    again = f" ({place + 1})" if reading.words.count(word) > 1 else ""
    return f"{cut(word, _WORD)}{again}"
