"""Where values stand on a panel's axes; :mod:`orchestrator.reporting.panels` draws them."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, MaxNLocator

from orchestrator.reporting.points import is_number, value_text

_LOG_FROM = 4.0
"""Positive values whose largest is this many times the smallest may stand on a log2 axis."""
_MAX_CHOICES = 8
"""More numbers than this were sampled: they get round ticks, and points without bars."""
_NEAR = 1.0
"""A reference further from the data than this many times their range is told, not drawn."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A metric's vertical axis, the same in every panel."""

    low: float
    high: float
    ticks: tuple[float, ...]
    middle: float
    """Of the part that the metric takes, as a part of the height."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a factor's values stand on the horizontal axis."""

    at: tuple[float, ...]
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    is_sampled: bool = False
    """Too many values to label each."""

    @property
    def breadth(self) -> float:
        """From the first place to the last."""
        return float(np.ptp(self.at)) or 1.0

    @property
    def unit(self) -> float:
        """Distance between what is set side by side at a place; less where places crowd."""
        gaps = np.diff(sorted(self.at))
        return float(min([0.03 * self.breadth, *(0.25 * gaps)]))


def places_of(values: Sequence[Any], *, is_log: bool | None = None) -> Places:
    """Numbers to scale, linear or log2; others, and numbers that would crowd, in order.

    Args:
        values: a factor's.
        is_log: which of the two; None takes the one that spreads them more evenly.
    """
    numbers = [float(value) for value in values if is_number(value)]
    if len(numbers) == len(values):
        is_log = _is_log(numbers) if is_log is None else is_log and min(numbers) > 0
        at = np.log2(numbers) if is_log else np.array(numbers)
        if len(numbers) > _MAX_CHOICES:
            return _sampled(numbers, at, is_log=is_log)
        if len(numbers) == 1 or np.diff(np.sort(at)).min() > np.ptp(at) / 16:
            return _labelled(values, at.tolist())
    return _labelled(values, [float(index) for index in range(len(values))])


def _labelled(values: Sequence[Any], at: Sequence[float]) -> Places:
    return Places(at=tuple(at), ticks=tuple(at), labels=tuple(map(value_text, values)))


def _sampled(numbers: Sequence[float], at: np.ndarray, *, is_log: bool) -> Places:
    low, high = min(numbers), max(numbers)
    if is_log:
        few = LogLocator(subs=(1.0, 3.0)).tick_values(low, high)
        ticks = few if high / low < 200 else LogLocator().tick_values(low, high)
    else:
        ticks = MaxNLocator(4).tick_values(low, high)
    shown = [float(tick) for tick in ticks if low <= tick <= high]
    return Places(
        at=tuple(at.tolist()),
        ticks=tuple(math.log2(tick) if is_log else tick for tick in shown),
        labels=tuple(map(value_text, shown)),
        is_sampled=True,
    )


def _is_log(numbers: Sequence[float]) -> bool:
    """Whether a log axis is possible and spreads the numbers more evenly than a linear one."""
    if min(numbers) <= 0 or max(numbers) < _LOG_FROM * min(numbers):
        return False
    return _unevenness(np.log2(numbers)) <= _unevenness(np.array(numbers))


def _unevenness(at: np.ndarray) -> float:
    """How far the middle value is from the middle of the axis, as a part of the axis."""
    return float(abs((np.median(at) - at.min()) / np.ptp(at) - 0.5))


def shares(num_metrics: int) -> list[tuple[float, float]]:
    """Parts of the height that the metrics' curves take, so that they do not cross."""
    return [(0.06, 0.94)] if num_metrics == 1 else [(0.5, 0.95), (0.08, 0.48)]


def scale(rows: pd.DataFrame, references: Iterable[float], share: tuple[float, float]) -> Scale:
    """The axis of a metric whose curves take a share of the height; near references fit in."""
    bottom, top = share
    low, high = _reach(rows)
    room = _NEAR * (high - low)
    near = [value for value in references if low - room <= value <= high + room]
    low, high = min([low, *near]), max([high, *near])
    height = (high - low) / (top - bottom)
    ticks = [t for t in MaxNLocator(4).tick_values(low, high) if low <= t <= high]
    begin = low - bottom * height
    return Scale(low=begin, high=begin + height, ticks=tuple(ticks), middle=sum(share) / 2)


def _reach(rows: pd.DataFrame) -> tuple[float, float]:
    """From the lowest to the highest to draw.

    At least a twentieth of their size, so that noise is not blown up; and bars are followed no
    further than once the range of the seeds, so that one wide bar does not flatten every curve.
    """
    seeds = list(itertools.chain.from_iterable(rows["by_seed"])) or [0.0, 1.0]
    lowest, highest = min(seeds), max(seeds)
    room = max(highest - lowest, 0.025 * abs(highest), 1e-6)
    low = min([lowest, *(max(end, lowest - room) for end in rows["low"].dropna())])
    high = max([highest, *(min(end, highest + room) for end in rows["high"].dropna())])
    lacking = max(0.0, 0.05 * abs(highest) - (high - low), 1e-6 - (high - low))
    return low - lacking / 2, high + lacking / 2
