"""Search spaces: TOML files, checked against the model's typed config before anything starts.

One file per model, ``search_spaces/<model>.toml``::

    [spaces.heads]
    kind = "one-factor"                 # each factor alone, the rest at the base
    about = "What this space asks."
    factors.model.text_heads = {choices = [1, 2, 4]}

    [spaces.joint]
    kind = "joint"                      # all factors together: grid if small, else sampled
    factors.train.learning_rate = {low = 1e-4, high = 1e-2, log = true}
    factors.model.contrast_weight = {choices = [0.0, 0.1, 1.0]}
    factors.model.temperature = {low = 0.1, high = 1.0, when = {"model.contrast_weight" = [1.0]}}

    [datasets.planted]                  # what differs from the defaults on a data set
    train.learning_rate = 2e-3

    [variants.without_text]             # named overrides, for ablations
    model.use_text = false

    [ablations.components]              # a group of variants; what `orch ablate` takes by default
    about = "What this ablation asks."
    variants = ["without_text"]

A factor with ``when`` exists only where all the factors that it names, which have ``choices``, are
at one of the values listed there. Elsewhere the setting stays at the base, nothing is drawn for
it, and no point has its key. Grids and joint spaces know conditions, one-factor spaces do not.

What ``[diagnostics.VIEW]`` says is in :mod:`orchestrator.sweep.diagnostics`.
``[spaces.NAME.base]`` sets what differs from the model's defaults where nothing is swept.
"""

import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import orchestrator
from orchestrator.config import TrialConfig, default_trial, flatten, override
from orchestrator.errors import ConfigError, unknown
from orchestrator.sweep.conditions import (
    activations,
    check_conditions,
    corners,
    num_points,
    pairs,
)
from orchestrator.sweep.diagnostics import Diagnostics, read_diagnostics
from orchestrator.sweep.experiments import Experiment, experiment
from orchestrator.sweep.factors import Choice as Choice
from orchestrator.sweep.factors import Factor as Factor
from orchestrator.sweep.factors import Range as Range
from orchestrator.sweep.factors import frozen, read_factor
from orchestrator.tracking.runs import BASE

Kind = Literal["one-factor", "grid", "joint"]
KINDS: tuple[Kind, ...] = ("one-factor", "grid", "joint")
PARTS = ("spaces", "datasets", "variants", "ablations", "diagnostics", "experiments")
NAME_LETTERS = frozenset(string.ascii_letters + string.digits + "-_.")
"""What the name of a variant, of a sweep or of an ablation may consist of."""


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
        """Number of points of all factors together; infinite where one is a range."""
        return num_points(self.factors)

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
        name: {key: frozen(value) for key, value in _dotted(table)}
        for name, table in tables.items()
    }


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
    check_conditions(space.factors, space.source, kind=space.kind)
    for point in _corner_points(space):
        override(base, point, where=space.source)
    return base


def _corner_points(space: Space) -> Iterator[dict[str, Any]]:
    """Every factor's values, and where factors vary together those of every two."""
    for key in space.factors:
        for around in activations(space.factors, key):
            yield from corners(space.factors, around, key)
    if space.kind != "one-factor":
        yield from pairs(space.factors)


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
    factors = {
        key: read_factor(value, f"{where} `{key}`", flat=lambda table: dict(_dotted(table)))
        for key, value in _factors(table, where)
    }
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
    return _dotted(_table(table, "factors", where), stop={"choices", "low", "high", "log", "when"})


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
