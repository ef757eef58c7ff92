"""One look for every figure: a two-column paper's sizes, readable in grey, the same bytes always.

Nothing here touches pyplot or a display.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from orchestrator.errors import StoreError

COLUMN = 3.5
"""Width of a column of a two-column page, in inches."""
PAGE = 7.16
"""Width of such a page, in inches."""
DOTS_PER_INCH = 300

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine draws the same
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "figure.titlesize": 8.5,
    "figure.dpi": 100,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,  # TrueType, embedded: journals refuse Type 3
    "ps.fonttype": 42,
    "svg.hashsalt": "orch",
    "path.simplify": False,
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a curve is told from the others, with colour and without."""

    color: str
    marker: str
    line: Literal["-", "--", "-.", ":"]
    fill: str
    """Colour inside the marker."""


LOOKS = (
    Look(color="#0072B2", marker="o", line="-", fill="#0072B2"),
    Look(color="#D55E00", marker="s", line="--", fill="white"),
    Look(color="#009E73", marker="^", line="-.", fill="#009E73"),
    Look(color="#7A4E7E", marker="D", line=":", fill="white"),
)
"""Colours of Okabe and Ito (the last darkened), which colour-blind readers tell apart."""


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style inside the block; matplotlib's settings are as before after it."""
    with mpl.rc_context():
        mpl.rcdefaults()  # a user's matplotlibrc must not change the bytes
        mpl.rcParams.update(_SETTINGS)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that arranges itself, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as its suffix says, whole or not at all, with no date in it.

    Raises:
        StoreError: the folder cannot be written.
    """
    metadata: dict[str, Any] = (
        {"CreationDate": None} if path.suffix == ".pdf" else {"Software": None}
    )
    drawn = io.BytesIO()
    with style():
        figure.savefig(drawn, format=path.suffix[1:], dpi=DOTS_PER_INCH, metadata=metadata)
    return write_whole(path, drawn.getvalue())


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all.

    Raises:
        StoreError: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}). Choose another folder."
        ) from None
    return path
