"""A comparison's runs as numbers: each model's figures, what they cost, and every two tested."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool

from orchestrator.config import MONITOR
from orchestrator.evaluation.evaluate import summary
from orchestrator.evaluation.significance import Finding
from orchestrator.reporting.paired import Ranks, corrected, differences, judged, newest, outcome
from orchestrator.reporting.points import FINISHED, mean_over_seeds, num_failed
from orchestrator.reporting.published import comparison_metrics, published_comparison
from orchestrator.tracking.runs import Phase, SweepInfo

METRICS = ("test/recall@10", "test/ndcg@10", "test/recall@20", "test/ndcg@20")
"""Told where no paper says what to tell of the data set."""
GROUPS = ("cold", "warm", "rare", "frequent")
"""Users of little and of much activity, and those whose target was rare or frequent."""
Groups = Mapping[str, Bool[np.ndarray, " users"]]

FRAME_COLUMNS = [
    *("metric", "group", "model", "mean", "low", "high", "seeds", "failed", "by_seed", "place"),
    "published",
]
COST_COLUMNS: Mapping[str, str] = {
    "num_parameters": "num_parameters",
    "epochs": "num_epochs",
    "seconds_per_epoch": "seconds_per_epoch",
    "seconds": "seconds",
    "peak_memory": "peak_memory",
}
"""Column of the frame of costs -> of the runs."""


class Gain(NamedTuple):
    """What the leading model gains over the best of the others."""

    leader: str
    rival: str
    percent: float
    """Of the rival's mean."""
    finding: Finding
    """Of the two, with the tests' correction; ``above`` is a gain."""


def phase_of(info: SweepInfo) -> Phase:
    """The phase whose runs are compared."""
    return "retuned" if info.num_tuned else "fixed"


def compared_runs(runs: pd.DataFrame, info: SweepInfo) -> pd.DataFrame:
    """The runs that are compared, the newest of each model and seed."""
    settled = newest(runs)
    return settled[settled["phase"] == phase_of(info)]


def metrics_of(runs: pd.DataFrame, info: SweepInfo) -> tuple[str, ...]:
    """What is told: what a paper prints of the data set as far as it was logged, or the usual."""
    known = set(runs.columns)
    names = [variant.name for variant in info.variants]
    for wanted in (comparison_metrics(info.dataset, names), METRICS):
        found = tuple(metric for metric in wanted if metric in known)
        if found:
            return found
    return tuple(sorted(m for m in known if m.startswith("test/") and m.count("/") == 1))[:4]


def with_groups(runs: pd.DataFrame, ranks: Ranks, groups: Groups) -> pd.DataFrame:
    """Runs with their test figures of groups of users, where these are not there yet."""
    told = {
        run_id: summary(found, cutoffs=_cutoffs(runs), prefix="test", groups=groups)
        for run_id, found in ranks.items()
    }
    rows = [
        {**{k: v for k, v in told.get(row["run_id"], {}).items() if k.count("/") == 2}, **row}
        for row in runs.to_dict("records")
    ]
    return pd.DataFrame(rows) if rows else runs


def _cutoffs(runs: pd.DataFrame) -> list[int]:
    names = [name.rpartition("@")[2] for name in runs.columns if name.startswith("test/")]
    return sorted({int(name) for name in names if name.isdecimal()})


def comparison_frame(runs: pd.DataFrame, info: SweepInfo, metrics: Sequence[str]) -> pd.DataFrame:
    """A row per metric, group of users (empty for all) and model.

    Args:
        runs: what :func:`compared_runs` gave, with figures of groups where they are known.
        info: the comparison.
        metrics: columns of ``runs``.

    Returns:
        Columns :data:`FRAME_COLUMNS`: ``low`` to ``high`` is the 95 % interval over seeds,
        ``place`` 1 is the highest mean; what is unknown is NaN.
    """
    wanted = [(metric, "") for metric in metrics]
    wanted += [(m, g) for g in GROUPS for m in metrics if f"{m}/{g}" in runs]
    rows = [
        _row(runs[runs["variant"] == variant.name], metric, group, variant.name, info.dataset)
        for metric, group in wanted
        for variant in info.variants
    ]
    frame = pd.DataFrame(rows)
    exact = frame["mean"].round(12)
    keys = [frame["metric"], frame["group"]]
    place = exact.groupby(keys, sort=False).rank(method="min", ascending=False)
    return frame.assign(place=place)[FRAME_COLUMNS]


def _row(runs: pd.DataFrame, metric: str, group: str, model: str, dataset: str) -> dict[str, Any]:
    over = mean_over_seeds(runs, f"{metric}/{group}" if group else metric)
    paper = {} if group else published_comparison(dataset, metric)
    return {
        "metric": metric,
        "group": group,
        "model": model,
        "mean": over.mean,
        "low": over.low,
        "high": over.high,
        "seeds": len(over.seeds),
        "failed": num_failed(runs),
        "by_seed": over.by_seed,
        "published": paper.get(model, math.nan),
    }


def cost_frame(runs: pd.DataFrame, every: pd.DataFrame, info: SweepInfo) -> pd.DataFrame:
    """What each model's compared runs cost, means over them (peak memory: the most of all).

    Args:
        runs: what :func:`compared_runs` gave.
        every: all runs, those of searches among them.
        info: the comparison.

    Returns:
        A row per model: ``searched`` (finished points of its search), mean validation NDCG@10,
        and the columns of :data:`COST_COLUMNS`, bytes and seconds; NaN where it was not told.
    """
    rows = []
    for variant in info.variants:
        own = runs[(runs["variant"] == variant.name) & (runs["status"] == FINISHED)]
        searched = every[(every["variant"] == variant.name) & (every["phase"] == "search")]
        figures = {
            name: _mean(own, column, most=name == "peak_memory")
            for name, column in COST_COLUMNS.items()
        }
        rows.append(
            {
                "model": variant.name,
                "searched": int((searched["status"] == FINISHED).sum()),
                MONITOR: mean_over_seeds(own, MONITOR).mean,
                **figures,
            }
        )
    return pd.DataFrame(rows)


def _mean(runs: pd.DataFrame, column: str, *, most: bool) -> float:
    if column not in runs or runs[column].isna().all():
        return math.nan
    return float(runs[column].max() if most else runs[column].mean())


def pairs_frame(
    runs: pd.DataFrame,
    info: SweepInfo,
    metrics: Sequence[str],
    *,
    ranks: Ranks,
    bound: float,
) -> pd.DataFrame:
    """A row per metric and two models, tested over the seeds and users that both have.

    Differences are ``model`` minus ``against``. With ``info.ours`` each pair is of it and another
    model; else all pairs. p values are corrected by Holm over the pairs of a metric.

    Returns:
        Columns ``metric``, ``model``, ``against``, those of
        :func:`orchestrator.reporting.paired.differences`, ``p_seeds_holm``, ``p_users_holm``,
        ``base`` (the mean of ``against``), ``bound`` in the metric's unit, and ``finding``.
    """
    rows = []
    for metric in metrics:
        found = {v.name: outcome(runs[runs["variant"] == v.name], metric) for v in info.variants}
        for model, against in _pairs(info):
            base = mean_over_seeds(runs[runs["variant"] == against], metric).mean
            terms = ((1, found[model]), (-1, found[against]))
            tested = differences(terms, metric, ranks, looks=info.looks)
            head = {"metric": metric, "model": model, "against": against}
            rows.append({**head, "base": base, "bound": bound * base, **tested})
    frame = pd.DataFrame(rows)
    frame = corrected(frame, [frame["metric"]])
    return frame.assign(finding=[judged(row) for row in frame.to_dict("records")])


def _pairs(info: SweepInfo) -> list[tuple[str, str]]:
    names = [variant.name for variant in info.variants]
    if info.ours:
        return [(info.ours, other) for other in names if other != info.ours]
    return list(itertools.combinations(names, 2))


def gains_of(frame: pd.DataFrame, pairs: pd.DataFrame, info: SweepInfo) -> dict[str, Gain]:
    """Metric -> the gain of the best over the second, or of ours over the best of the others."""
    found = {}
    for metric, rows in frame[frame["group"] == ""].groupby("metric", sort=False):
        means = rows.dropna(subset=["mean"]).sort_values("mean", ascending=False, kind="stable")
        order = means["model"].tolist()
        if info.ours in order:
            order = [info.ours, *(name for name in order if name != info.ours)]
        elif info.ours:
            continue
        if len(order) < 2:
            continue
        by_model = dict(zip(means["model"], means["mean"], strict=True))
        leader, rival = order[:2]
        of = by_model[rival]
        percent = 100 * (by_model[leader] - of) / of if of else math.nan
        seen = finding_of(pairs, str(metric), leader, rival)
        found[str(metric)] = Gain(leader, rival, percent, seen)
    return found


TURNED: Mapping[Finding, Finding] = {"above": "below", "below": "above"}
"""What a finding is of the same two the other way round; any other is the same."""


def finding_of(pairs: pd.DataFrame, metric: str, model: str, against: str) -> Finding:
    """Where the difference of two models lies, whichever of them stands first in the frame."""
    own = pairs[pairs["metric"] == metric]
    for one, other, found in zip(own["model"], own["against"], own["finding"], strict=True):
        if (one, other) == (model, against):
            return found
        if (other, one) == (model, against):
            return TURNED.get(found, found)
    raise AssertionError(f"{model} and {against} are no pair")
