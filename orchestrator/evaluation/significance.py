"""How sure a mean over seeds is."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit


class Interval(NamedTuple):
    """A mean with the bounds of its confidence interval; bounds are NaN where there is none."""

    mean: float
    low: float
    high: float


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
