"""An ablation's runs -> tables on screen, CSV, LaTeX, forest plot and bar plot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.reporting.ablation_notes import counts, notes
from orchestrator.reporting.ablation_tables import ablation_blocks, ablation_table
from orchestrator.reporting.bars import bars
from orchestrator.reporting.blocks import block_markdown, block_text, filled
from orchestrator.reporting.comparison import BOUND, Ranks, ablation_frame
from orchestrator.reporting.forest import forest
from orchestrator.reporting.latex import as_latex
from orchestrator.reporting.report import Report
from orchestrator.reporting.style import save, write_whole
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
    blocks, told = ablation_blocks(frame, info), notes(frame, info, bound=bound)
    head = title(info)
    return Report(
        table=ablation_table(frame),
        text="\n\n".join([head, *map(block_text, blocks), filled(told)]),
        markdown="\n\n".join([f"**{head}**", *map(block_markdown, blocks), "\n".join(told)]),
        files=_write(frame, info, folder, bound=bound, told=told),
    )


def title(info: SweepInfo) -> str:
    """What the tables and figures are about."""
    origin = " (synthetic data)" if info.synthetic else ""
    return f"{info.name}: {info.model}, ablation, on {info.dataset}{origin}"


def _write(
    frame: pd.DataFrame, info: SweepInfo, folder: Path, *, bound: float, told: Sequence[str]
) -> tuple[Path, ...]:
    stem = f"{info.model}-ablation-{info.dataset}"
    caption = " ".join([f"{title(info)}.", *told])
    wide = ablation_blocks(frame, info, is_wide=True)
    latex = as_latex(wide, caption=caption, label=f"tab:{stem}")
    numbers = frame.assign(by_seed=[" ".join(map(str, values)) for values in frame["by_seed"]])
    content = {".csv": numbers.to_csv(index=False, lineterminator="\n"), ".tex": latex}
    written = [write_whole(folder / f"{stem}{end}", text.encode()) for end, text in content.items()]
    if not frame["seeds"].any():  # there is nothing to be seen in a figure
        return tuple(written)
    return (*_draw(frame, info, folder / stem, bound=bound), *written)


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
        "bars": bars(frame, info, title=title(info), notes=told),
    }
    if len(crossed):
        head = f"{title(info)}: interactions of pairs"
        figures["pairs"] = forest(crossed, info, title=head, **options)
    return [
        save(figure, stem.with_name(f"{stem.name}-{name}{end}"))
        for name, figure in figures.items()
        for end in (".pdf", ".png")
    ]
