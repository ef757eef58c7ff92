"""A sweep's runs as points: the runs that share every swept value and differ in the seed."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.evaluation.significance import interval
from orchestrator.tracking.runs import SweepInfo

FINISHED = "finished"
RUNNING = "running"
FAILED = ("failed", "killed")
"""Status of runs that ended without an outcome; ``stopped`` ones ended early on purpose."""

METRICS = ("test/recall@20", "test/ndcg@20")
"""What sweeps' figures and tables tell: the left and the right axis."""
_METRICS = {"recall": "Recall", "ndcg": "NDCG", "hit": "Hit", "mrr": "MRR"}


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
    settled = runs[runs["status"] != RUNNING]
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
    """Runs that ended without an outcome."""
    return int(runs["status"].isin(FAILED).sum())


def at_value(runs: pd.DataFrame, key: str, value: object) -> pd.DataFrame:
    """The runs with a setting at a value; 1 is not True."""
    if key not in runs:
        return runs.iloc[:0]
    return runs.loc[np.array([is_same(other, value) for other in runs[key].tolist()], dtype=bool)]


def exists(info: SweepInfo, key: str, point: Mapping[Any, Any]) -> bool:
    """Whether a factor exists in a point, by the conditions of it and of those that it names."""
    when = info.domains.get(key, {}).get("when", {})
    return all(
        exists(info, other, point) and any(is_same(point.get(other), one) for one in values)
        for other, values in when.items()
    )


def is_same(one: object, other: object) -> bool:
    """Whether two settings are equal; 1 is not True."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def is_number(value: object) -> bool:
    """Whether the value has a place on a scale; truth values have none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once: numbers by size, others by first appearance."""
    kept: list[Any] = []
    for value in values:
        if not any(is_same(value, other) for other in kept):
            kept.append(value)
    return sorted(kept) if all(map(is_number, kept)) else kept


def tried(runs: pd.DataFrame, info: SweepInfo, factor: str) -> list[Any]:
    """A factor's values in the order to show them: those meant to be tried and those that were."""
    ran = runs[factor].tolist() if factor in runs else []
    return distinct([*info.factors[factor], *ran])


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Dotted key -> its last part in words, or the whole key where two end alike."""
    keys = list(keys)
    last = [key.rpartition(".")[2] for key in keys]
    return {
        key: key if last.count(name) > 1 else name.replace("_", " ")
        for key, name in zip(keys, last, strict=True)
    }


def value_text(value: object) -> str:
    """A setting as figures and tables show it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        # Counts come as floats out of frames: 1,024 is not 1.02e+03.
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e6 else f"{value:.3g}"
    if isinstance(value, tuple):
        return ", ".join(map(value_text, value))
    return str(value)


def metric_text(metric: str) -> str:
    """A metric as figures and tables show it: ``test/ndcg@20`` is ``NDCG@20``."""
    name, at, cutoff = metric.rpartition("/")[2].partition("@")
    return f"{_METRICS.get(name, name)}{at}{cutoff}"
