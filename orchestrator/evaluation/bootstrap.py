"""Paired bootstrap over users: would other users of the same kind show the same difference?"""

import numpy as np
from jaxtyping import Float64, Int64

from orchestrator.evaluation.significance import ALPHA, Paired, exact

RESAMPLES = 10_000
"""Times that users are drawn anew."""
MAX_GROUPS = 512
"""Different values that are drawn from; bounds the time of a resample, however many users."""
_MAX_COUNTS = 2**20
"""Counts held at once (8 MiB); bounds memory."""


def over_users(
    differences: Float64[np.ndarray, " users"], *, resamples: int = RESAMPLES, seed: int = 0
) -> Paired:
    """Mean of per-user differences, percentile intervals and p value by paired bootstrap.

    Each resample draws as many users as there are, with replacement, and takes their mean
    difference ``m*``. The p value, ``2 · (1 + min(#{m* <= 0}, #{m* >= 0})) / (resamples + 1)`` and
    at most 1, is the level at which the percentile interval begins to hold 0, and never 0 itself.
    Fewer than two users have a mean alone.

    Users of equal difference are drawn as one group, which changes nothing; where there are more
    than :data:`MAX_GROUPS` values, neighbouring ones are taken together at their mean, which keeps
    the mean exact and loses at most ``(range / MAX_GROUPS)² / 4`` of the variance.

    Args:
        differences: variant minus base of each user, each the mean over seeds.
        resamples: how often users are drawn.
        seed: of the drawing; equal seeds give equal results.
    """
    sample = exact(differences)
    if sample.size < 2:
        return Paired(num=sample.size, mean=float(sample.mean())) if sample.size else Paired(num=0)
    means = _means(sample, resamples=resamples, random=np.random.default_rng(seed))
    tails = [ALPHA / 2, 1 - ALPHA / 2, ALPHA, 1 - ALPHA]
    low, high, inner_low, inner_high = np.quantile(means, tails).tolist()
    fewer = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return Paired(
        num=sample.size,
        mean=float(sample.mean()),
        low=low,
        high=high,
        inner_low=inner_low,
        inner_high=inner_high,
        p_value=min(1.0, 2 * (1 + fewer) / (resamples + 1)),
    )


def _means(
    sample: Float64[np.ndarray, " users"], *, resamples: int, random: np.random.Generator
) -> Float64[np.ndarray, " resamples"]:
    """Mean of each resample, from how many users of each group it holds."""
    values, counts = _grouped(sample)
    rows = max(1, _MAX_COUNTS // len(values))
    parts = [
        random.multinomial(sample.size, counts / sample.size, size=min(rows, resamples - start))
        @ values
        for start in range(0, resamples, rows)
    ]
    return exact(np.concatenate(parts) / sample.size)


def _grouped(
    sample: Float64[np.ndarray, " users"],
) -> tuple[Float64[np.ndarray, " groups"], Int64[np.ndarray, " groups"]]:
    """Values and how many users have each, at most :data:`MAX_GROUPS` of them."""
    values, counts = np.unique(sample, return_counts=True)
    if len(values) <= MAX_GROUPS:
        return values, counts
    width = np.ptp(values) / MAX_GROUPS
    group = np.minimum((values - values[0]) // width, MAX_GROUPS - 1).astype(np.int64)
    sums, sizes = np.bincount(group, values * counts), np.bincount(group, counts)
    filled = sizes > 0
    return sums[filled] / sizes[filled], sizes[filled].astype(np.int64)
