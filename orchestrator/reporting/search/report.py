"""A joint search -> its figures, the numbers behind each, and what cannot be drawn."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from orchestrator.reporting.pareto import cost_column
from orchestrator.reporting.points import short_names
from orchestrator.reporting.search.contours import draw_contours, surfaces_frame
from orchestrator.reporting.search.front import draw_front, front_frame
from orchestrator.reporting.search.history import draw_history
from orchestrator.reporting.search.importance import draw_importance, importance_frame, too_few
from orchestrator.reporting.search.slices import draw_slices
from orchestrator.reporting.search.trials import FINISHED, trials_frame
from orchestrator.reporting.sensitivity import write_figure
from orchestrator.tracking.runs import SweepInfo


def report_search(
    runs: pd.DataFrame, info: SweepInfo, *, folder: Path
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Draw what a joint search tells, into a folder.

    Args:
        runs: the sweep's runs, as :meth:`Tracker.runs_frame` gives them.
        info: the sweep.
        folder: where the files go, ``<model>-<space>-<figure>``.

    Returns:
        The files (PDF, PNG, CSV), and sentences on what they say or why there are none.

    Raises:
        StoreError: the folder cannot be written.
    """
    trials = trials_frame(runs, info)
    if not (trials["state"] == FINISHED).any():
        return (), ()
    drawing = _Drawing(info, folder)
    if cost_column(info):
        front = front_frame(trials, info)
        drawing.add("front", "trade-off", front, lambda title: draw_front(front, info, title))
    drawing.add("history", "history", trials, lambda title: draw_history(trials, title))
    drawing.add("slices", "slices", trials, lambda title: draw_slices(trials, info, title))
    reason = too_few(trials, info)
    if reason:
        return tuple(drawing.files), (reason,)
    shares = importance_frame(trials, info)
    drawing.add(
        "importance", "importance", shares, lambda title: draw_importance(shares, info, title)
    )
    surfaces = surfaces_frame(trials, info, shares["factor"].tolist())
    if len(surfaces):
        drawing.add(
            "contours",
            "most important pairs",
            surfaces,
            lambda title: draw_contours(surfaces, trials, info, title),
        )
    return tuple(drawing.files), (_told(shares, info),)


class _Drawing:
    """Figures of one search."""

    def __init__(self, info: SweepInfo, folder: Path) -> None:
        self._info = info
        self._folder = folder
        self.files: list[Path] = []

    def add(self, name: str, what: str, frame: pd.DataFrame, draw: Callable[[str], Figure]) -> None:
        info = self._info
        origin = " (synthetic data)" if info.synthetic else ""
        title = f"{info.shown_model}, {info.space}, on {info.dataset}{origin}: {what}"
        stem = self._folder / f"{info.shown_model}-{info.space}-{name}"
        pdf, png = write_figure(draw(title), stem, frame)
        self.files += [pdf, png, pdf.with_suffix(".csv")]


def _told(shares: pd.DataFrame, info: SweepInfo) -> str:
    """The shares as a sentence."""
    names = short_names(info.factors)
    parts = [
        f"{names[str(row.factor)]} {row.importance:.2f} [{row.low:.2f}, {row.high:.2f}]"
        for row in shares.itertuples()
    ]
    return f"Importance for validation NDCG@10 (share, 95 % over trials): {', '.join(parts)}."
