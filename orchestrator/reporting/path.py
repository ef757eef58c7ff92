"""An ablation path as numbers: what each step adds, with an interval over seeds.

The steps are chosen by validation NDCG@10 alone; test figures are told and choose nothing.
"""

import itertools
import math

import pandas as pd

from orchestrator.config import MONITOR
from orchestrator.evaluation.significance import over_seeds
from orchestrator.reporting.points import FINISHED, is_same, mean_over_seeds, newest_runs
from orchestrator.tracking.path import walked
from orchestrator.tracking.runs import SweepInfo

TOLD = "test/ndcg@20"
"""Test metric that is told beside."""


def by_changed(runs: pd.DataFrame, info: SweepInfo) -> dict[frozenset[str], pd.DataFrame]:
    """Runs by the settings that are changed in them, in the order in which these were begun."""
    newest = newest_runs(runs, info).sort_index()
    changed = [
        frozenset(key for key, (_, best) in info.factors.items() if is_same(row[key], best))
        for row in newest.to_dict("records")
    ]
    groups = newest.groupby(pd.Series(changed, index=newest.index, dtype=object), sort=False)
    return {key: group for key, group in groups}  # noqa: C416 - groups are no mapping


def path_frame(runs: pd.DataFrame, info: SweepInfo) -> pd.DataFrame:
    """A row per candidate of each step, those chosen among them.

    Args:
        runs: the path's runs, as :meth:`Tracker.runs_frame` gives them.
        info: the path.

    Returns:
        ``step`` (0 is the base), ``factor`` and ``value`` (what is changed; several by commas),
        ``is_chosen``, ``val/ndcg@10`` (mean over seeds), ``gain, low, high`` (over the step
        before, 95 % paired t interval over seeds), ``test/ndcg@20``, ``n`` (seeds that finished).
    """
    groups = by_changed(runs, info)
    worth = {changed: _worth(group, info) for changed, group in groups.items()}
    path = walked({changed: mean for changed, mean in worth.items() if not math.isnan(mean)})
    rows = [_row(groups, info, 0, frozenset(), frozenset(), is_chosen=True)]
    for step, (before, after) in enumerate(itertools.pairwise(path), start=1):
        rows += [
            _row(groups, info, step, before, changed, is_chosen=changed == after)
            for changed in groups
            if changed > before and len(changed) == len(after)
        ]
    columns = ["step", "factor", "value", "is_chosen", MONITOR, "gain", "low", "high", TOLD]
    return pd.DataFrame(rows, columns=[*columns, "n"])


def _worth(group: pd.DataFrame, info: SweepInfo) -> float:
    finished = group[group["status"] == FINISHED]
    is_whole = set(info.seeds) <= set(finished["seed"])
    return float(finished[MONITOR].mean()) if is_whole else math.nan


def _row(
    groups: dict[frozenset[str], pd.DataFrame],
    info: SweepInfo,
    step: int,
    before: frozenset[str],
    changed: frozenset[str],
    *,
    is_chosen: bool,
) -> list[object]:
    group = groups.get(changed, pd.DataFrame(columns=["status", "seed"]))
    own = _by_seed(group)
    reference = _by_seed(groups[before]) if step else {}
    gain = over_seeds([own[seed] - reference[seed] for seed in sorted({*own} & {*reference})])
    new = [key for key in info.factors if key in changed - before]
    told = mean_over_seeds(group, TOLD).mean
    monitored = mean_over_seeds(group, MONITOR).mean
    head = [step, ", ".join(new), tuple(info.factors[key][1] for key in new), is_chosen]
    return [*head, monitored, gain.mean, gain.low, gain.high, told, len(own)]


def _by_seed(group: pd.DataFrame) -> dict[int, float]:
    over = mean_over_seeds(group, MONITOR)
    return dict(zip(over.seeds, over.by_seed, strict=True))
