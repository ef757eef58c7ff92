"""Factors that exist only where others have certain values: their order, their points, checks.

A point of such a space holds no key of a factor that does not exist in it, so that equal
computations are equal points.
"""

import itertools
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from math import prod
from typing import Any

from orchestrator.errors import ConfigError, unknown
from orchestrator.sweep.factors import Choice, Condition, Factor

Factors = Mapping[str, Factor]
Point = Mapping[str, Any]


def exists(factor: Factor, point: Point) -> bool:
    """Whether a factor exists in a point that has all that stand before it."""
    return all(key in point and among(point[key], values) for key, values in factor.when.items())


def among(value: object, values: tuple[Any, ...]) -> bool:
    """Whether a value is listed; 1 is not True."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in values)


def ordered(factors: Factors) -> dict[str, Factor]:
    """The factors as declared, but each after those that its condition names."""
    placed: dict[str, Factor] = {}

    def place(key: str) -> None:
        for other in factors[key].when:
            if other in factors and other not in placed:
                place(other)
        placed[key] = factors[key]

    for key in factors:
        if key not in placed:
            place(key)
    return placed


def _check_circles(factors: Factors, where: str) -> None:
    try:
        TopologicalSorter({key: list(factor.when) for key, factor in factors.items()}).prepare()
    except CycleError as error:
        circle = " -> ".join(f"`{key}`" for key in error.args[1])
        raise ConfigError(f"{where}: the conditions go in a circle: {circle}. Drop one.") from None


def check_conditions(factors: Factors, where: str, *, kind: str) -> None:
    """Refuse conditions that cannot be.

    Raises:
        ConfigError: an unknown factor, a range, a value not listed, a circle, or a condition that
            never holds; or any in a space that varies each factor alone.
    """
    for key, factor in factors.items():
        for other, values in factor.when.items():
            _check_condition(factors, f"{where} `{key}`", other, values, kind)
    _check_circles(factors, where)
    for key, factor in factors.items():
        if factor.when and not activations(factors, key):
            raise ConfigError(
                f"{where} `{key}`: `when` never holds: the factors that it names exist only with "
                "other values. Mend it or leave the factor out."
            )


def _check_condition(
    factors: Factors, where: str, other: str, values: tuple[Any, ...], kind: str
) -> None:
    if kind == "one-factor":
        raise ConfigError(
            f"{where}: `when` cannot be used in a one-factor space, which varies each factor "
            "alone. Set what it needs under `base`."
        )
    if other not in factors:
        raise ConfigError(f"{where}: `when`: {unknown('factor of this space', other, factors)}")
    parent = factors[other]
    if not isinstance(parent, Choice):
        raise ConfigError(f"{where}: `when` cannot name `{other}`: it must have `choices`.")
    for value in values:
        if not among(value, parent.choices):
            raise ConfigError(
                f"{where}: `when` never holds with `{other}` = {value!r}: its values are "
                f"{list(parent.choices)}."
            )


def activations(factors: Factors, *keys: str) -> list[dict[str, Any]]:
    """The least that other factors must be set to for some to exist, in every way; `{}` is one.

    Args:
        factors: of a space.
        keys: of the factors that are all to exist.
    """
    needed = _ancestors(factors, keys)
    inner = {key: factor for key, factor in ordered(factors).items() if key in needed}
    found: list[dict[str, Any]] = []
    for point in walk(inner):
        kept = {key: value for key, value in point.items() if key in needed}
        if all(exists(factors[key], kept) for key in keys) and kept not in found:
            found.append(kept)
    return found


def _ancestors(factors: Factors, keys: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    left = [other for key in keys for other in factors[key].when]
    while left:
        key = left.pop()
        if key not in found:
            found.add(key)
            left += factors[key].when
    return found


def walk(factors: Factors) -> Iterator[dict[str, Any]]:
    """All points of factors with listed values, each once, the last factor moving fastest."""
    return _walk(list(ordered(factors).items()), {})


def _walk(left: list[tuple[str, Factor]], point: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if not left:
        yield point
        return
    (key, factor), *rest = left
    if not exists(factor, point):
        yield from _walk(rest, point)
        return
    assert isinstance(factor, Choice), "a range has no list of values"
    for value in factor.choices:
        yield from _walk(rest, {**point, key: value})


def num_points(factors: Factors) -> float:
    """Number of points; infinite where a factor is a range."""
    parents = {other for factor in factors.values() for other in factor.when}
    tree = {key: factor for key, factor in factors.items() if key in parents}
    others = {key: factor for key, factor in factors.items() if key not in parents}
    return float(
        sum(
            prod(_num_values(factor) for factor in others.values() if exists(factor, point))
            for point in walk(tree)
        )
    )


def _num_values(factor: Factor) -> float:
    return float(len(factor.choices)) if isinstance(factor, Choice) else float("inf")


def settled(factors: Factors, values: Point) -> dict[str, Factor]:
    """What is left to vary where some factors are set: without those, and what needs others.

    Args:
        factors: of a space.
        values: setting -> value, of those at least that are set; a factor among them varies not.
    """
    left: dict[str, Factor] = {}
    gone = set(values)
    for key, factor in ordered(factors).items():
        fixed = {other: listed for other, listed in factor.when.items() if other in gone}
        holds = all(other in values and among(values[other], fixed[other]) for other in fixed)
        if key in values or not holds:
            gone.add(key)
            continue
        left[key] = _with(factor, {k: v for k, v in factor.when.items() if k not in fixed})
    return {key: left[key] for key in factors if key in left}


def _with(factor: Factor, when: Condition) -> Factor:
    return type(factor)(**{**vars(factor), "when": when})


def pairs(factors: Factors) -> Iterator[dict[str, Any]]:
    """Every two factors at their corners, with what must be set for both to exist."""
    for one, other in itertools.combinations(factors, 2):
        for around in activations(factors, one, other):
            yield from corners(factors, around, one, other)


def corners(factors: Factors, around: Point, *keys: str) -> Iterator[dict[str, Any]]:
    """Factors at their corners around a point, where these do not contradict it."""
    for values in itertools.product(*(factors[key].corners() for key in keys)):
        corner = dict(zip(keys, values, strict=True))
        if all(around.get(key, value) == value for key, value in corner.items()):
            yield {**around, **corner}
