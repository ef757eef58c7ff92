"""Shares of attention as colours: one scale for words and patches, and what is written on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import SubFigure
from matplotlib.font_manager import findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

COLORS = "inferno"
"""From black to nearly white, as evenly in grey as in colour."""
_IN_CELL: Any = {"ha": "center", "va": "center", "fontsize": 5.5}
_BAR: Any = {"fraction": 0.025, "pad": 0.01, "aspect": 12}


@dataclass(frozen=True)
class Scale:
    """Colours of one modality's shares."""

    top: float
    """The share that is brightest."""
    uniform: float

    @classmethod
    def of(cls, shares: Float[np.ndarray, "..."], uniform: float) -> "Scale":
        """From nothing to the largest share; what is nearly uniform is not blown up."""
        return cls(max(float(shares.max()), 2 * uniform), uniform)

    @property
    def mappable(self) -> ScalarMappable:
        """From a share to its colour."""
        return ScalarMappable(Normalize(0, self.top), mpl.colormaps[COLORS])

    @property
    def look(self) -> dict[str, Any]:
        """How imshow draws them."""
        mappable = self.mappable
        return {"cmap": mappable.cmap, "norm": mappable.norm, "interpolation": "nearest"}


def draw_lines(axes: Axes, shares: Float[np.ndarray, "rows columns"]) -> None:
    """Thin lines between cells."""
    height, width = shares.shape
    axes.set_xticks(np.arange(0.5, width - 1), minor=True)
    axes.set_yticks(np.arange(0.5, height - 1), minor=True)
    axes.grid(which="minor", color="white", lw=0.25)
    axes.set_axisbelow(False)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def write_shares(axes: Axes, shares: Float[np.ndarray, "rows columns"], scale: Scale) -> None:
    """Shares into their cells, with a rim that a picture below cannot swallow."""
    for (row, column), share in np.ndenumerate(shares):
        ink, rim = ("white", "black") if share < 0.6 * scale.top else ("black", "white")
        text = axes.text(column, row, _short(float(share)), color=ink, **_IN_CELL)
        text.set_path_effects([withStroke(linewidth=0.7, foreground=rim)])


def _short(share: float) -> str:
    return f"{share:.2f}".removeprefix("0")


def draw_scale(part: SubFigure, every: Sequence[Axes], scale: Scale) -> None:
    """What the colours say, and where on them the uniform share is."""
    bar = part.colorbar(scale.mappable, ax=list(every), label="share", **_BAR)
    bar.outline.set_visible(False)
    bar.ax.axhline(scale.uniform, color="black", lw=2.4)
    bar.ax.axhline(scale.uniform, color="white", lw=1.2)


def uniform_handle() -> Artist:
    """For the legend: the line that :func:`draw_scale` draws."""
    outline = [withStroke(linewidth=2.4, foreground="black")]
    line = Line2D([], [], color="white", lw=1.2, path_effects=outline)
    line.set_label("on the scale of colours: the uniform share, 1 / number of tokens")
    return line


def printable(text: str) -> str:
    """A text in one line, with a box for each sign that the figure's font does not have."""
    font = get_font(findfont("DejaVu Sans"))
    line = " ".join(text.split())
    return "".join(sign if font.get_char_index(ord(sign)) else "□" for sign in line)
