"""A sweep's runs -> its figure, its table, and the note that its parent run carries."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from orchestrator.reporting.points import FINISHED, metric_text
from orchestrator.reporting.published import published
from orchestrator.reporting.search.report import report_search
from orchestrator.reporting.sensitivity import METRICS, sensitivity, sensitivity_frame, write_figure
from orchestrator.reporting.tables import as_markdown, as_text, sweep_table
from orchestrator.reporting.verdicts import sweep_verdicts
from orchestrator.tracking.runs import SweepInfo


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was made of a sweep's runs."""

    table: pd.DataFrame
    text: str
    """The table for a terminal."""
    markdown: str
    """The table for the parent run's description."""
    files: tuple[Path, ...]
    """PDF and PNG of the figure, and CSV of the numbers behind it; none where no run finished."""
    verdicts: tuple[str, ...] = ()
    """What it found, with intervals: a sentence each."""


def report_sweep(
    runs: pd.DataFrame,
    info: SweepInfo,
    *,
    folder: Path,
    ceiling: Mapping[str, float] | None = None,
) -> Report:
    """Draw a sweep's figure into a folder and make its table.

    Args:
        runs: the sweep's runs, as :meth:`Tracker.runs_frame` gives them.
        info: the sweep.
        folder: where the files go, named after the space.
        ceiling: metric -> the best any ranking can do, where that is known.

    Raises:
        StoreError: the folder cannot be written.
    """
    table = sweep_table(runs, info)
    files: tuple[Path, ...] = ()
    told: tuple[str, ...] = ()
    if (runs["status"] == FINISHED).any():
        files = _draw(runs, info, folder, ceiling)
        if info.kind == "joint":
            found, told = report_search(runs, info, folder=folder)
            files += found
    return Report(
        table=table,
        text="\n".join([as_text(table, info) + _ceiling_note(ceiling), *told]),
        markdown="\n".join([as_markdown(table, info) + _ceiling_note(ceiling), *told]),
        files=files,
        verdicts=(*sweep_verdicts(runs, info), *told),
    )


def _draw(
    runs: pd.DataFrame, info: SweepInfo, folder: Path, ceiling: Mapping[str, float] | None
) -> tuple[Path, ...]:
    """The sensitivity figure; its numbers say what the best possible ranking reaches, if known."""
    frame = sensitivity_frame(runs, info)
    figure = sensitivity(frame, info, ceiling=ceiling, published=published_figures(info))
    numbers = frame if ceiling is None else frame.assign(ceiling=frame["metric"].map(ceiling))
    pdf, png = write_figure(figure, folder / f"{info.shown_model}-{info.space}", numbers)
    return pdf, png, pdf.with_suffix(".csv")


def _ceiling_note(ceiling: Mapping[str, float] | None) -> str:
    """What the best possible ranking reaches, as a last line; nothing where nobody knows."""
    if ceiling is None:
        return ""
    told = ", ".join(f"{metric_text(metric)} {ceiling[metric]:.4f}" for metric in METRICS)
    return f"\nBest possible ranking on the test split: {told}."


def published_figures(info: SweepInfo) -> dict[str, float] | None:
    """What the TAME paper's Table II prints for this model on this very data set, if it does."""
    rows = published(paper="tame", table="II", variant="base")
    rows = rows[(rows["dataset"] == info.dataset) & (rows["model"] == info.model)]
    values = dict(zip(rows["metric"], rows["value"], strict=True))
    found = {metric: values.get(metric.removeprefix("test/")) for metric in METRICS}
    return {metric: float(value) for metric, value in found.items() if value is not None} or None
