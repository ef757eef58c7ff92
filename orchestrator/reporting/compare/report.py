"""A comparison's runs -> tables on screen, Markdown, CSV, LaTeX and a bar plot."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from orchestrator.reporting.bars import bars
from orchestrator.reporting.blocks import Block, block_markdown, block_text, filled
from orchestrator.reporting.compare.frame import (
    METRICS,
    Groups,
    compared_runs,
    comparison_frame,
    cost_frame,
    gains_of,
    metrics_of,
    pairs_frame,
    with_groups,
)
from orchestrator.reporting.compare.notes import counts, notes
from orchestrator.reporting.compare.tables import (
    Compared,
    cost_block,
    group_block,
    model_block,
    pair_block,
    paper_block,
)
from orchestrator.reporting.latex import as_latex
from orchestrator.reporting.numbers import model_text
from orchestrator.reporting.paired import Ranks
from orchestrator.reporting.published import comparison_source
from orchestrator.reporting.report import Report
from orchestrator.reporting.style import save, write_whole
from orchestrator.tracking.runs import SweepInfo

BOUND = 0.02
"""Part of a mean that does not matter, where the comparison says no other."""


def compared(
    runs: pd.DataFrame,
    info: SweepInfo,
    *,
    ranks: Ranks,
    groups: Groups | None = None,
    metrics: Sequence[str] | None = None,
) -> Compared:
    """All numbers of a comparison.

    Args:
        runs: as :meth:`Tracker.runs_frame` gives them, with columns ``variant`` and ``phase``.
        info: the comparison.
        ranks: run id -> rank of each user's test target, in one order of users for all runs.
        groups: test users by the popularity of their targets, in the same order.
        metrics: columns of ``runs``; None takes a paper's on the data set, or the usual.
    """
    own = compared_runs(runs, info)
    chosen = tuple(metrics or metrics_of(own, info) or METRICS)
    whole = with_groups(own, ranks, groups or {})
    frame = comparison_frame(whole, info, chosen)
    bound = BOUND if info.bound is None else info.bound
    pairs = pairs_frame(own, info, chosen, ranks=ranks, bound=bound)
    costs = cost_frame(own, runs, info)
    gains = gains_of(frame, pairs, info)
    return Compared(info=info, frame=frame, pairs=pairs, costs=costs, gains=gains)


def report_comparison(
    runs: pd.DataFrame, info: SweepInfo, *, ranks: Ranks, groups: Groups, folder: Path
) -> Report:
    """Compare models, and write what is to be read of it; see :func:`compared`.

    Raises:
        StoreError: the folder cannot be written.
    """
    of = compared(runs, info, ranks=ranks, groups=groups)
    told = notes(of, bound=BOUND if info.bound is None else info.bound)
    blocks = [model_block(of), *_asides(of)]
    head = title(info)
    markdown = "\n\n".join([f"**{head}**", *map(block_markdown, blocks), "\n".join(told)])
    return Report(
        table=comparison_table(of),
        text="\n\n".join([head, *map(block_text, blocks), filled(told)]),
        markdown=markdown,
        files=_write(of, markdown, folder, told=told),
    )


def title(info: SweepInfo) -> str:
    """What the tables and figures are about."""
    origin = " (synthetic data)" if info.synthetic else ""
    return f"{info.name}: {len(info.variants)} models on {info.dataset}{origin}"


def comparison_table(of: Compared) -> pd.DataFrame:
    """A row per model: its costs, and of each metric mean, interval, place and paper's number."""
    parts = [of.costs.set_index("model")]
    for (metric, group), rows in of.frame.groupby(["metric", "group"], sort=False):
        name = f"{metric}/{group}".rstrip("/")
        figures = rows.set_index("model")[["mean", "low", "high", "place", "published"]]
        parts.append(figures.add_prefix(f"{name} ").rename(columns={f"{name} mean": name}))
    return pd.concat(parts, axis=1).dropna(axis=1, how="all").reset_index()


def _asides(of: Compared) -> list[Block]:
    blocks = [pair_block(of), group_block(of), cost_block(of)]
    return [block for block in blocks if block is not None]


def _write(of: Compared, markdown: str, folder: Path, *, told: Sequence[str]) -> tuple[Path, ...]:
    stem = f"comparison-{of.info.dataset}"
    caption = " ".join([f"{title(of.info)}.", *told])
    latex = as_latex([paper_block([of]), *_asides(of)], caption=caption, label=f"tab:{stem}")
    content = {
        f"{stem}.csv": _csv(of.frame.assign(by_seed=[_joined(v) for v in of.frame["by_seed"]])),
        f"{stem}-pairs.csv": _csv(of.pairs.drop(columns="pairs")),
        f"{stem}-costs.csv": _csv(of.costs),
        f"{stem}.md": f"{markdown}\n",
        f"{stem}.tex": latex,
    }
    written = [write_whole(folder / name, text.encode()) for name, text in content.items()]
    return (*_draw(of, folder / f"{stem}-bars"), *written)


def _csv(frame: pd.DataFrame) -> str:
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _joined(values: Sequence[float]) -> str:
    return " ".join(map(str, values))


def _draw(of: Compared, stem: Path) -> list[Path]:
    shown = of.frame[of.frame["group"] == ""].assign(role="component", phase="fixed")
    figure = bars(
        shown.assign(variant=[model_text(model) for model in shown["model"]]),
        title=title(of.info),
        notes=[counts(of)],
        source=comparison_source(of.info.dataset),
    )
    return [save(figure, stem.with_name(f"{stem.name}{end}")) for end in (".pdf", ".png")]
