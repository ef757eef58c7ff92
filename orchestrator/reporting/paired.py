"""Differences between runs, in pairs: of the same seed, and of the same user."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64

from orchestrator.evaluation.bootstrap import over_users
from orchestrator.evaluation.metrics import gains
from orchestrator.evaluation.significance import (
    Finding,
    Paired,
    detectable,
    effect_size,
    finding,
    holm,
    over_seeds,
)
from orchestrator.reporting.looks import for_looks
from orchestrator.reporting.points import FINISHED, RUNNING

Ranks = Mapping[str, Float64[np.ndarray, " users"]]
"""Run id -> rank of each user's test target, in the same order of users for every run."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A member's finished runs: a value and a run per seed."""

    by_seed: Mapping[int, float]
    run_ids: Mapping[int, str]


Terms = Sequence[tuple[int, Outcome]]
"""Outcomes with the sign that each has in a difference."""


def newest(runs: pd.DataFrame) -> pd.DataFrame:
    """One run per variant, phase and seed: changed code runs it again under another id."""
    settled = runs[runs["status"] != RUNNING]
    return settled.drop_duplicates(subset=["variant", "phase", "seed"], keep="last")


def outcome(runs: pd.DataFrame, metric: str) -> Outcome:
    """What a member's runs measured."""
    finished = runs[runs["status"] == FINISHED]
    seeds = finished["seed"].astype(int)
    values = finished[metric] if metric in finished else finished["seed"] * math.nan
    return Outcome(
        by_seed=dict(zip(seeds, values.astype(float), strict=True)),
        run_ids=dict(zip(seeds, finished["run_id"], strict=True)),
    )


def differences(terms: Terms, metric: str, ranks: Ranks, *, looks: int = 1) -> dict[str, Any]:
    """The sum of signed outcomes over the seeds that finished in all, and its tests.

    Args:
        terms: what is added and taken away.
        metric: of the outcomes, such as ``test/ndcg@10``.
        ranks: of the runs' users; where those of one are missing, there is no test over users.
        looks: how often the seeds so far may have been looked at.

    Returns:
        Values by column; ``pairs`` holds both tests, for :func:`judged`. p values are not
        corrected yet.
    """
    seeds = _shared_seeds(terms)
    found = [sum(sign * each.by_seed[seed] for sign, each in terms) for seed in seeds]
    of_seeds = for_looks(over_seeds(found), found, looks)
    of_users = _over_users(terms, seeds, metric, ranks)
    return {
        "paired": of_seeds.num,
        "difference": of_seeds.mean,
        "difference_low": of_seeds.low,
        "difference_high": of_seeds.high,
        "users": of_users.num,
        "users_low": of_users.low,
        "users_high": of_users.high,
        "p_seeds": of_seeds.p_value,
        "p_users": of_users.p_value,
        "effect": effect_size(found),
        "detectable": detectable(found),
        "pairs": (of_seeds, of_users),
    }


def _over_users(terms: Terms, seeds: Sequence[int], metric: str, ranks: Ranks) -> Paired:
    """The test over users; none where the ranks of a run are missing."""
    signed = [(sign, each.run_ids[seed]) for sign, each in terms for seed in seeds]
    if not signed or not all(run in ranks for _, run in signed):
        return Paired(num=0)
    name = metric.rpartition("/")[2]
    total = sum(sign * _of_users(ranks[run], name) for sign, run in signed)
    return over_users(np.asarray(total) / len(seeds))


def _of_users(ranks: Float64[np.ndarray, " users"], name: str) -> Float64[np.ndarray, " users"]:
    return gains(torch.from_numpy(ranks), name).numpy()


def _shared_seeds(terms: Terms) -> list[int]:
    """Seeds whose runs finished, with a value, in all terms."""
    finished = [
        {seed for seed, value in each.by_seed.items() if not math.isnan(value)} for _, each in terms
    ]
    return sorted(set.intersection(*finished)) if finished else []


def corrected(frame: pd.DataFrame, families: Sequence["pd.Series[Any]"]) -> pd.DataFrame:
    """The frame with p values corrected by Holm, within rows that agree in all families."""
    groups = list(families)
    return frame.assign(
        **{
            f"{name}_holm": frame.groupby(groups, sort=False)[name].transform(_holm)
            for name in ("p_seeds", "p_users")
        }
    )


def _holm(values: "pd.Series[float]") -> "pd.Series[float]":
    return pd.Series(holm(values.tolist()), index=values.index)


def judged(row: Mapping[Hashable, Any]) -> Finding:
    """Where a row's difference lies, by both tests after correction."""
    seeds, users = row["pairs"]
    return finding(
        seeds,
        users,
        p_seeds=row["p_seeds_holm"],
        p_users=row["p_users_holm"],
        bound=row["bound"],
    )
