"""When a comparison with the base is settled, so that it needs no more seeds.

Seeds are added one by one, and after each the paired interval of validation NDCG@10 is looked at.
Looking often would find differences that are none, so each look is at the level of the whole
divided by the number of looks (Bonferroni): the chance of one false alarm in all looks together
stays below 5 %, whenever one stops. Test figures are never looked at.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from orchestrator.errors import ConfigError
from orchestrator.evaluation.significance import ALPHA, POWER, Finding, exact, interval

FIRST_LOOK = 3
"""Seeds before the first look."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the seeds so far say of a variant; differences are parts of the base's mean."""

    finding: Finding
    num_seeds: int
    """That finished in the variant and in the base."""
    mean: float = math.nan
    half: float = math.nan
    """Of the interval at the level of a look."""
    detectable: float = math.nan
    """The smallest difference that these seeds would show at that level, with 80 % power."""

    @property
    def is_settled(self) -> bool:
        """Whether more seeds are not asked for."""
        return self.finding != "unresolved"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How many seeds there may be, and which differences do not matter."""

    num_seeds: int
    bound: float
    """Part of the base's mean below which a difference does not matter."""

    def __post_init__(self) -> None:
        """Refuse a number of seeds to which none can be added.

        Raises:
            ConfigError: there are no more seeds than the first look takes.
        """
        if self.num_seeds <= FIRST_LOOK:
            raise ConfigError(
                f"--until-resolved cannot be used with --seeds {self.num_seeds}: seeds are added "
                f"one by one after the first {FIRST_LOOK}. Allow more, such as --seeds 10."
            )

    @property
    def looks(self) -> int:
        """Looks at most: after the first seeds, and after each one that is added."""
        return self.num_seeds - FIRST_LOOK + 1

    @property
    def confidence(self) -> float:
        """Of the interval of a look."""
        return 1 - ALPHA / self.looks

    def judge(self, variant: Mapping[int, float], base: Mapping[int, float]) -> Answer:
        """What the seeds that both have say.

        Args:
            variant: seed -> validation NDCG@10 of a finished run.
            base: the same of the base.
        """
        seeds = sorted(set(variant) & set(base))
        if len(seeds) < FIRST_LOOK:
            return Answer(finding="unresolved", num_seeds=len(seeds))
        differences = exact([variant[seed] - base[seed] for seed in seeds])
        unit = float(np.mean([base[seed] for seed in seeds]))
        found = interval(differences.tolist(), confidence=self.confidence)
        degrees = len(seeds) - 1
        reach = float(stdtrit(degrees, (1 + self.confidence) / 2))
        error = (found.high - found.low) / 2 / reach
        return Answer(
            finding=_finding(found.low, found.high, self.bound * unit),
            num_seeds=len(seeds),
            mean=_part(found.mean, unit),
            half=_part((found.high - found.low) / 2, unit),
            detectable=_part((reach + float(stdtrit(degrees, POWER))) * error, unit),
        )


def _finding(low: float, high: float, bound: float) -> Finding:
    if high < 0:
        return "below"
    if low > 0:
        return "above"
    return "within" if -bound <= low and high <= bound else "unresolved"


def _part(value: float, unit: float) -> float:
    return value / unit if unit else math.nan
