"""A sweep as a table: a row per point, for the terminal and for Markdown.

The best point is chosen by validation; test metrics are told, and choose nothing.
"""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from orchestrator.config import MONITOR
from orchestrator.reporting.blocks import Block, Section, block_markdown, block_text
from orchestrator.reporting.looks import at_shared_seeds
from orchestrator.reporting.pareto import LABELS, cost_column, on_front
from orchestrator.reporting.points import (
    METRICS,
    at_value,
    exists,
    is_same,
    mean_over_seeds,
    metric_text,
    newest_runs,
    num_failed,
    short_names,
    tried,
    value_text,
)
from orchestrator.tracking.runs import COLUMNS, SweepInfo

HALF = " ±"
"""Ending of a column that holds half the 95 % t interval of the column before it."""
BEST = "*"


def sweep_table(
    runs: pd.DataFrame, info: SweepInfo, metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """A row per point, in the order of the factors' values, the base point first.

    Args:
        runs: the sweep's runs, as :meth:`Tracker.runs_frame` gives them.
        info: the sweep.
        metrics: test metrics to tell.

    Returns:
        The swept keys, ``seeds`` (finished), ``val/ndcg@10``, of a search for a second thing its
        mean too, each metric and its half interval (``test/recall@20 ±``), ``failed``, ``stopped``
        and ``is_best``: the highest mean ``val/ndcg@10`` of the points with the most finished
        seeds, or those of them that are on the front.
    """
    newest = newest_runs(runs, info)
    sought = [COLUMNS[objective] for objective in info.objectives]
    points = _points(newest, info)
    of_points = [at_point(newest, point) for point in points]
    rows = [_row(own, point, sought, metrics) for own, point in zip(of_points, points, strict=True)]
    halves = [name for metric in metrics for name in (metric, metric + HALF)]
    columns = [*info.factors, "seeds", *sought, *halves, "failed", "stopped"]
    table = pd.DataFrame(rows, columns=columns)
    compared = table
    if info.looks > 1:  # a point that was settled early has fewer seeds, and may be the best
        means = [mean_over_seeds(own, MONITOR) for own in at_shared_seeds(newest, of_points)]
        compared = table.assign(seeds=[len(own.seeds) for own in means])
        compared[MONITOR] = [own.mean for own in means]
    return table.assign(is_best=_is_best(compared, cost_column(info)))


def at_point(runs: pd.DataFrame, point: dict[str, Any]) -> pd.DataFrame:
    """The runs of a point."""
    for key, value in point.items():
        runs = at_value(runs, key, value)
    return runs


def as_text(table: pd.DataFrame, info: SweepInfo) -> str:
    """The table for a terminal."""
    return "\n".join([_title(info), "", block_text(_block(table, info)), "", *_notes(table, info)])


def as_markdown(table: pd.DataFrame, info: SweepInfo) -> str:
    """The table for a report or a page."""
    block = block_markdown(_block(table, info, star=_escaped(BEST)))
    return "\n".join([f"**{_title(info)}**", "", block, "", *map(_escaped, _notes(table, info))])


def _block(table: pd.DataFrame, info: SweepInfo, *, star: str = BEST) -> Block:
    header, *rows = _cells(table, info)
    starred = ((star if row[0] == BEST else "", *row[1:]) for row in rows)
    return Block(header=tuple(header), sections=(Section(rows=tuple(starred)),))


def _points(runs: pd.DataFrame, info: SweepInfo) -> list[dict[str, Any]]:
    """Distinct assignments of the swept keys: base first, then by factor and value."""
    points: list[dict[str, Any]] = []
    if set(info.factors) <= set(runs.columns):
        for values in zip(*(runs[key].tolist() for key in info.factors), strict=True):
            point = dict(zip(info.factors, values, strict=True))
            if not any(_is_same_point(point, other) for other in points):
                points.append(point)
    order = {key: tried(runs, info, key) for key in info.factors}

    def rank(point: dict[str, Any]) -> list[tuple[bool, int]]:
        """Points that leave the base at a later factor come later."""
        return [
            (not is_same(point[key], info.base.get(key)), _index(values, point[key]))
            for key, values in reversed(order.items())
        ]

    return sorted(points, key=rank)


def _index(values: Sequence[Any], value: object) -> int:
    return next(index for index, other in enumerate(values) if is_same(value, other))


def _is_same_point(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(is_same(one[key], other[key]) for key in one)


def _row(
    runs: pd.DataFrame, point: dict[str, Any], sought: Sequence[str], metrics: Sequence[str]
) -> dict[str, Any]:
    row = {**point, "seeds": len(mean_over_seeds(runs, MONITOR).seeds)}
    row |= {name: mean_over_seeds(runs, name).mean for name in sought}
    for metric in metrics:
        over = mean_over_seeds(runs, metric)
        row |= {metric: over.mean, metric + HALF: over.half}
    return {**row, "failed": num_failed(runs), "stopped": int((runs["status"] == "stopped").sum())}


def _is_best(table: pd.DataFrame, cost: str | None) -> "pd.Series[bool]":
    """At most one point, or a front; one with fewer seeds than another is not compared with it."""
    if cost:
        whole = table[table["seeds"] == table["seeds"].max()]
        front = pd.Series(on_front(whole[MONITOR], whole[cost]), index=whole.index, dtype=bool)
        return front.reindex(table.index, fill_value=False)
    complete = table.loc[table["seeds"] == table["seeds"].max(), MONITOR].dropna()
    best = complete.idxmax() if len(complete) else None
    return pd.Series([index == best for index in table.index], index=table.index, dtype=bool)


def _cells(table: pd.DataFrame, info: SweepInfo) -> list[list[str]]:
    """Header and rows as text; columns that say nothing are left out."""
    names = short_names(info.factors)
    metrics = [name for name in table.columns if name + HALF in table.columns]
    counts = [name for name in ("failed", "stopped") if table[name].any()]
    cost = cost_column(info)
    header = ["", *names.values(), "seeds", f"val {metric_text(MONITOR)}"]
    header += [info.objectives[1]] if cost else []
    header += [f"test {metric_text(metric)}" for metric in metrics] + counts
    rows = [
        [
            BEST if row["is_best"] else "",
            *(value_text(row[key]) if exists(info, key, row) else "-" for key in info.factors),
            str(row["seeds"]),
            _figure(row[MONITOR]),
            *([_cost(row[cost])] if cost else []),
            *(_figure(row[metric], row[metric + HALF]) for metric in metrics),
            *(str(row[name]) for name in counts),
        ]
        for row in table.to_dict("records")
    ]
    return [header, *rows]


def _figure(mean: float, half: float = math.nan) -> str:
    if math.isnan(mean):
        return "-"
    return f"{mean:.4f}" if math.isnan(half) else f"{mean:.4f}{HALF} {half:.4f}"


def _cost(mean: float) -> str:
    return "-" if math.isnan(mean) else value_text(mean)


def _title(info: SweepInfo) -> str:
    origin = " (synthetic data)" if info.synthetic else ""
    return f"{info.name}: {info.shown_model}, {info.space}, on {info.dataset}{origin}"


def _notes(table: pd.DataFrame, info: SweepInfo) -> list[str]:
    if not table["seeds"].any():
        return ["No run has finished."]
    monitor = f"validation {metric_text(MONITOR)}"
    over = ", over the seeds that all points have" if info.looks > 1 else ""
    notes = [f"{BEST} best by mean {monitor}{over}; test metrics choose nothing."]
    cost = cost_column(info)
    if cost:
        front = f"on the front of mean {monitor} and {LABELS[cost]}, where nothing beats it in both"
        notes = [f"{BEST} {front}; test metrics choose nothing."]
    if table["seeds"].max() > 1:
        notes.append(f"{HALF.strip()} half of the 95 % t interval over seeds.")
    return notes


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace(BEST, f"\\{BEST}")
