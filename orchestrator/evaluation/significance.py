"""How sure a mean over seeds is, and whether two settings differ: over seeds and over users.

A difference is variant minus base, taken in pairs: of the same seed, or of the same user. The test
over seeds asks whether training again would show it, the one over users
(:mod:`orchestrator.evaluation.bootstrap`) whether other users of the same kind would. Each holds
fixed what the other varies, so :func:`finding` asks both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy.special import stdtr, stdtrit

ALPHA = 0.05
"""Chance of a false alarm that a test accepts."""
POWER = 0.8
"""Chance of being seen that :func:`detectable` asks of a difference."""

Finding = Literal["below", "above", "within", "unresolved"]
"""Where a difference lies: below or above 0, within the bound about 0, or nobody can say."""
Verdict = Literal["helps", "hurts", "neutral", "unresolved"]
"""What a component does to a metric, told by a variant without it."""

VERDICTS: MappingProxyType[Finding, Verdict] = MappingProxyType(
    {"below": "helps", "above": "hurts", "within": "neutral", "unresolved": "unresolved"}
)
"""A variant below the base lacks something that helps."""


class Interval(NamedTuple):
    """A mean with the bounds of its confidence interval; bounds are NaN where there is none."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Paired:
    """What pairs say of a difference; NaN where they are too few to say it."""

    num: int
    """Pairs: seeds or users."""
    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    """With ``low``, the 95 % interval of the mean."""
    inner_low: float = math.nan
    inner_high: float = math.nan
    """With ``inner_low``, the 90 % interval: within ±bound, two one-sided 5 % tests agree."""
    p_value: float = math.nan
    """Of two sides, of the mean being 0."""

    def is_within(self, bound: float) -> bool:
        """Whether equivalence within ±bound is shown (TOST at 5 %)."""
        return -bound <= self.inner_low and self.inner_high <= bound


def interval(values: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Mean over seeds and its Student-t interval, ``mean ± t(n - 1) · s / sqrt(n)``.

    ``s`` is the standard deviation with ``n - 1`` in the denominator and ``t`` the two-sided
    quantile. One value says nothing of its spread: it has a mean and no interval (NaN bounds).

    >>> interval([1.0, 2.0, 3.0]).mean
    2.0

    Raises:
        ValueError: there are no values, one is not finite, or ``confidence`` is outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` cannot be {confidence}: it must be in (0, 1).")
    sample = np.asarray(values, dtype=np.float64)
    if not sample.size:
        raise ValueError("`values` cannot be empty: there is no mean of nothing.")
    if not np.isfinite(sample).all():
        raise ValueError("`values` cannot hold NaN or infinity: a failed run has no metric.")
    mean = float(sample.mean())
    if sample.size == 1:
        return Interval(mean, math.nan, math.nan)
    quantile = float(stdtrit(sample.size - 1, (1 + confidence) / 2))
    reach = quantile * float(sample.std(ddof=1)) / math.sqrt(sample.size)
    return Interval(mean, mean - reach, mean + reach)


def exact(differences: Sequence[float] | np.ndarray) -> Float64[np.ndarray, " pairs"]:
    """Differences of metrics without the noise of floating-point arithmetic.

    Metrics lie in [0, 1]; what differs from 0 or from another difference after the 12th decimal
    only does not differ. Without this, variants of equal outcomes could differ "significantly".
    """
    return np.round(np.asarray(differences, dtype=np.float64), 12) + 0.0  # -0.0 becomes 0.0


def over_seeds(differences: Sequence[float] | np.ndarray) -> Paired:
    """Paired Student-t test and intervals, ``t = mean / (s / sqrt(n))`` with ``n - 1`` degrees.

    Differences that are all equal have no spread: p is 1 if they are 0, and else 0. One seed has
    a mean alone, no seed has nothing.

    >>> round(over_seeds([-0.01, -0.02, -0.03]).p_value, 4)  # t = -0.02 / (0.01 / sqrt(3)) = -3.46
    0.0742

    Args:
        differences: variant minus base at each seed that finished in both.
    """
    sample = exact(differences)
    if not sample.size:
        return Paired(num=0)
    mean, low, high = interval(sample.tolist())
    _, inner_low, inner_high = interval(sample.tolist(), confidence=1 - 2 * ALPHA)
    return Paired(
        num=sample.size,
        mean=mean,
        low=low,
        high=high,
        inner_low=inner_low,
        inner_high=inner_high,
        p_value=_t_test(sample),
    )


def _t_test(sample: Float64[np.ndarray, " pairs"]) -> float:
    spread = _spread(sample)
    if math.isnan(spread):
        return math.nan
    if spread == 0:
        return float(sample[0] == 0)
    t = abs(float(sample.mean())) / (spread / math.sqrt(sample.size))
    return float(2 * stdtr(sample.size - 1, -t))


def _spread(sample: Float64[np.ndarray, " pairs"]) -> float:
    """Standard deviation; NaN of fewer than two, and 0 of equal ones exactly."""
    if sample.size < 2:
        return math.nan
    return float(sample.std(ddof=1)) if np.ptp(sample) else 0.0


def effect_size(differences: Sequence[float] | np.ndarray) -> float:
    """Cohen's ``d_z = mean / s`` of paired differences: the difference in units of its spread.

    NaN of fewer than two; equal differences give 0 if they are 0, and else infinity.

    >>> round(effect_size([-0.01, -0.02, -0.03]), 6)
    -2.0
    """
    sample = exact(differences)
    spread = _spread(sample)
    if math.isnan(spread):
        return math.nan
    mean = float(sample.mean())
    if spread == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / spread


def detectable(differences: Sequence[float] | np.ndarray) -> float:
    """Smallest true difference that these seeds would show: 5 % two-sided, 80 % power.

    ``(t(0.975, n - 1) + t(0.8, n - 1)) · s / sqrt(n)``, for one test, without correction. NaN of
    fewer than two seeds, which show nothing.

    >>> round(detectable([-0.01, -0.02, -0.03]), 4)  # (4.3027 + 1.0607) * 0.01 / sqrt(3)
    0.031
    """
    sample = exact(differences)
    if sample.size < 2:
        return math.nan
    degrees = sample.size - 1
    quantiles = float(stdtrit(degrees, 1 - ALPHA / 2) + stdtrit(degrees, POWER))
    return quantiles * _spread(sample) / math.sqrt(sample.size)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: p values that hold the chance of any false alarm among them all.

    The i-th smallest of m becomes the largest of ``(m - j + 1) · p_j`` over ``j <= i``, at most 1.
    A test that could not be made (NaN) stays NaN and is not counted in m.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    made = np.flatnonzero(~np.isnan(values))
    order = made[np.argsort(values[made], kind="stable")]
    adjusted = values.copy()
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * values[order]), 1.0)
    return [float(value) for value in adjusted]


def finding(
    seeds: Paired, users: Paired, *, p_seeds: float, p_users: float, bound: float
) -> Finding:
    """Where a difference lies, if the test over seeds and the one over users agree.

    Below or above: both corrected p values are under 5 % and both means have that sign. Within:
    not so, and both 90 % intervals lie within ±bound. A difference that is significant and smaller
    than the bound is below or above, as that is the more that is known of it. Otherwise
    unresolved; so is whatever one seed says, as it has no spread.

    Args:
        seeds: differences over seeds.
        users: differences over users.
        p_seeds: p value over seeds after correction.
        p_users: p value over users after correction.
        bound: how large a difference, in the metric's own unit, does not matter.
    """
    if p_seeds < ALPHA and p_users < ALPHA and seeds.mean * users.mean > 0:
        return "below" if seeds.mean < 0 else "above"
    if seeds.is_within(bound) and users.is_within(bound):
        return "within"
    return "unresolved"
