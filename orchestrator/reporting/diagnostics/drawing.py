"""What every view is made of: a figure, the numbers behind it, and a small table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from orchestrator.evaluation.significance import interval
from orchestrator.reporting.blocks import Block, Section, block_markdown, block_text, filled
from orchestrator.reporting.style import LOOKS, Look, save, write_whole
from orchestrator.results import Record
from orchestrator.tracking.runs import SweepInfo

COLUMNS = ("view", "name", "figure", "mean", "low", "high", "num")
"""Of a view's numbers as a table; see :class:`Told`."""
Runs = Mapping[str, Mapping[int, Record]]
"""Variant -> seed -> the record of its finished run."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """One number of a view's table, with its interval where it has one."""

    name: str
    """What it is of: a row of the table."""
    figure: str
    """What it says: a column of the table."""
    mean: float
    low: float = math.nan
    high: float = math.nan
    num: int = 1
    """Seeds (or users) that it is a mean over."""
    form: str = ".4f"
    """How it is printed."""
    signs: tuple[str, str] | None = None
    """What it means to lie above 0, and below it; None where its sign answers nothing."""

    def verdict(self) -> str | None:
        """A sentence on which side of 0 it lies, as far as its interval tells."""
        if self.signs is None or math.isnan(self.mean):
            return None
        if math.isnan(self.low):
            return f"{self.name}, {self.figure}: {self.text()} at one seed, so unresolved."
        above, below = self.signs
        word = above if self.low > 0 else below if self.high < 0 else "unresolved"
        bounds = f"95 % interval {self.low:{self.form}} to {self.high:{self.form}}"
        return f"{self.name}, {self.figure}: {self.mean:{self.form}} ({bounds}): {word}."

    def text(self) -> str:
        """The number as a table shows it."""
        if math.isnan(self.mean):
            return "-"
        half = (self.high - self.low) / 2
        if math.isnan(half):
            return f"{self.mean:{self.form}}"
        return f"{self.mean:{self.form}} ± {half:{self.form.replace('+', '')}}"


def told_over(
    name: str,
    figure: str,
    values: Sequence[float],
    *,
    form: str = ".4f",
    signs: tuple[str, str] | None = None,
) -> Told:
    """The mean over seeds with its 95 % t interval; seeds without a number are left out."""
    known = [value for value in values if not math.isnan(value)]
    mean, low, high = interval(known) if known else (math.nan,) * 3
    return Told(
        name=name,
        figure=figure,
        mean=mean,
        low=low,
        high=high,
        num=len(known),
        form=form,
        signs=signs,
    )


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One view of a diagnosis, drawn."""

    view: str
    title: str
    figure: Figure
    frame: pd.DataFrame
    """The numbers behind the figure."""
    told: tuple[Told, ...]
    notes: tuple[str, ...]
    """Sentences under the table: what the numbers are and what they are not."""
    beside: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Further numbers, by what their file's name ends in."""

    def text(self) -> str:
        """Title, table and notes for a terminal."""
        return "\n".join([self.title, block_text(self._block()), filled(self.notes)])

    def markdown(self) -> str:
        """Title, table and notes for a page."""
        return "\n\n".join(
            [f"**{self.title}**", block_markdown(self._block()), "\n".join(self.notes)]
        )

    def verdicts(self) -> tuple[str, ...]:
        """A sentence for each number whose sign answers something."""
        return tuple(filter(None, (one.verdict() for one in self.told)))

    def table(self) -> pd.DataFrame:
        """A row per number told, with the columns :data:`COLUMNS`."""
        _, *names = COLUMNS
        rows = [[self.view, *(getattr(one, name) for name in names)] for one in self.told]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _block(self) -> Block:
        figures = list(dict.fromkeys(one.figure for one in self.told))
        names = list(dict.fromkeys(one.name for one in self.told))
        cells = {(one.name, one.figure): one.text() for one in self.told}
        rows = tuple((n, *(cells.get((n, figure), "") for figure in figures)) for n in names)
        return Block(header=(self.view, *figures), sections=(Section(rows=rows),))

    def write(self, stem: Path) -> tuple[Path, ...]:
        """Write ``stem.pdf``, ``stem.png``, ``stem.csv`` and the further numbers.

        Raises:
            StoreError: the folder cannot be written.
        """
        frames = {"": self.frame, **{f"-{name}": frame for name, frame in self.beside.items()}}
        numbers = [
            write_whole(
                stem.with_name(f"{stem.name}{end}.csv"),
                frame.to_csv(index=False, lineterminator="\n").encode(),
            )
            for end, frame in frames.items()
        ]
        drawn = [save(self.figure, stem.with_name(f"{stem.name}{e}")) for e in (".pdf", ".png")]
        return (*drawn, *numbers)


def title(info: SweepInfo, what: str) -> str:
    """What a view's figure and table are about."""
    origin = " (synthetic data)" if info.synthetic else ""
    return f"{info.shown_model}, {what}, on {info.dataset}{origin}"


def looks_of(names: Sequence[str]) -> dict[str, Look]:
    """A look for each name; they repeat where there are more names than looks."""
    return {name: LOOKS[place % len(LOOKS)] for place, name in enumerate(names)}


def panel(figure: FigureBase, rows: int = 1, columns: int = 1, place: int = 1) -> Axes:
    """A panel with a scale on the left only; ``place`` counts from 1."""
    axes = figure.add_subplot(rows, columns, place)
    axes.spines["right"].set_visible(False)
    return axes


def words(name: str) -> str:
    """A variant's name as a figure shows it."""
    return name.replace("_", " ")


def over_seeds_text(nums: Sequence[int]) -> str:
    """What means and intervals are over, as a note."""
    most = max(nums, default=0)
    return "One seed: no interval." if most < 2 else f"Means over {most} seeds, 95 % t intervals."


def mean_and_band(
    values: Sequence[Sequence[float]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of several curves and the 95 % t interval about it, as far as the shortest goes."""
    shortest = min(map(len, values))
    columns = np.array([list(curve[:shortest]) for curve in values], dtype=float).T
    found = np.array([interval(column.tolist()) for column in columns])
    return found[:, 0], found[:, 1], found[:, 2]
