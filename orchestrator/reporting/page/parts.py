"""What a page is made of, as plain data; :mod:`orchestrator.reporting.page.render` shows it."""

import struct
from dataclasses import dataclass

_ENLARGED = 1.8
"""A figure's letters on paper are that much smaller than a page's text."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of text cells."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_long: bool = False
    """It is folded until it is asked for."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that the page carries."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure, and the numbers behind it."""

    title: str
    alt: str
    """What it shows, for those who do not see it."""
    png: bytes
    dots_per_inch: int
    numbers: Grid | None = None
    download: Download | None = None

    @property
    def width(self) -> int:
        """Of the figure on a large screen, in CSS pixels: its letters are as large as the text."""
        (dots,) = struct.unpack(">I", self.png[16:20])  # a PNG begins with its size
        return round(dots / self.dots_per_inch * 96 * _ENLARGED)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A section under a heading; what is empty is left out."""

    title: str
    sentences: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    """A list of sentences."""
    facts: tuple[tuple[str, str], ...] = ()
    """Name and value."""
    markdown: str = ""
    """Tables as reports have them."""
    grids: tuple[Grid, ...] = ()
    pictures: tuple[Picture, ...] = ()
    downloads: tuple[Download, ...] = ()
    code: str = ""
    """What is typed on a terminal."""

    @property
    def anchor(self) -> str:
        """Its name in addresses."""
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True, kw_only=True)
class Page:
    """A study, from top to bottom."""

    title: str
    lead: str
    """What it is, under the title."""
    warning: str = ""
    """What a reader must know before anything else."""
    parts: tuple[Part, ...]
    made: str
    """By what the page was made, at its foot."""
