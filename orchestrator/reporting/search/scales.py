"""Where a parameter's values stand on an axis: listed ones side by side, ranges as declared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator

from orchestrator.config import JSON
from orchestrator.reporting.points import is_same, value_text

_CHARACTERS = 16
"""Characters on a horizontal axis from which its labels are turned."""


@dataclass(frozen=True, kw_only=True)
class FactorScale:
    """A parameter's axis."""

    choices: tuple[Any, ...] = ()
    """Empty for a range."""
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    is_whole: bool = False
    """Of a range: its values are whole numbers."""

    def at(self, value: Any) -> float:  # noqa: ANN401 - a setting's value
        """The place of a value: its number in the list, itself, or its logarithm."""
        if self.choices:
            return float(next(i for i, one in enumerate(self.choices) if is_same(value, one)))
        return math.log10(value) if self.log else float(value)

    @property
    def ends(self) -> tuple[float, float]:
        """Where the axis begins and ends."""
        if self.choices:
            return -0.5, len(self.choices) - 0.5
        low, high = self.at(self.low), self.at(self.high)
        return low - 0.03 * (high - low), high + 0.03 * (high - low)

    def mark(self, axes: Axes, side: Literal["x", "y"], name: str) -> None:
        """Name an axis of a panel, with its ticks."""
        places, labels = self._ticks()
        if side == "x":
            axes.set_xlim(*self.ends)
            axes.set_xticks(places, labels=labels)
            axes.set_xlabel(name)
        else:
            axes.set_ylim(*self.ends)
            axes.set_yticks(places, labels=labels)
            axes.set_ylabel(name)
        if side == "x" and sum(map(len, labels)) > _CHARACTERS and max(map(len, labels)) > 4:
            axes.tick_params(axis="x", labelrotation=30)
            for label in axes.get_xticklabels():
                label.set(horizontalalignment="right", rotation_mode="anchor")

    def _ticks(self) -> tuple[list[float], list[str]]:
        if self.choices:
            return [float(i) for i in range(len(self.choices))], list(map(value_text, self.choices))
        if self.log:
            subs = (1.0, 3.0) if self.high < 300 * self.low else (1.0,)
            ticks = LogLocator(subs=subs).tick_values(self.low, self.high)
        else:
            ticks = MaxNLocator(4, integer=self.is_whole).tick_values(self.low, self.high)
        shown = [float(tick) for tick in ticks if self.low <= tick <= self.high * (1 + 1e-9)]
        return [self.at(tick) for tick in shown], list(map(value_text, shown))


def factor_scale(domain: JSON) -> FactorScale:
    """The axis of a parameter's domain."""
    if "choices" in domain:
        return FactorScale(choices=tuple(domain["choices"]))
    low, high = float(domain["low"]), float(domain["high"])
    return FactorScale(low=low, high=high, log=domain.get("log", False), is_whole=_is_whole(domain))


def _is_whole(domain: JSON) -> bool:
    return isinstance(domain["low"], int) and isinstance(domain["high"], int)


def spread(places: Sequence[float], scale: FactorScale) -> np.ndarray:
    """Places a little beside each other where values are listed, so that dots are all seen."""
    if not scale.choices:
        return np.asarray(places, dtype=float)
    turns = (np.arange(len(places)) * 0.618034) % 1.0  # golden section: neighbours lie apart
    return np.asarray(places, dtype=float) + 0.5 * (turns - 0.5)
