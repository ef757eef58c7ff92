"""A report's files as figures of the page, each with the numbers behind it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from orchestrator.reporting.page.parts import Download, Grid, Part, Picture
from orchestrator.reporting.style import DOTS_PER_INCH
from orchestrator.tracking.runs import SweepInfo

ROWS = 60
"""Of a figure's numbers that are shown; the file beside it has all."""
_TYPES = {".csv": "text/csv", ".tex": "text/x-tex"}
_TITLES = {
    "forest": "Differences to the base, with intervals",
    "bars": "Means of the variants, with intervals",
    "pairs": "Interactions of pairs, with intervals",
    "path": "Path from the base to the best point",
    "front": "Trade-off of the metric and its price",
    "history": "Validation metric, trial by trial",
    "slices": "Validation metric against each setting",
    "importance": "Importance of the settings, with intervals",
    "contours": "Validation metric over the most important pairs",
    "convergence": "Convergence",
    "gradients": "Gradients of the parts",
    "clusters": "Clusters of the items",
    "recall": "Recall views",
    "unimodal": "Ranking by one modality",
    "cold": "Gains by how much is known of a user",
    "attention": "What the queries read",
}


def pictures(files: Sequence[Path], info: SweepInfo) -> Part:
    """The PNGs among the files, in their order; numbers of no one figure can be saved.

    Args:
        files: that a report wrote.
        info: the study.
    """
    drawn = [path for path in files if path.suffix == ".png"]
    told = {path.stem for path in drawn}
    others = [path for path in files if path.suffix in _TYPES]
    own = {path.stem: path for path in others if path.suffix == ".csv" and path.stem in told}
    rest = [path for path in others if path not in own.values()]
    return Part(
        title="Figures",
        sentences=() if drawn else ("There is nothing to draw.",),
        pictures=tuple(_picture(path, own.get(path.stem), info) for path in drawn),
        downloads=tuple(map(_download, rest)),
    )


def _picture(path: Path, numbers: Path | None, info: SweepInfo) -> Picture:
    origin = " (synthetic data)" if info.synthetic else ""
    title = _title(path.stem, info)
    below = "; its numbers are in the table below it" if numbers else ""
    return Picture(
        title=title,
        alt=f"Figure: {title[0].lower()}{title[1:]}, {info.model} on {info.dataset}{origin}{below}",
        png=path.read_bytes(),
        dots_per_inch=DOTS_PER_INCH,
        numbers=_grid(numbers, title) if numbers else None,
        download=_download(numbers) if numbers else None,
    )


def _title(stem: str, info: SweepInfo) -> str:
    what = stem.removeprefix(f"{info.model}-").removesuffix(f"-{info.dataset}")
    name = what.rpartition("-")[2]
    if name in _TITLES:
        return _TITLES[name]
    if what == info.space and info.factors:
        return "Test metrics against each varied setting"
    return what.replace("-", " ").replace("_", " ").capitalize() or stem


def _download(path: Path) -> Download:
    return Download(name=path.name, media_type=_TYPES[path.suffix], content=path.read_bytes())


def _grid(path: Path, title: str) -> Grid:
    header, *rows = csv.reader(io.StringIO(path.read_text()))
    shown = tuple(tuple(map(_short, row)) for row in rows[:ROWS])
    of = f" (the first {ROWS} of {len(rows):,} rows)" if len(rows) > ROWS else ""
    caption = f"Numbers behind “{title}”{of}"
    return Grid(caption=caption, header=tuple(header), rows=shown, is_long=True)


def _short(cell: str) -> str:
    """A number without the digits that nobody reads."""
    try:
        return f"{float(cell):.6g}" if "." in cell else cell
    except ValueError:
        return cell
