"""One look for every figure: a paper's sizes, readable in grey, the same bytes always.

Nothing here touches pyplot or a display.
"""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from orchestrator.errors import StoreError

COLUMN = 3.5
"""Width of a column of a two-column page, in inches."""
PAGE = 7.16
"""Width of such a page, in inches."""
PRESETS: Mapping[str, float] = MappingProxyType(
    {"ieee-column": COLUMN, "ieee-page": PAGE, "acm-column": 3.33, "acm-page": 7.0}
)
"""Name -> width in inches, of IEEEtran's and of acmart's two-column pages (``sigconf``)."""
FORMATS = ("pdf", "png", "svg")
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
    line: Literal["-", "--", "-.", ":"] | tuple[float, Sequence[float]]
    """Matplotlib's name of it, or its dashes: offset, then lengths on and off."""
    fill: str
    """Colour inside the marker."""


LOOKS = (
    Look(color="#0072B2", marker="o", line="-", fill="#0072B2"),
    Look(color="#D55E00", marker="s", line="--", fill="white"),
    Look(color="#009E73", marker="^", line="-.", fill="#009E73"),
    Look(color="#7A4E7E", marker="D", line=":", fill="white"),
    Look(color="#000000", marker="v", line=(0.0, (6.0, 1.2, 1.0, 1.2, 1.0, 1.2)), fill="#000000"),
    Look(color="#A67C00", marker="P", line=(0.0, (8.0, 2.0)), fill="white"),
    Look(color="#5E5E5E", marker="X", line=(0.0, (3.0, 1.0, 1.0, 1.0)), fill="#5E5E5E"),
    Look(color="#C2337A", marker="p", line=(0.0, (1.0, 2.5)), fill="white"),
)
"""The first four are colours of Okabe and Ito (the last darkened), which colour-blind readers tell
apart. All stand out from white; marker and line differ too, for who sees no colour."""
BARS: tuple[Mapping[str, Any], ...] = (
    MappingProxyType({"facecolor": "#9CC9E3", "edgecolor": "#3F7FA8"}),
    MappingProxyType({"facecolor": "white", "edgecolor": "#3F7FA8", "hatch": "//////"}),
    MappingProxyType({"facecolor": "#F2D29B", "edgecolor": "#8A5A00", "hatch": "...."}),
    MappingProxyType({"facecolor": "0.85", "edgecolor": "0.35", "hatch": "xxxx"}),
    MappingProxyType({"facecolor": "#0B4F7A", "edgecolor": "#0B4F7A"}),
)
"""How bars that stand side by side are filled; hatches differ, for who sees no colour."""

_WIDTH: ContextVar[float | None] = ContextVar("width", default=None)
_IS_BARE: ContextVar[bool] = ContextVar("is_bare", default=False)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style inside the block; matplotlib's settings are as before after it."""
    with mpl.rc_context():
        mpl.rcdefaults()  # a user's matplotlibrc must not change the bytes
        mpl.rcParams.update(_SETTINGS)
        yield


@contextmanager
def for_paper(preset: str | None, *, is_bare: bool = False) -> Iterator[None]:
    """Draw what a paper needs inside the block.

    Args:
        preset: a name of :data:`PRESETS`, whose width every figure gets; None leaves each its own.
        is_bare: leave out titles and notes, which stand in a paper's captions.
    """
    width, bare = _WIDTH.set(PRESETS[preset] if preset else None), _IS_BARE.set(is_bare)
    try:
        yield
    finally:
        _WIDTH.reset(width)
        _IS_BARE.reset(bare)


def fitted(width: float) -> float:
    """The width of a figure in inches: the paper's, or its own where it is drawn for none."""
    return _WIDTH.get() or width


def is_bare() -> bool:
    """Whether titles and notes are left to the caption."""
    return _IS_BARE.get()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that arranges itself, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def settle(figure: Figure) -> Figure:
    """Arrange a figure for good: drawing it again, in whatever format, moves nothing."""
    engine = figure.get_layout_engine()
    assert engine is not None
    for _ in range(2):  # the first arranges, the second mends what that has moved
        engine.execute(figure)
    figure.set_layout_engine("none")
    return figure


_METADATA: Mapping[str, Mapping[str, None]] = MappingProxyType(
    {"pdf": {"CreationDate": None}, "png": {"Software": None}, "svg": {"Date": None}}
)
"""What would make the bytes differ from day to day or between versions."""


def rendered(figure: Figure, form: str) -> bytes:
    """A figure as the bytes of a file of one of :data:`FORMATS`, with no date in it."""
    drawn = io.BytesIO()
    with style():
        metadata = dict(_METADATA[form])
        figure.savefig(drawn, format=form, dpi=DOTS_PER_INCH, metadata=metadata)
    return drawn.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as its suffix says, whole or not at all.

    Raises:
        StoreError: the folder cannot be written.
    """
    return write_whole(path, rendered(figure, path.suffix[1:]))


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
