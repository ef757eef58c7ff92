"""An ablation's runs -> tables on screen, CSV, LaTeX, forest plot and bar plot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.reporting.ablation_notes import counts, notes
from orchestrator.reporting.ablation_tables import ablation_blocks, ablation_table
from orchestrator.reporting.bars import bars
from orchestrator.reporting.comparison import BOUND, ablation_frame
from orchestrator.reporting.forest import forest
from orchestrator.reporting.paired import Ranks
from orchestrator.reporting.published import ablation_source
from orchestrator.reporting.report import Report
from orchestrator.reporting.style import save, write_whole
from orchestrator.reporting.table import Table
from orchestrator.reporting.verdicts import ablation_verdicts
from orchestrator.tracking.runs import SweepInfo


def report_ablation(
    runs: pd.DataFrame,
    info: SweepInfo,
    *,
    ranks: Ranks,
    folder: Path,
    bound: float = BOUND,
    metrics: Sequence[str] | None = None,
) -> Report:
    """Compare an ablation's variants with its base, and write what is to be read of it.

    Args:
        runs: as :meth:`Tracker.runs_frame` gives them, with columns ``variant`` and ``phase``.
        info: the ablation.
        ranks: run id -> rank of each user's test target, in one order of users for all runs.
        folder: where the files go, named after the model and the data set.
        bound: part of the base's mean below which a difference does not matter.
        metrics: columns of ``runs``; None takes those of the ablation in the model's paper.

    Raises:
        StoreError: the folder cannot be written.
    """
    frame = ablation_frame(runs, info, ranks=ranks, bound=bound, metrics=metrics)
    table = ablation_in_forms(frame, info, bound=bound)
    return Report(
        table=ablation_table(frame),
        text=table.text(),
        markdown=table.markdown(),
        files=(
            *(_draw(frame, info, folder / table.label, bound=bound) if _has_runs(frame) else ()),
            write_whole(folder / f"{table.label}.csv", table.csv().encode()),
            write_whole(folder / f"{table.label}.tex", table.latex().encode()),
        ),
        verdicts=ablation_verdicts(frame),
    )


def _has_runs(frame: pd.DataFrame) -> bool:
    """Whether there is anything to be seen in a figure."""
    return bool(frame["seeds"].any())


def ablation_in_forms(frame: pd.DataFrame, info: SweepInfo, *, bound: float) -> Table:
    """An ablation's table.

    Args:
        frame: what :func:`~orchestrator.reporting.comparison.ablation_frame` gave.
        info: the ablation.
        bound: part of the base's mean below which a difference does not matter.
    """
    told = notes(frame, info, bound=bound)
    return Table(
        title=title(info),
        label=f"{info.shown_model}-ablation-{info.dataset}",
        blocks=ablation_blocks(frame, info),
        pages=ablation_blocks(frame, info, is_wide=True),
        notes=told,
        page_notes=told,
        frame=frame.assign(by_seed=[" ".join(map(str, values)) for values in frame["by_seed"]]),
    )


def title(info: SweepInfo) -> str:
    """What the tables and figures are about."""
    origin = " (synthetic data)" if info.synthetic else ""
    return f"{info.name}: {info.shown_model}, ablation, on {info.dataset}{origin}"


def _draw(frame: pd.DataFrame, info: SweepInfo, stem: Path, *, bound: float) -> list[Path]:
    """Forest plot, bar plot, and forest plot of the interactions where there are any."""
    told = counts(frame)
    options: dict[str, Any] = {
        "bound": bound,
        "notes": [*told, f"Band: ±{100 * bound:g} % of the base's mean."],
    }
    variants = frame[frame["role"].isin(["component", "control"])]
    crossed = frame[frame["role"] == "interaction"]
    figures = {
        "forest": forest(variants, info, title=title(info), **options),
        "bars": bars(frame, title=title(info), notes=told, source=ablation_source(info.model)),
    }
    if len(crossed):
        head = f"{title(info)}: interactions of pairs"
        figures["pairs"] = forest(crossed, info, title=head, **options)
    return [
        save(figure, stem.with_name(f"{stem.name}-{name}{end}"))
        for name, figure in figures.items()
        for end in (".pdf", ".png")
    ]
