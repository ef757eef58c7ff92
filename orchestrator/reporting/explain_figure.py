"""What each query of a model reads of an item, drawn: words as heat maps, patches on the picture.

Both have one scale of colour, dark where little is read and bright where much is, so that they
read alike in print without colours.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from orchestrator.diagnosis.explain import Reading
from orchestrator.diagnosis.items import cut
from orchestrator.reporting.legend import describe
from orchestrator.reporting.shares import (
    Scale,
    draw_lines,
    draw_scale,
    printable,
    uniform_handle,
    write_shares,
)
from orchestrator.reporting.style import PAGE, new_figure, style

MAX_ROWS = 16
"""More queries times heads than this are shown as means over the heads."""
MAX_COLUMNS = 32
"""Tokens side by side; more go on in the next line."""
_WRITTEN_COLUMNS = 16
"""As many cells side by side at most have their share written into them."""
_WRITTEN_PATCHES = 7
"""Patches side by side of which the same holds."""
_MAX_PANELS = 5
"""Pictures side by side."""
_MAX_PANEL = 1.9
"""Inches that a picture is wide at most."""
_LETTERS = 16
"""Of a word under a heat map."""
_LETTER = 0.062
"""Inches of a letter there."""
_SCALE = 0.6
"""Inches of a scale of colours beside the panels."""
_NAMES = 0.9
"""Inches of the names of a heat map's rows."""
_VEIL = 0.65
"""How much of what is seen of a patch is its share's colour, and not the picture."""

Picture = UInt8[np.ndarray, "height width 3"]


def draw_readings(
    readings: Sequence[Reading],
    pictures: Mapping[str, Picture],
    *,
    title: str,
    notes: Sequence[str],
) -> Figure:
    """One figure of page width with a part for each modality.

    Args:
        readings: what is read, by modality.
        pictures: modality -> the picture that its patches lie on; without one they are drawn alone.
        title: what it is about.
        notes: what to know of it.
    """
    with style():
        mpl.rcParams["text.parse_math"] = False  # a dollar in a text is a dollar
        heights = [_height(reading, pictures.get(reading.modality)) for reading in readings]
        figure = new_figure(PAGE, sum(heights) + 0.35)
        parts = figure.subfigures(len(readings), 1, height_ratios=heights, squeeze=False)
        for part, reading in zip(parts.flat, readings, strict=True):
            by_head = reading.grid is None and _has_row_per_head(reading)
            part.suptitle(head(reading, by_head=by_head), fontsize=8)
            if reading.grid is None:
                _draw_words(part, reading)
            else:
                _draw_patches(part, reading, reading.grid, pictures.get(reading.modality))
        lines = [printable(note) for note in notes]
        describe(figure, title=printable(title), handles=[uniform_handle()], notes=lines)
    return figure


def head(reading: Reading, *, by_head: bool = False) -> str:
    """What a modality's part of a figure or a table is of."""
    num_tokens, num_heads = len(reading.words), reading.weights.shape[1]
    means = "" if by_head or num_heads == 1 else f"; means over {num_heads} heads"
    share = f"uniform share 1/{num_tokens} = {reading.uniform:.3f}"
    return f"{reading.modality}: {num_tokens} tokens, {share}{means}"


def _height(reading: Reading, picture: Picture | None) -> float:
    """Inches that a modality's part takes."""
    if reading.grid is None:
        strips = _strips(reading.words)
        labels = sum(0.2 if _is_upright(strips) else _LETTER * _letters(own) for own in strips)
        return 0.3 + labels + len(strips) * (0.17 * len(_rows(reading)[0]) + 0.1)
    return 0.3 + _Board(reading.grid, picture, len(reading.weights)).height


def _has_row_per_head(reading: Reading) -> bool:
    queries, heads, _ = reading.weights.shape
    return queries * heads <= MAX_ROWS


def _rows(reading: Reading) -> tuple[list[str], Float[np.ndarray, "rows tokens"]]:
    """Names of a heat map's rows, and their shares."""
    queries, heads, _ = reading.weights.shape
    if heads == 1 or not _has_row_per_head(reading):
        return [f"query {n}" for n in range(1, queries + 1)], reading.by_query
    names = [f"query {q}, head {h}" for q in range(1, queries + 1) for h in range(1, heads + 1)]
    return names, reading.weights.reshape(queries * heads, -1)


def _strips(words: Sequence[str]) -> list[list[str]]:
    """Labels of the tokens in lines of like length."""
    labels = [cut(printable(word), _LETTERS) for word in words]
    columns = math.ceil(len(labels) / math.ceil(len(labels) / MAX_COLUMNS))
    return [labels[start : start + columns] for start in range(0, len(labels), columns)]


def _letters(labels: Sequence[str]) -> int:
    return max(map(len, labels))


def _is_upright(strips: Sequence[Sequence[str]]) -> bool:
    """Whether the labels fit under their cells without being turned."""
    cell = (PAGE - _NAMES - _SCALE) / len(strips[0])
    return max(map(_letters, strips)) * _LETTER < cell


def _draw_words(part: SubFigure, reading: Reading) -> None:
    """Heat maps one below the other, as lines of a text."""
    names, shares = _rows(reading)
    scale = Scale.of(shares, reading.uniform)
    strips = _strips(reading.words)
    columns, rotation = len(strips[0]), 0 if _is_upright(strips) else 90
    every = [part.add_subplot(len(strips), 1, place + 1) for place in range(len(strips))]
    for place, (axes, labels) in enumerate(zip(every, strips, strict=True)):
        own = shares[:, place * columns :][:, :columns]
        axes.imshow(own, aspect="auto", **scale.look)
        draw_lines(axes, own)
        if columns <= _WRITTEN_COLUMNS:
            write_shares(axes, own, scale)
        axes.set_xticks(range(len(labels)), labels=labels, rotation=rotation, fontsize=6.5)
        axes.set_yticks(range(len(names)), labels=names)
        axes.set_xlim(-0.5, columns - 0.5)
    draw_scale(part, every, scale)


@dataclass(frozen=True)
class _Board:
    """Panels of one shape: the picture, where there is one, and a panel for each query."""

    grid: tuple[int, int]
    picture: Picture | None
    num_queries: int

    @property
    def num_panels(self) -> int:
        return self.num_queries + (self.picture is not None)

    @property
    def lines(self) -> int:
        return math.ceil(self.num_panels / _MAX_PANELS)

    @property
    def columns(self) -> int:
        return math.ceil(self.num_panels / self.lines)

    @property
    def panel(self) -> tuple[float, float]:
        """Height and width of a panel, in inches."""
        height, width = self.grid if self.picture is None else self.picture.shape[:2]
        wide = min((PAGE - _SCALE) / self.columns, _MAX_PANEL)
        return wide * height / width, wide

    @property
    def height(self) -> float:
        """Of all of it, in inches."""
        return self.lines * (self.panel[0] + 0.35)

    def axes(self, part: SubFigure) -> tuple[SubFigure, list[Axes]]:
        """The panels in the middle of a part, without scales, and what they are in."""
        used = self.columns * (self.panel[1] + 0.08) + _SCALE
        rest = max((PAGE - used) / 2, 0.01)
        middle = part.subfigures(1, 3, width_ratios=[rest, used, rest], squeeze=False)[0][1]
        every = [
            middle.add_subplot(self.lines, self.columns, n + 1) for n in range(self.num_panels)
        ]
        for axes in every:
            axes.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
            axes.spines[:].set_visible(False)
        return middle, every

    def lay(self, axes: Axes, image: np.ndarray, **options: Any) -> None:  # noqa: ANN401 - imshow's
        """An image so that its patches are the cells from 0 on, in the picture's own shape."""
        rows, columns = self.grid
        height, width = self.panel
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        axes.imshow(image, extent=extent, aspect=height / rows * columns / width, **options)


def _draw_patches(
    part: SubFigure, reading: Reading, grid: tuple[int, int], picture: Picture | None
) -> None:
    """The picture, and per query the shares of its patches; those of other tokens in the title."""
    shares = reading.by_query
    first = shares.shape[1] - math.prod(grid)
    scale = Scale.of(shares[:, first:], reading.uniform)
    board = _Board(grid, picture, len(shares))
    middle, every = board.axes(part)
    if picture is not None:
        board.lay(every[0], picture)
        every[0].set_title("as the encoder saw it", fontsize=7)
    for number, (axes, own) in enumerate(zip(every[-len(shares) :], shares, strict=True), start=1):
        if picture is not None:
            board.lay(axes, _faint(picture), cmap="gray", vmin=0, vmax=1)
        cells = own[first:].reshape(grid)
        board.lay(axes, cells, alpha=1 if picture is None else _VEIL, **scale.look)
        draw_lines(axes, cells)
        if max(grid) <= _WRITTEN_PATCHES:
            write_shares(axes, cells, scale)
        axes.set_title(_panel_title(number, reading.words[:first], own[:first]), fontsize=7)
    draw_scale(middle, every, scale)


def _faint(picture: Picture) -> Float[np.ndarray, "height width"]:
    """The picture in greys that leave the shares' colours their order."""
    grey = picture.astype(float) @ np.array([0.299, 0.587, 0.114]) / 255
    return 0.2 + 0.6 * grey


def _panel_title(number: int, special: Sequence[str], shares: Float[np.ndarray, " special"]) -> str:
    """The query, and its shares of tokens that are no patches: the class token and others."""
    text = f"query {number}"
    if len(special) > 0:
        text += f", {special[0]} {shares[0]:.3f}"
    if len(special) > 1:
        text += f"\n{len(special) - 1} more special tokens {shares[1:].sum():.3f}"
    return text
