"""Search spaces: TOML files, checked against the model's typed config before anything starts.

One file per model, ``search_spaces/<model>.toml``::

    [spaces.heads]
    kind = "one-factor"                 # each factor alone, the rest at the base
    about = "What this space asks."
    factors.model.text_heads = {choices = [1, 2, 4]}

    [spaces.joint]
    kind = "joint"                      # all factors together: grid if small, else sampled
    factors.train.learning_rate = {low = 1e-4, high = 1e-2, log = true}

    [datasets.planted]                  # what differs from the defaults on a data set
    train.learning_rate = 2e-3

    [variants.without_text]             # named overrides, for ablations
    model.use_text = false

    [ablations.components]              # a group of variants; what `orch ablate` takes by default
    about = "What this ablation asks."
    variants = ["without_text"]

What ``[diagnostics.VIEW]`` says is in :mod:`orchestrator.sweep.diagnostics`.
``[spaces.NAME.base]`` sets what differs from the model's defaults where nothing is swept.
"""

import itertools
import math
import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import orchestrator
from orchestrator.config import TrialConfig, default_trial, flatten, override
from orchestrator.errors import ConfigError, unknown
from orchestrator.sweep.diagnostics import Diagnostics, read_diagnostics
from orchestrator.sweep.experiments import Experiment, experiment
from orchestrator.tracking.runs import BASE

Kind = Literal["one-factor", "grid", "joint"]
KINDS: tuple[Kind, ...] = ("one-factor", "grid", "joint")
PARTS = ("spaces", "datasets", "variants", "ablations", "diagnostics", "experiments")
NAME_LETTERS = frozenset(string.ascii_letters + string.digits + "-_.")
"""What the name of a variant, of a sweep or of an ablation may consist of."""


@dataclass(frozen=True)
class Choice:
    """A factor with listed values."""

    choices: tuple[Any, ...]

    def corners(self) -> tuple[Any, ...]:
        """Values to check before the start: all of them."""
        return self.choices


@dataclass(frozen=True)
class Range:
    """A factor between two bounds, both included; whole numbers where both bounds are."""

    low: int | float
    high: int | float
    log: bool = False

    def corners(self) -> tuple[Any, ...]:
        """Values to check before the start: the bounds."""
        return (self.low, self.high)

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Factor = Choice | Range


@dataclass(frozen=True, kw_only=True)
class Space:
    """A named search space of one model."""

    name: str
    model: str
    kind: Kind
    about: str
    factors: Mapping[str, Factor]
    base: Mapping[str, Any] = field(default_factory=dict)
    source: str
    """The file it was read from, to begin messages with."""

    def size(self) -> float:
        """Number of points of the full product; infinite where a factor is a range."""
        sizes = [len(f.choices) if isinstance(f, Choice) else float("inf") for f in self.choices()]
        total = 1.0
        for size in sizes:
            total *= size
        return total

    def choices(self) -> tuple[Factor, ...]:
        """The factors without their keys."""
        return tuple(self.factors.values())


@dataclass(frozen=True, kw_only=True)
class Group:
    """Variants that are run together, by one name."""

    about: str
    variants: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SpaceFile:
    """All that one model's file declares."""

    spaces: Mapping[str, Space]
    datasets: Mapping[str, Mapping[str, Any]]
    """Data set -> settings chosen for it, by validation, where they differ from the defaults."""
    variants: Mapping[str, Mapping[str, Any]]
    """Variant -> what it overrides."""
    ablations: Mapping[str, Group] = field(default_factory=dict)
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    experiments: Mapping[str, Experiment] = field(default_factory=dict)


def folder() -> Path:
    """Where the files of spaces lie."""
    return Path(orchestrator.__file__).parents[1] / "search_spaces"


def read_spaces(model: str, *, path: Path | None = None) -> SpaceFile:
    """Read a model's file of spaces.

    Raises:
        ConfigError: no file, no TOML, or a table or key that spaces do not have.
    """
    path = path or folder() / f"{model}.toml"
    try:
        plain = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ConfigError(
            f"{path.name}: `{model}` has no search spaces. Write search_spaces/{path.name}."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name}: is not TOML: {error}.") from None
    _only(plain, set(PARTS), path.name)
    tables = {part: _tables(plain, part, path.name) for part in PARTS}
    spaces = {
        name: _space(name, model, table, f"{path.name}: [spaces.{name}]")
        for name, table in tables["spaces"].items()
    }
    for name in tables["variants"]:
        _check_variant_name(name, f"{path.name}: [variants]")
    variants = _overrides(tables["variants"])
    return SpaceFile(
        spaces=spaces,
        datasets=_overrides(tables["datasets"]),
        variants=variants,
        ablations={
            name: _group(name, table, variants, f"{path.name}: [ablations.{name}]")
            for name, table in tables["ablations"].items()
        },
        diagnostics=read_diagnostics(tables["diagnostics"], variants, path.name),
        experiments={
            name: experiment(table, f"{path.name}: [experiments.{name}]")
            for name, table in tables["experiments"].items()
        },
    )


def _check_variant_name(name: str, where: str) -> None:
    if name == BASE or name[:1] in ("", ".") or set(name) - NAME_LETTERS:
        raise ConfigError(
            f"{where}: `{name}` cannot be a name: use letters, digits, `-`, `_`, `.`, no `.` at "
            f"the beginning, and not `{BASE}`."
        )


def _group(name: str, table: Mapping[str, Any], variants: Mapping[str, Any], where: str) -> Group:
    _check_variant_name(name, where)
    _only(table, {"about", "variants"}, where)
    if name in variants:
        raise ConfigError(f"{where}: `{name}` is a variant already. Rename the group.")
    listed = table.get("variants")
    if not isinstance(listed, list) or not listed:
        raise ConfigError(
            f"{where}: `variants` cannot be {listed!r}: it must list one variant or more."
        )
    for variant in listed:
        if variant not in variants:
            raise ConfigError(f"{where}: {unknown('variant', str(variant), variants)}")
    return Group(about=table.get("about", ""), variants=tuple(dict.fromkeys(listed)))


def _tables(plain: Mapping[str, Any], part: str, where: str) -> dict[str, dict[str, Any]]:
    return {
        name: _table(_table(plain, part, where), name, f"{where}: [{part}]")
        for name in _table(plain, part, where)
    }


def _table(parent: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    table = parent.get(key, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: `{key}` cannot be {table!r}: it must be a table.")
    return table


def _overrides(tables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: {key: _frozen(value) for key, value in _dotted(table)}
        for name, table in tables.items()
    }


def _frozen(value: object) -> object:
    """TOML knows arrays only; settings hold tuples."""
    return tuple(value) if isinstance(value, list) else value


def base_trial(model: str, dataset: str) -> TrialConfig:
    """A model's settings on a data set: its defaults, and what its file sets for that one.

    Raises:
        ConfigError: there is no such model, or its file is wrong.
    """
    base = default_trial(model, dataset)
    declared = read_spaces(model).datasets.get(dataset, {})
    return override(base, declared, where=f"{model}.toml: [datasets.{dataset}]")


def find_space(model: str, name: str) -> Space:
    """A model's space by name.

    Raises:
        ConfigError: there is none of that name, or its file is wrong.
    """
    spaces = read_spaces(model).spaces
    if name not in spaces:
        raise ConfigError(unknown(f"space of {model}", name, spaces))
    return spaces[name]


def check(space: Space, base: TrialConfig) -> TrialConfig:
    """Check every factor's values, alone and in pairs, against the model's config.

    Returns:
        The base point: ``base`` with the space's own base settings.

    Raises:
        ConfigError: an unknown key, a wrong type, an empty range, or a point no config allows.
    """
    base = override(base, space.base, where=f"{space.source} base")
    for key, factor in space.factors.items():
        if key not in flatten(base):
            raise ConfigError(f"{space.source} {unknown('key', key, flatten(base))}")
        _check_factor(space, key, factor)
        for value in factor.corners():
            override(base, {key: value}, where=space.source)
    if space.kind != "one-factor":
        for pair in itertools.combinations(space.factors.items(), 2):
            for point in _corner_pairs(*pair):
                override(base, point, where=space.source)
    return base


def _corner_pairs(
    first: tuple[str, Factor], second: tuple[str, Factor]
) -> Iterator[dict[str, Any]]:
    for one, other in itertools.product(first[1].corners(), second[1].corners()):
        yield {first[0]: one, second[0]: other}


def _check_factor(space: Space, key: str, factor: Factor) -> None:
    where = f"{space.source} `{key}`"
    if isinstance(factor, Choice):
        if len(set(factor.choices)) != len(factor.choices) or not factor.choices:
            raise ConfigError(f"{where} cannot be {list(factor.choices)}: values must differ.")
        return
    if space.kind != "joint":
        raise ConfigError(f"{where} cannot be a range: a {space.kind} space needs `choices`.")
    if not factor.low < factor.high:
        raise ConfigError(f"{where}: `low` = {factor.low} must be below `high` = {factor.high}.")
    if factor.log and factor.low <= 0:
        raise ConfigError(f"{where}: `low` = {factor.low} must be above 0 on a log scale.")


def _space(name: str, model: str, table: Mapping[str, Any], where: str) -> Space:
    _only(table, {"kind", "about", "base", "factors"}, where)
    kind = table.get("kind")
    if kind not in KINDS:
        raise ConfigError(f"{where} `kind` cannot be {kind!r}: it must be one of {list(KINDS)}.")
    factors = {key: _factor(value, f"{where} `{key}`") for key, value in _factors(table, where)}
    if not factors:
        raise ConfigError(f"{where}: `factors` is empty. Name a key to sweep.")
    return Space(
        name=name,
        model=model,
        kind=cast(Kind, kind),
        about=table.get("about", ""),
        factors=factors,
        base=dict(_dotted(_table(table, "base", where))),
        source=where,
    )


def _factors(table: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    return _dotted(_table(table, "factors", where), stop={"choices", "low", "high", "log"})


def _factor(value: object, where: str) -> Factor:
    if isinstance(value, dict) and _is_choice(value):
        return Choice(tuple(map(_frozen, value["choices"])))
    if isinstance(value, dict) and _is_range(value):
        return Range(value["low"], value["high"], value.get("log", False))
    raise ConfigError(
        f"{where} cannot be {value!r}: write {{choices = [...]}} or {{low = .., high = ..}}."
    )


def _is_choice(table: Mapping[str, Any]) -> bool:
    return set(table) == {"choices"} and isinstance(table["choices"], list)


def _is_range(table: Mapping[str, Any]) -> bool:
    bounds = (table.get("low"), table.get("high"))
    has_keys = {"low", "high"} <= set(table) <= {"low", "high", "log"}
    return has_keys and isinstance(table.get("log", False), bool) and all(map(_is_finite, bounds))


def _is_finite(bound: object) -> bool:
    is_number = isinstance(bound, int | float) and not isinstance(bound, bool)
    return is_number and math.isfinite(cast(float, bound))


def _dotted(
    table: Mapping[str, Any], *, stop: set[str] | frozenset[str] = frozenset(), prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Nested tables as dotted keys; a table with a key of ``stop`` is a value."""
    for key, value in table.items():
        if isinstance(value, dict) and not stop & set(value):
            yield from _dotted(value, stop=stop, prefix=f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _only(table: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: {unknown('key', key, known)}")
