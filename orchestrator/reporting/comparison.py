"""An ablation's runs compared: each variant with the base, each pair with its two members.

The frame that :func:`ablation_frame` makes holds every number of the tables and figures.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from orchestrator.evaluation.significance import VERDICTS
from orchestrator.reporting.paired import (
    Outcome,
    Ranks,
    Terms,
    corrected,
    differences,
    judged,
    newest,
    outcome,
)
from orchestrator.reporting.points import mean_over_seeds, num_failed
from orchestrator.reporting.published import ablation_metrics, published_ablation
from orchestrator.tracking.runs import BASE, Phase, SweepInfo, VariantInfo

BOUND = 0.02
"""A difference of this part of the base's mean does not matter, unless another is asked for."""
PHASES: tuple[Phase, ...] = ("fixed", "retuned")
"""Phases that are tested; a search sees validation alone."""
METRICS = ("test/hit@10", "test/ndcg@10")
"""Compared where the model's paper has no ablation that says what to compare."""

Role = Literal["base", "component", "control", "pair", "interaction"]

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
    settled = newest(runs)
    rows = [
        row
        for phase in _phases(settled)
        for metric in metrics or ablation_metrics(info.model) or METRICS
        for row in _Table(settled[settled["phase"] == phase], info, metric, ranks, bound).rows(
            phase
        )
    ]
    return _judged(pd.DataFrame(rows))[COLUMNS]


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

    def _terms(self, variant: VariantInfo) -> Terms:
        if variant.name == BASE:
            return ()
        return ((1, self._outcome(variant.name)), (-1, self._outcome(BASE)))

    def _crossed(self, pair: VariantInfo) -> Terms:
        first, second = pair.members
        signed = ((1, pair.name), (-1, first), (-1, second), (1, BASE))
        return [(sign, self._outcome(name)) for sign, name in signed]

    def _runs(self, variant: str) -> pd.DataFrame:
        return self.runs[self.runs["variant"] == variant]

    def _outcome(self, variant: str) -> Outcome:
        return outcome(self._runs(variant), self.metric)

    def _differences(self, terms: Terms) -> dict[str, Any]:
        return differences(terms, self.metric, self.ranks, looks=self.info.looks)


def _role(variant: VariantInfo) -> Role:
    if variant.name == BASE:
        return "base"
    if variant.members:
        return "pair"
    return "control" if variant.is_control else "component"


def _judged(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with corrected p values and verdicts."""
    family = frame["role"].replace("control", "component")
    frame = corrected(frame, [frame["phase"], frame["metric"], family])
    return frame.assign(verdict=[_verdict(row) for row in frame.to_dict("records")])


def _verdict(row: Mapping[Hashable, Any]) -> str:
    """Empty for the base, which is compared with nothing."""
    if row["role"] == "base":
        return ""
    found = judged(row)
    return INTERACTIONS[found] if row["role"] == "interaction" else VERDICTS[found]
