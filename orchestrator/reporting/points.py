"""A sweep's runs as points: the runs that share every swept value and differ in the seed."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from orchestrator.evaluation.significance import interval
from orchestrator.tracking.runs import SweepInfo

FINISHED = "finished"
GOING_ON = ("running",)
"""Status of runs that say nothing yet."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A metric over seeds; NaN where no run finished, and bounds NaN where one did."""

    mean: float
    low: float
    high: float
    seeds: tuple[int, ...]
    by_seed: tuple[float, ...]
    """The metric at each of ``seeds``."""

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


def newest_runs(runs: pd.DataFrame, info: SweepInfo) -> pd.DataFrame:
    """One run per point and seed, the newest: changed code runs a point again under another id."""
    keys = [key for key in info.factors if key in runs]
    settled = runs[~runs["status"].isin(GOING_ON)]
    return settled.drop_duplicates(subset=[*keys, "seed"], keep="last")


def mean_over_seeds(runs: pd.DataFrame, metric: str) -> Mean:
    """Mean and 95 % t interval over the seeds of finished runs; points of a seed are averaged."""
    finished = runs[runs["status"] == FINISHED]
    values = finished[metric] if metric in finished else pd.Series(math.nan, finished.index)
    by_seed = values.dropna().groupby(finished["seed"]).mean()
    if by_seed.empty:
        return Mean(mean=math.nan, low=math.nan, high=math.nan, seeds=(), by_seed=())
    bounds = interval(by_seed.tolist())
    return Mean(
        mean=bounds.mean,
        low=bounds.low,
        high=bounds.high,
        seeds=tuple(map(int, by_seed.index)),
        by_seed=tuple(by_seed.tolist()),
    )


def num_failed(runs: pd.DataFrame) -> int:
    """Runs without an outcome: failed, killed, or ended early."""
    return int((runs["status"] != FINISHED).sum())


def ordered(values: Sequence[Any]) -> list[Any]:
    """Distinct values, numbers by size and others by first appearance."""
    distinct: dict[Hashable, Any] = {(type(v) is bool, v): v for v in values}
    kept = list(distinct.values())
    if all(is_number(value) for value in kept):
        return sorted(kept)
    return kept


def is_number(value: object) -> bool:
    """Whether the value has a place on a scale; truth values have none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
