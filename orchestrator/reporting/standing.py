"""Which point of a sweep is best, by validation alone, and what its runs measured."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from orchestrator.config import MONITOR
from orchestrator.reporting.points import FINISHED, RUNNING, Mean, mean_over_seeds, newest_runs
from orchestrator.reporting.tables import at_point, sweep_table
from orchestrator.tracking.runs import BASE, SweepInfo


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A point, or an ablation's variant at one phase, and how it stands in validation."""

    runs: pd.DataFrame
    """Its finished runs, one per seed, the newest."""
    mean: Mean
    """Of validation NDCG@10, over their seeds."""
    num_compared: int
    """Points that it was chosen from, itself among them: those of as many seeds."""
    num_others: int = 0
    """Points with a finished run, but of fewer seeds: these were not compared."""


def best_point(runs: pd.DataFrame, info: SweepInfo) -> Standing | None:
    """The point with the star in a sweep's table; None where no run has finished."""
    table = sweep_table(runs, info, metrics=())
    starred = table[table["is_best"]].to_dict("records")
    if not starred:
        return None
    point = {key: starred[0][key] for key in info.factors}
    own = at_point(newest_runs(runs, info), point)
    with_runs = table[table["seeds"] > 0]
    num_compared = int((with_runs["seeds"] == with_runs["seeds"].max()).sum())
    return Standing(
        runs=_finished(own),
        mean=mean_over_seeds(own, MONITOR),
        num_compared=num_compared,
        num_others=len(with_runs) - num_compared,
    )


def retuned(runs: pd.DataFrame) -> dict[str, Standing]:
    """Variant -> how it stands at the settings that its own search chose, the base first."""
    found = {
        variant: _standing(own, _num_searched(runs, variant))
        for variant, phase, own in _variants(runs)
        if phase == "retuned" and (own["status"] == FINISHED).any()
    }
    return dict(sorted(found.items(), key=lambda pair: pair[0] != BASE))


def best_variant(runs: pd.DataFrame) -> Standing | None:
    """The variant, at the base's settings or retuned, of highest mean; None where none finished."""
    every = [_standing(own, 1) for _, phase, own in _variants(runs) if phase != "search"]
    most = max((len(standing.mean.seeds) for standing in every), default=0)
    compared = [standing for standing in every if most and len(standing.mean.seeds) == most]
    return max(compared, key=lambda standing: standing.mean.mean, default=None)


def _variants(runs: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Variant, phase and its runs; changed code runs a seed again under another id."""
    if "variant" not in runs:
        return
    settled = runs[runs["status"] != RUNNING]
    for (variant, phase), own in settled.groupby(["variant", "phase"], sort=False):
        once = own if phase == "search" else own.drop_duplicates("seed", keep="last")
        yield str(variant), str(phase), once


def _num_searched(runs: pd.DataFrame, variant: str) -> int:
    """Points of a variant's search that finished."""
    own = runs[(runs["variant"] == variant) & (runs["phase"] == "search")]
    return int((own["status"] == FINISHED).sum())


def _standing(runs: pd.DataFrame, num_compared: int) -> Standing:
    return Standing(
        runs=_finished(runs), mean=mean_over_seeds(runs, MONITOR), num_compared=num_compared
    )


def _finished(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["status"] == FINISHED]
