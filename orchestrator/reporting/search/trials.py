"""A joint search's runs as trials: a row per point, in the order in which they were begun."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from orchestrator.config import JSON, MONITOR
from orchestrator.reporting.points import FAILED, exists, newest_runs
from orchestrator.tracking.runs import COLUMNS, SweepInfo

FINISHED, STOPPED, UNFINISHED = "finished", "stopped", "failed"
"""States of a trial: every seed finished, ended early by a scheduler, neither."""


def trials_frame(runs: pd.DataFrame, info: SweepInfo) -> pd.DataFrame:
    """A row per trial, the first begun first.

    Args:
        runs: the sweep's runs, as :meth:`Tracker.runs_frame` gives them.
        info: the sweep.

    Returns:
        ``trial`` (from 1), ``state``, the mean over seeds of each objective by its column (NaN
        unless finished), ``best`` (the highest validation NDCG@10 so far), and the swept keys
        (None where a factor does not exist).
    """
    columns = [COLUMNS[objective] for objective in info.objectives]
    rows = []
    if set(info.factors) <= set(runs.columns):
        kept = newest_runs(runs, info).sort_index()
        rows = [_row(group, info, columns) for _, group in _points(kept, info)]
    frame = pd.DataFrame(rows, columns=["state", *columns, *info.factors], dtype=object)
    frame = frame.astype(dict.fromkeys(columns, float))
    best = frame[MONITOR].cummax().ffill()
    frame.insert(0, "trial", range(1, len(frame) + 1))
    frame.insert(2 + len(columns), "best", best)
    return frame


def _points(runs: pd.DataFrame, info: SweepInfo) -> Any:  # noqa: ANN401 - pandas' groups
    values = runs[list(info.factors)].to_dict("records")
    names = [repr([(key, _own(row, info, key)) for key in info.factors]) for row in values]
    return runs.groupby(pd.Series(names, index=runs.index, dtype=object), sort=False)


def _own(row: Mapping[Any, Any], info: SweepInfo, key: str) -> Any:  # noqa: ANN401 - a setting
    return row[key] if exists(info, key, row) else None


def _row(runs: pd.DataFrame, info: SweepInfo, columns: list[str]) -> dict[str, Any]:
    first = runs.iloc[0].to_dict()
    point = {key: _own(first, info, key) for key in info.factors}
    finished = runs[runs["status"] == FINISHED]
    state = STOPPED if (runs["status"] == STOPPED).any() else UNFINISHED
    if set(info.seeds) <= set(finished["seed"]):
        state = FINISHED
    if runs["status"].isin(FAILED).any():
        state = UNFINISHED
    means = {name: finished[name].mean() for name in columns if name in finished}
    worth = {name: means.get(name, math.nan) if state == FINISHED else math.nan for name in columns}
    return {"state": state, **worth, **point}


def domains(trials: pd.DataFrame, info: SweepInfo) -> dict[str, JSON]:
    """Swept key -> its domain; of a sweep of before domains were told, what its trials show."""
    return {key: dict(info.domains.get(key) or _seen(trials, info, key)) for key in info.factors}


def _seen(trials: pd.DataFrame, info: SweepInfo, key: str) -> JSON:
    values = trials[key].dropna().tolist()
    if info.factors[key] or not values:
        return {"choices": info.factors[key]}
    low, high = min(values), max(values)
    return {"low": low, "high": high, "log": low > 0 and high > 10 * low}


def best_point(runs: pd.DataFrame, info: SweepInfo) -> dict[str, Any] | None:
    """The point of the trial with the highest mean validation NDCG@10; None where none finished.

    It has the factors that exist there.
    """
    trials = trials_frame(runs, info)
    finished = trials[trials["state"] == FINISHED].to_dict("records")
    if not finished:
        return None
    best = max(finished, key=lambda row: row[MONITOR])
    return {key: best[key] for key in info.factors if exists(info, key, best)}
