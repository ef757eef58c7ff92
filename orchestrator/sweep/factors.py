"""Factors of a space: listed values or a range, and the condition under which one exists."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from orchestrator.config import JSON
from orchestrator.errors import ConfigError

Condition = Mapping[str, tuple[Any, ...]]
"""Other factor -> its values with which a factor exists; empty for one that always does."""


@dataclass(frozen=True)
class Choice:
    """A factor with listed values."""

    choices: tuple[Any, ...]
    when: Condition = field(default_factory=dict)

    def corners(self) -> tuple[Any, ...]:
        """Values to check before the start: all of them."""
        return self.choices


@dataclass(frozen=True)
class Range:
    """A factor between two bounds, both included; whole numbers where both bounds are."""

    low: int | float
    high: int | float
    log: bool = False
    when: Condition = field(default_factory=dict)

    def corners(self) -> tuple[Any, ...]:
        """Values to check before the start: the bounds."""
        return (self.low, self.high)

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Factor = Choice | Range


def plain(factor: Factor) -> JSON:
    """A factor as plain data; without a condition it is as it was before there were any."""
    return {key: value for key, value in vars(factor).items() if key != "when" or value}


def read_factor(value: object, where: str, *, flat: Callable[[Any], Mapping[str, Any]]) -> Factor:
    """A factor of a TOML table.

    Args:
        value: what stands in the file.
        where: file and table, to begin messages with.
        flat: makes nested tables dotted keys.

    Raises:
        ConfigError: it is neither of the two forms.
    """
    if isinstance(value, dict):
        when = _condition(value.get("when", {}), where, flat)
        rest = {key: part for key, part in value.items() if key != "when"}
        if _is_choice(rest):
            return Choice(tuple(map(frozen, rest["choices"])), when)
        if _is_range(rest):
            return Range(rest["low"], rest["high"], rest.get("log", False), when)
    raise ConfigError(
        f"{where} cannot be {value!r}: write {{choices = [...]}} or {{low = .., high = ..}}."
    )


def _condition(table: object, where: str, flat: Callable[[Any], Mapping[str, Any]]) -> Condition:
    flattened = flat(table) if isinstance(table, dict) else {"": table}
    found: dict[str, tuple[Any, ...]] = {}
    for key, values in flattened.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(
                f"{where}: `when` cannot be {table!r}: it must list another factor's values. "
                'Write when = {"model.other" = [true]}.'
            )
        found[key] = tuple(map(frozen, values))
    return found


def frozen(value: object) -> object:
    """TOML knows arrays only; settings hold tuples."""
    return tuple(value) if isinstance(value, list) else value


def _is_choice(table: Mapping[str, Any]) -> bool:
    return set(table) == {"choices"} and isinstance(table["choices"], list)


def _is_range(table: Mapping[str, Any]) -> bool:
    bounds = (table.get("low"), table.get("high"))
    has_keys = {"low", "high"} <= set(table) <= {"low", "high", "log"}
    return has_keys and isinstance(table.get("log", False), bool) and all(map(_is_finite, bounds))


def _is_finite(bound: object) -> bool:
    is_number = isinstance(bound, int | float) and not isinstance(bound, bool)
    return is_number and math.isfinite(cast(float, bound))
