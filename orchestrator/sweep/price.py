"""What points cost, from timing few of them: the base, and the ends of what changes the cost.

A point that changes one setting at an end of its factor is timed itself; between the ends the cost
is a line. Where a point changes several, the cost lies between two ways to join them: what each
adds, added up; and by how much each multiplies, multiplied.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from orchestrator.config import TrialConfig, flatten, override
from orchestrator.sweep.cost import Cost, cost_class
from orchestrator.sweep.space import Choice, Factor, Space
from orchestrator.sweep.study import point_name

Move = Mapping[str, Any]
"""What is changed together: one setting of a space, or all that a variant changes."""
Time = Callable[[TrialConfig], Cost]
"""Times a run of some settings."""


@dataclass(frozen=True)
class Between:
    """The lowest and the highest cost that a run may have."""

    low: Cost
    high: Cost


class Prices:
    """Times what it must, each cost class once, and derives the rest."""

    def __init__(self, base: TrialConfig, time: Time, factors: Mapping[str, Factor]) -> None:
        self.timed: dict[str, Cost] = {}
        """What was timed, by name."""
        self._base = base
        self._time = time
        self._factors = factors
        self._known: dict[Hashable, Cost] = {}

    def of(self, moves: Sequence[Move]) -> Between:
        """The cost of a point that makes some moves from the base."""
        base = self._cost({})
        acting = [move for move in moves if self._acts(move)]
        if not acting:
            return Between(base, base)
        if len(acting) == 1:
            one = self._single(acting[0])
            return Between(one, one)
        singles = [self._single(move) for move in acting]
        times = [one.epoch / base.epoch for one in singles]
        sizes = [one.weights / base.weights for one in singles]
        ends = sorted(zip(_joined(times), _joined(sizes), strict=True))
        return Between(*(base.scaled(time, size) for time, size in ends))

    def drawn(self, space: Space, before: Sequence[Move], *, num: int, seed: int) -> list[Between]:
        """Costs of points drawn at random from a space, after other moves."""
        generator = np.random.default_rng(seed)
        return [
            self.of([*before, *({k: _draw(f, generator)} for k, f in space.factors.items())])
            for _ in range(num)
        ]

    def _single(self, move: Move) -> Cost:
        """The cost of one move: timed, or on the line between two that are."""
        key = next(iter(move))
        if len(move) > 1 or key not in self._factors or not _is_number(move[key]):
            return self._cost(move)
        ends = self._ends(key)
        value = move[key]
        if value in ends:
            return self._cost(move)
        low = max((end for end in ends if end < value), default=min(ends))
        high = min((end for end in ends if end > value), default=max(ends))
        share = (value - low) / (high - low) if high > low else 0.0
        return _line(self._at(key, low), self._at(key, high), share)

    def _ends(self, key: str) -> list[Any]:
        """The smallest and the largest value of a factor, and the base's."""
        values = [value for value in _values(self._factors[key]) if _is_number(value)]
        own = flatten(self._base)[key]
        return [min(values), max(values), *([own] if _is_number(own) else [])]

    def _at(self, key: str, value: Any) -> Cost:  # noqa: ANN401 - a setting's value
        return self._cost({key: value})

    def _acts(self, move: Move) -> bool:
        return cost_class(self._moved(move)) != cost_class(self._base)

    def _moved(self, move: Move) -> TrialConfig:
        return override(self._base, move, where="--plan")

    def _cost(self, move: Move) -> Cost:
        config = self._moved(move)
        known = cost_class(config)
        if known not in self._known:
            self._known[known] = self._time(config)
            base = flatten(self._base)
            changed = {key: value for key, value in move.items() if base[key] != value}
            self.timed[point_name(changed)] = self._known[known]
        return self._known[known]


def _joined(factors: Iterable[float]) -> tuple[float, float]:
    """Added up, what each adds; and multiplied. Below a twentieth nothing goes."""
    listed = list(factors)
    return max(0.05, 1 + sum(factor - 1 for factor in listed)), prod(listed)


def _line(low: Cost, high: Cost, share: float) -> Cost:
    time = 1 + share * (high.epoch / low.epoch - 1)
    size = 1 + share * (high.weights / low.weights - 1)
    return low.scaled(time, size)


def _values(factor: Factor) -> tuple[Any, ...]:
    return factor.corners()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _draw(factor: Factor, generator: np.random.Generator) -> Any:  # noqa: ANN401
    if isinstance(factor, Choice):
        return factor.choices[generator.integers(len(factor.choices))]
    low, high = float(factor.low), float(factor.high)
    drawn = np.exp(generator.uniform(np.log(low), np.log(high))) if factor.log else None
    value = float(generator.uniform(low, high) if drawn is None else drawn)
    return round(value) if factor.is_whole else min(max(value, low), high)
