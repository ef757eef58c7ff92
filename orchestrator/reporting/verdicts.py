"""What a study found, in sentences with intervals: of a sweep, of an ablation, of a path."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from orchestrator.config import MONITOR
from orchestrator.evaluation.significance import over_seeds
from orchestrator.reporting.ablation_tables import percent, readable
from orchestrator.reporting.looks import for_looks
from orchestrator.reporting.points import (
    METRICS,
    Mean,
    at_value,
    exists,
    is_same,
    mean_over_seeds,
    metric_text,
    newest_runs,
    short_names,
    value_text,
)
from orchestrator.reporting.tables import at_point, sweep_table
from orchestrator.tracking.runs import SweepInfo

_VALIDATION = f"validation {metric_text(MONITOR)}"
_WORDS = {
    "helps": "what it takes away or replaces helps",
    "hurts": "what it takes away or replaces hurts",
    "": "not judged",
}
_RETUNED = ", each at the settings of its own search"


def sweep_verdicts(runs: pd.DataFrame, info: SweepInfo) -> tuple[str, ...]:
    """Which points validation chose, and how each differs from the base on the test split.

    The choice was made by validation, so that the test difference of the chosen point is not made
    too large by it. The interval is over the seeds that finished in both.
    """
    table = sweep_table(runs, info, metrics=())
    newest = newest_runs(runs, info)
    chosen = table[table["is_best"]].to_dict("records")
    return tuple(_point_sentence(newest, info, row, num_chosen=len(chosen)) for row in chosen)


def _point_sentence(
    runs: pd.DataFrame, info: SweepInfo, row: Mapping[Any, Any], *, num_chosen: int
) -> str:
    point = {key: row[key] for key in info.factors}
    own = at_point(runs, point)
    over = mean_over_seeds(own, MONITOR)
    rank = "Best" if num_chosen == 1 else "On the front"
    reached = f"{over.mean:.4f}{_over(over)}"
    head = f"{rank} by mean {_VALIDATION}, {reached}: {_named(point, info)}."
    if all(is_same(value, info.base.get(key)) for key, value in point.items()):
        return f"{head} It is the base."
    base = _at_base(runs, info)
    if not (base["status"] == "finished").any():
        return f"{head} No run of the base finished to compare it with."
    told = [_against(own, base, metric, info) for metric in METRICS]
    return f"{head} Against the base on the test split: {'; '.join(told)}."


def _at_base(runs: pd.DataFrame, info: SweepInfo) -> pd.DataFrame:
    for key in info.factors:
        runs = at_value(runs, key, info.base.get(key))
    return runs


def _against(own: pd.DataFrame, base: pd.DataFrame, metric: str, info: SweepInfo) -> str:
    one, other = (_by_seed(mean_over_seeds(runs, metric)) for runs in (own, base))
    seeds = sorted(one.keys() & other.keys())
    differences = [one[seed] - other[seed] for seed in seeds]
    paired = for_looks(over_seeds(differences), differences, info.looks)
    name = metric_text(metric)
    if not seeds:
        return f"{name} cannot be compared, as no seed finished in both"
    if len(seeds) == 1:
        return f"{name} {paired.mean:+.4f} (one seed, so unresolved)"
    is_clear = paired.p_value < 0.05
    word = "unresolved" if not is_clear else "higher" if paired.mean > 0 else "lower"
    bounds = f"95 % interval over {len(seeds)} seeds {paired.low:+.4f} to {paired.high:+.4f}"
    return f"{name} {paired.mean:+.4f} ({bounds}: {word})"


def _by_seed(over: Mean) -> dict[int, float]:
    return dict(zip(over.seeds, over.by_seed, strict=True))


def _named(point: Mapping[str, Any], info: SweepInfo) -> str:
    names = short_names(point)
    shown = [key for key in point if exists(info, key, point)]
    return ", ".join(f"{names[key]} = {value_text(point[key])}" for key in shown)


def _over(over: Mean) -> str:
    if math.isnan(over.half):
        return " at one seed"
    return f" (95 % interval over {len(over.seeds)} seeds {over.low:.4f} to {over.high:.4f})"


def ablation_verdicts(frame: pd.DataFrame) -> tuple[str, ...]:
    """A sentence per variant and phase: the verdict on each metric, with its interval.

    Args:
        frame: as :func:`orchestrator.reporting.comparison.ablation_frame` gives it.
    """
    judged = frame[(frame["role"] != "base") & (frame["paired"] > 0)]
    groups = judged.groupby(["phase", "variant", "role"], sort=False)
    return tuple(
        f"{_variant(str(variant), str(role))}{_RETUNED if phase == 'retuned' else ''}: "
        f"{'; '.join(_judged(rows.itertuples()))}."
        for (phase, variant, role), rows in groups
    )


def _variant(name: str, role: str) -> str:
    joined = readable(name)
    return f"interaction of {joined}" if role == "interaction" else joined


def _judged(rows: Iterable[Any]) -> Iterable[str]:
    for row in rows:
        low, high = (percent(row, one) for one in (row.difference_low, row.difference_high))
        bounds = "one seed" if math.isnan(low) else f"95 % interval {low:+.1f} to {high:+.1f} %"
        moved = f"{percent(row, row.difference):+.1f} % ({bounds})"
        yield f"{metric_text(row.metric)} {moved}: {_WORDS.get(row.verdict, row.verdict)}"


def path_verdicts(chosen: pd.DataFrame, labels: Iterable[str]) -> tuple[str, ...]:
    """A sentence per step: what it gained in validation, with the interval over seeds.

    Args:
        chosen: the steps, the base first, as in the path's table.
        labels: what each changes.
    """
    pairs = zip(labels, chosen.to_dict("records"), strict=True)
    return tuple(_step(label, row) for label, row in pairs if row["step"])


def _step(label: str, row: Mapping[Any, Any]) -> str:
    head = f"Step {row['step']}, {label}: {_VALIDATION} {row['gain']:+.4f}"
    if math.isnan(row["low"]):
        return f"{head} at one seed, which shows no spread: unresolved."
    word = "gains" if row["low"] > 0 else "loses" if row["high"] < 0 else "unresolved"
    return f"{head} (95 % interval over seeds {row['low']:+.4f} to {row['high']:+.4f}): {word}."
