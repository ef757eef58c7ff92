"""A comparison's runs -> tables on screen, Markdown, CSV, LaTeX and a bar plot."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from orchestrator.reporting.bars import bars
from orchestrator.reporting.blocks import Block
from orchestrator.reporting.compare.frame import (
    METRICS,
    Gain,
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
    FINDINGS,
    Compared,
    cost_block,
    group_block,
    model_block,
    pair_block,
    paper_block,
)
from orchestrator.reporting.numbers import model_text
from orchestrator.reporting.paired import Ranks
from orchestrator.reporting.points import metric_text
from orchestrator.reporting.published import comparison_source
from orchestrator.reporting.report import Report
from orchestrator.reporting.style import save, write_whole
from orchestrator.reporting.table import Table
from orchestrator.tracking.runs import SweepInfo

BOUND = 0.02
"""Part of a mean that does not matter, where the comparison says no other."""
COLUMNS = 8
"""Models that have room beside each other on a page."""


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
    table = comparison_in_forms([of], with_asides=True)
    return Report(
        table=comparison_table(of),
        text=table.text(),
        markdown=table.markdown(),
        files=(*_draw(of, folder / f"{table.label}-bars"), *_write(of, table, folder)),
        verdicts=tuple(_verdict(metric, gain) for metric, gain in of.gains.items()),
    )


def _verdict(metric: str, gain: Gain) -> str:
    return (
        f"{metric_text(metric)}: {model_text(gain.leader)} {gain.percent:+.1f} % over "
        f"{model_text(gain.rival)}: {FINDINGS[gain.finding]}."
    )


def comparison_in_forms(
    every: Sequence[Compared],
    *,
    with_asides: bool,
    has_intervals: bool = False,
) -> Table:
    """A comparison's table, or that of comparisons of the same models on several data sets.

    Args:
        every: a comparison per data set.
        with_asides: also tests against the leading model, groups of users, and costs.
        has_intervals: show intervals in the papers' form too.
    """
    asides = [block for of in every for block in _asides(of)] if with_asides else []
    in_full = [model_block(of) for of in every]
    page = paper_block(every, has_intervals=has_intervals)
    told, pages = (
        _notes(every, with_asides=with_asides, is_plain=is_plain) for is_plain in (True, False)
    )
    return Table(
        title=_titles(every) if len(every) > 1 else title(every[0].info),
        label=f"comparison-{'-'.join(of.info.dataset for of in every)}",
        blocks=[*in_full, *asides],
        pages=[*(in_full if len(every[0].models) > COLUMNS else [page]), *asides],
        notes=told,
        page_notes=pages,
        frame=pd.concat([_numbers(of) for of in every], ignore_index=True),
    )


def _notes(every: Sequence[Compared], *, with_asides: bool, is_plain: bool) -> list[str]:
    """What is to be told, once where it is the same of all data sets."""
    told = []
    for of in every:
        bound = BOUND if of.info.bound is None else of.info.bound
        first, *rest = notes(of, bound=bound, with_asides=with_asides, is_plain=is_plain)
        told += [first if len(every) == 1 else f"{of.info.dataset}: {first}", *rest]
    return list(dict.fromkeys(told))


def _titles(every: Sequence[Compared]) -> str:
    names = ", ".join(of.info.dataset for of in every)
    return f"{len(every[0].models)} models on {names}"


def _numbers(of: Compared) -> pd.DataFrame:
    joined = [" ".join(map(str, values)) for values in of.frame["by_seed"]]
    head = of.frame.assign(by_seed=joined)
    head.insert(0, "dataset", of.info.dataset)
    return head


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


def _write(of: Compared, table: Table, folder: Path) -> tuple[Path, ...]:
    content = {
        ".csv": table.csv(),
        "-pairs.csv": _csv(of.pairs.drop(columns="pairs")),
        "-costs.csv": _csv(of.costs),
        ".md": f"{table.markdown()}\n",
        ".tex": table.latex(),
    }
    return tuple(
        write_whole(folder / f"{table.label}{end}", text.encode()) for end, text in content.items()
    )


def _csv(frame: pd.DataFrame) -> str:
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _draw(of: Compared, stem: Path) -> list[Path]:
    shown = of.frame[of.frame["group"] == ""].assign(role="component", phase="fixed")
    figure = bars(
        shown.assign(variant=[model_text(model) for model in shown["model"]]),
        title=title(of.info),
        notes=[counts(of)],
        source=comparison_source(of.info.dataset),
    )
    return [save(figure, stem.with_name(f"{stem.name}{end}")) for end in (".pdf", ".png")]
