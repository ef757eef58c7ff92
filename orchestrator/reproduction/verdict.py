"""What runs say of a claim: reproduced, opposite, or not resolved."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from orchestrator.evaluation.significance import Paired, over_seeds
from orchestrator.reporting.points import Mean
from orchestrator.reproduction.claims import Claim, Subjects, told

Verdict = Literal["reproduced", "not resolved", "opposite", "not run"]
NOT_RUN: Verdict = "not run"
"""A subject of the claim cannot be had here."""
VERDICTS: tuple[Verdict, ...] = ("reproduced", "not resolved", "opposite", NOT_RUN)
"""In the order to tell them."""
BOUND = 0.02
"""``about``: a difference below this part of the second subject does not matter."""
Measured = Mapping[tuple[str, str], Mean]
"""Subject, metric without a split -> its mean over seeds."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A claim with what was measured of it."""

    claim: Claim
    difference: Paired
    """First less second, over the seeds that both finished."""
    verdict: Verdict
    reason: str = ""
    """Why it is neither reproduced nor opposite."""
    absent: str = ""
    """The subject that cannot be had, where it is not run."""


def judge(claim: Claim, measured: Measured, *, absent: Mapping[str, str] | None = None) -> Judged:
    """Compare what was measured with a claim.

    Above and below: reproduced where the 95 % interval of the difference leaves out 0 on the
    claim's side, opposite where it does on the other, else not resolved. About: reproduced where
    the 90 % interval lies within ±2 % of the second subject (two one-sided tests at 5 %), opposite
    where the 95 % interval lies outside.

    Args:
        claim: of one metric.
        measured: on its data set.
        absent: subject -> why it cannot be had here.
    """
    gone = absent or {}
    missing = next((one for one in claim.subjects if one in gone), None)
    if missing is not None:
        return Judged(
            claim=claim,
            difference=Paired(num=0),
            verdict=NOT_RUN,
            reason=gone[missing],
            absent=missing,
        )
    unfinished = [one for one in claim.subjects if not _is_there(measured, one, claim.metric)]
    if unfinished:
        reason = f"no run of {told((unfinished[0],))} has finished"
        return Judged(claim=claim, difference=Paired(num=0), verdict="not resolved", reason=reason)
    found = difference(claim, measured)
    verdict = _verdict(claim, found, BOUND * abs(_level(claim.second, claim, measured)))
    reason = _reason(found) if verdict == "not resolved" else ""
    return Judged(claim=claim, difference=found, verdict=verdict, reason=reason)


def difference(claim: Claim, measured: Measured) -> Paired:
    """First less second: of the same seeds, or of two intervals that know no seeds.

    The latter, of users, are joined as if they were independent; those of the same users are not,
    and the joint one is too wide rather than too narrow.
    """
    every = [measured[one, claim.metric] for one in claim.subjects]
    if all(mean.by_seed for mean in every):
        return over_seeds(_of_seeds(claim, measured))
    first, second = (_side(side, claim, measured) for side in (claim.first, claim.second))
    mean, reach = first.mean - second.mean, math.hypot(first.half, second.half)
    return Paired(num=1, mean=mean, low=mean - reach, high=mean + reach)


def _of_seeds(claim: Claim, measured: Measured) -> list[float]:
    """The difference at each seed that all subjects finished."""
    values = {
        one: dict(zip(found.seeds, found.by_seed, strict=True))
        for one in claim.subjects
        if (found := measured[one, claim.metric])
    }
    seeds = sorted(set.intersection(*(set(own) for own in values.values())))
    return [
        fmean(values[one][seed] for one in claim.first)
        - (fmean(values[one][seed] for one in claim.second) if claim.second else claim.number)
        for seed in seeds
    ]


def _side(side: Subjects, claim: Claim, measured: Measured) -> Mean:
    """One subject, or the number that it is compared with."""
    if not side:
        at = claim.number
        return Mean(mean=at, low=at, high=at, seeds=(), by_seed=())
    assert len(side) == 1, "means over several subjects need seeds"
    return measured[side[0], claim.metric]


def _level(side: Subjects, claim: Claim, measured: Measured) -> float:
    return fmean(measured[one, claim.metric].mean for one in side) if side else claim.number


def _is_there(measured: Measured, subject: str, metric: str) -> bool:
    found = measured.get((subject, metric))
    return found is not None and not math.isnan(found.mean)


def _verdict(claim: Claim, found: Paired, bound: float) -> Verdict:
    if claim.relation == "about":
        if found.is_within(bound):
            return "reproduced"
        return "opposite" if found.low > bound or found.high < -bound else "not resolved"
    sign = 1 if claim.relation == "above" else -1
    low, high = sorted((sign * found.low, sign * found.high))
    if low > 0:
        return "reproduced"
    return "opposite" if high < 0 else "not resolved"


def _reason(found: Paired) -> str:
    if found.num == 0:
        return "no seed has finished in both"
    if math.isnan(found.low):
        return "one seed has no interval"
    return "the interval leaves it open"
