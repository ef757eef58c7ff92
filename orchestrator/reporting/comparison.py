"""An ablation's runs compared: each variant with the base, each pair with its two members.

The frame that :func:`ablation_frame` makes holds every number of the tables and figures.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64

from orchestrator.evaluation.bootstrap import over_users
from orchestrator.evaluation.metrics import gains
from orchestrator.evaluation.significance import (
    VERDICTS,
    Paired,
    detectable,
    effect_size,
    finding,
    holm,
    over_seeds,
)
from orchestrator.reporting.looks import for_looks
from orchestrator.reporting.points import FINISHED, RUNNING, mean_over_seeds, num_failed
from orchestrator.reporting.published import ablation_metrics, published_ablation
from orchestrator.tracking.runs import BASE, Phase, SweepInfo, VariantInfo

BOUND = 0.02
"""A difference of this part of the base's mean does not matter, unless another is asked for."""
PHASES: tuple[Phase, ...] = ("fixed", "retuned")
"""Phases that are tested; a search sees validation alone."""
METRICS = ("test/hit@10", "test/ndcg@10")
"""Compared where the model's paper has no ablation that says what to compare."""

Role = Literal["base", "component", "control", "pair", "interaction"]
Ranks = Mapping[str, Float64[np.ndarray, " users"]]
"""Run id -> rank of each user's test target, in the same order of users for every run."""

INTERACTIONS = {
    "below": "negative",
    "above": "positive",
    "within": "additive",
    "unresolved": "unresolved",
}
"""Finding of ``both - first - second + base`` -> how it is called."""
COLUMNS = [
    *("phase", "variant", "role", "metric", "mean", "low", "high", "seeds", "failed", "by_seed"),
    *("paired", "difference", "difference_low", "difference_high"),
    *("users", "users_low", "users_high"),
    *("p_seeds", "p_users", "p_seeds_holm", "p_users_holm"),
    *("effect", "detectable", "base", "bound", "verdict", "published", "published_difference"),
]


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """A variant's finished runs of one phase: a value and a run per seed."""

    by_seed: Mapping[int, float]
    run_ids: Mapping[int, str]


_Terms = Sequence[tuple[int, _Outcome]]
"""Outcomes with the sign that each has in a difference."""


def ablation_frame(
    runs: pd.DataFrame,
    info: SweepInfo,
    *,
    ranks: Ranks,
    bound: float = BOUND,
    metrics: Sequence[str] | None = None,
) -> pd.DataFrame:
    """A row per phase, metric and variant, and one per interaction of a pair.

    Differences are variant minus base over the seeds that finished in both, and each user's is
    the mean over these seeds. An interaction is ``both - first - second + base`` over the seeds
    that finished in all four. p values are corrected by Holm within a phase and metric, among
    components and controls, among pairs, and among interactions.

    Args:
        runs: as :meth:`Tracker.runs_frame` gives them, with columns ``variant`` and ``phase``.
        info: the ablation.
        ranks: of each finished run's test users.
        bound: part of the base's mean that does not matter.
        metrics: columns of ``runs``; None takes those of the ablation in the model's paper.

    Returns:
        Columns :data:`COLUMNS`: ``low`` to ``high`` is the 95 % interval over seeds of the mean,
        ``difference_low`` and ``users_low`` begin those of the difference over seeds and over
        users. ``base`` is the base's mean, and ``bound`` in the same unit. What is unknown is NaN.
    """
    newest = _newest(runs)
    rows = [
        row
        for phase in _phases(newest)
        for metric in metrics or ablation_metrics(info.model) or METRICS
        for row in _Table(newest[newest["phase"] == phase], info, metric, ranks, bound).rows(phase)
    ]
    return _judged(pd.DataFrame(rows))[COLUMNS]


def _newest(runs: pd.DataFrame) -> pd.DataFrame:
    """One run per variant, phase and seed: changed code runs it again under another id."""
    settled = runs[runs["status"] != RUNNING]
    return settled.drop_duplicates(subset=["variant", "phase", "seed"], keep="last")


def _phases(runs: pd.DataFrame) -> list[Phase]:
    return [phase for phase in PHASES if phase == "fixed" or (runs["phase"] == phase).any()]


@dataclass(frozen=True)
class _Table:
    """What the rows of one phase and metric share."""

    runs: pd.DataFrame
    info: SweepInfo
    metric: str
    ranks: Ranks
    bound: float

    def rows(self, phase: Phase) -> list[dict[str, Any]]:
        """Base, variants in their order, interactions; p values are yet to be corrected."""
        base = VariantInfo(name=BASE, changed={})
        found = [
            {**self._means(variant), **self._differences(self._terms(variant))}
            for variant in (base, *self.info.variants)
        ]
        found += [self._interaction(pair) for pair in self.info.variants if pair.members]
        mean = found[0]["mean"]
        shared = {"phase": phase, "base": mean, "bound": self.bound * mean}
        return [{**shared, **row} for row in found]

    def _head(self, variant: VariantInfo, role: Role) -> dict[str, Any]:
        return {"variant": variant.name, "role": role, "metric": self.metric}

    def _means(self, variant: VariantInfo) -> dict[str, Any]:
        runs = self._runs(variant.name)
        over = mean_over_seeds(runs, self.metric)
        paper = published_ablation(self.info.model, self.info.dataset, self.metric)
        own = paper.get(variant.name, math.nan)
        reference = math.nan if variant.name == BASE else paper.get(BASE, math.nan)
        return {
            **self._head(variant, _role(variant)),
            "mean": over.mean,
            "low": over.low,
            "high": over.high,
            "seeds": len(over.seeds),
            "failed": num_failed(runs),
            "by_seed": over.by_seed,
            "published": own,
            "published_difference": own - reference,
        }

    def _interaction(self, pair: VariantInfo) -> dict[str, Any]:
        differences = self._differences(self._crossed(pair))
        counts = {"seeds": differences["paired"], "failed": 0, "by_seed": ()}
        return {**self._head(pair, "interaction"), **counts, **differences}

    def _terms(self, variant: VariantInfo) -> _Terms:
        if variant.name == BASE:
            return ()
        return ((1, self._outcome(variant.name)), (-1, self._outcome(BASE)))

    def _crossed(self, pair: VariantInfo) -> _Terms:
        first, second = pair.members
        signed = ((1, pair.name), (-1, first), (-1, second), (1, BASE))
        return [(sign, self._outcome(name)) for sign, name in signed]

    def _runs(self, variant: str) -> pd.DataFrame:
        return self.runs[self.runs["variant"] == variant]

    def _outcome(self, variant: str) -> _Outcome:
        runs = self._runs(variant)
        finished = runs[runs["status"] == FINISHED]
        seeds = finished["seed"].astype(int)
        values = finished[self.metric] if self.metric in finished else finished["seed"] * math.nan
        return _Outcome(
            by_seed=dict(zip(seeds, values.astype(float), strict=True)),
            run_ids=dict(zip(seeds, finished["run_id"], strict=True)),
        )

    def _differences(self, terms: _Terms) -> dict[str, Any]:
        seeds = _shared_seeds(terms)
        differences = [sum(sign * each.by_seed[seed] for sign, each in terms) for seed in seeds]
        of_seeds = for_looks(over_seeds(differences), differences, self.info.looks)
        of_users = self._over_users(terms, seeds)
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
            "effect": effect_size(differences),
            "detectable": detectable(differences),
            "pairs": (of_seeds, of_users),
        }

    def _over_users(self, terms: _Terms, seeds: Sequence[int]) -> Paired:
        """The test over users; none where the ranks of a run are missing."""
        signed = [(sign, each.run_ids[seed]) for sign, each in terms for seed in seeds]
        if not signed or not all(run in self.ranks for _, run in signed):
            return Paired(num=0)
        name = self.metric.rpartition("/")[2]
        total = sum(sign * _of_users(self.ranks[run], name) for sign, run in signed)
        return over_users(np.asarray(total) / len(seeds))


def _of_users(ranks: Float64[np.ndarray, " users"], name: str) -> Float64[np.ndarray, " users"]:
    return gains(torch.from_numpy(ranks), name).numpy()


def _role(variant: VariantInfo) -> Role:
    if variant.name == BASE:
        return "base"
    if variant.members:
        return "pair"
    return "control" if variant.is_control else "component"


def _shared_seeds(terms: _Terms) -> list[int]:
    """Seeds whose runs finished, with a value, in all terms."""
    finished = [
        {seed for seed, value in each.by_seed.items() if not math.isnan(value)} for _, each in terms
    ]
    return sorted(set.intersection(*finished)) if finished else []


def _judged(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with corrected p values and verdicts."""
    family = frame["role"].replace("control", "component")
    groups = [frame["phase"], frame["metric"], family]
    corrected = {
        f"{name}_holm": frame.groupby(groups, sort=False)[name].transform(_holm)
        for name in ("p_seeds", "p_users")
    }
    frame = frame.assign(**corrected)
    return frame.assign(verdict=[_verdict(row) for row in frame.to_dict("records")])


def _holm(values: "pd.Series[float]") -> "pd.Series[float]":
    return pd.Series(holm(values.tolist()), index=values.index)


def _verdict(row: Mapping[Hashable, Any]) -> str:
    """Empty for the base, which is compared with nothing."""
    if row["role"] == "base":
        return ""
    seeds, users = row["pairs"]
    found = finding(
        seeds,
        users,
        p_seeds=row["p_seeds_holm"],
        p_users=row["p_users_holm"],
        bound=row["bound"],
    )
    return INTERACTIONS[found] if row["role"] == "interaction" else VERDICTS[found]
