"""From what a user asks for to a checked comparison; whatever can be refused is refused here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import models as zoo
from orchestrator.config import TrialConfig, flatten, model_type, override
from orchestrator.data import Dataset
from orchestrator.errors import ConfigError, unknown
from orchestrator.sweep.comparison import Comparison, Contender
from orchestrator.sweep.prepare import at_least_one, checked_name
from orchestrator.sweep.probe import Probe
from orchestrator.sweep.proof import prove
from orchestrator.sweep.retune import Search, prepare_search
from orchestrator.sweep.settings_file import base_settings, model_of
from orchestrator.sweep.space import read_spaces
from orchestrator.training.inputs import label
from orchestrator.training.loop import build_model

OnCheck = Callable[[int, int], None]
"""Hears how many models are checked, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a user asks of a comparison."""

    models: tuple[str, ...]
    """In the order to show them; empty where ``has_all``."""
    has_all: bool = False
    """Every model of the zoo that the data set can serve."""
    num_seeds: int = 5
    tune: int | None = None
    """Points of each model's own search; None runs each at its own settings."""
    tune_space: str | None = None
    """The joint space that is searched, of the same name in each model."""
    configs: tuple[Path, ...] = ()
    """Files of settings, each of one model."""
    overrides: Mapping[str, Any]
    """Dotted key -> value, for every model that has the key; ``MODEL.KEY`` is for one."""
    name: str | None = None


def prepare_comparison(entry: Entry, dataset: Dataset, *, on_check: OnCheck) -> Comparison:
    """A checked comparison on a data set.

    Args:
        entry: what is asked for.
        dataset: the open data set; every model is built on it, and a searched one is trained for
            a moment.
        on_check: told of progress.

    Raises:
        ConfigError: any of it cannot be, or the data set cannot serve a model that is named.
    """
    seeds = tuple(range(at_least_one("--seeds", entry.num_seeds)))
    name = checked_name(entry.name or "unnamed")
    bases, notes = _served(entry, dataset, on_check)
    searches = {model: _search(entry, model) for model in bases}
    contenders = tuple(
        _contender(base, searches[model], entry.overrides, dataset) for model, base in bases.items()
    )
    comparison = Comparison(
        name=name,
        contenders=contenders,
        seeds=seeds,
        data_hash=dataset.data_hash,
        notes=(*notes, *_partly_set(entry.overrides, bases)),
    )
    for place, study in enumerate(comparison.searches().values()):
        on_check(place, len(contenders))
        prove(study.space, study.base, dataset, on_check=lambda *_: None)
    return comparison if entry.name else replace(comparison, name=comparison.default_name())


def named_models(entry: Entry) -> tuple[str, ...]:
    """The models that are asked for, before the data set is looked at.

    Raises:
        ConfigError: one is unknown or named twice, or there is nothing to compare.
    """
    if entry.has_all:
        if entry.models:
            raise ConfigError(
                "--all: takes every model that the data set can serve. Leave the names out."
            )
        return tuple(zoo.names())
    for place, model in enumerate(entry.models):
        model_type(model)
        if model in entry.models[:place]:
            raise ConfigError(f"MODEL: `{model}` is named twice. Name it once.")
    if len(entry.models) < 2:
        told = "there is nothing to compare"
        if entry.models:
            told = f"`{entry.models[0]}` alone cannot be compared"
        raise ConfigError(f"MODEL: {told}: name two models or more, or --all.")
    return entry.models


def _served(
    entry: Entry, dataset: Dataset, on_check: OnCheck
) -> tuple[dict[str, TrialConfig], tuple[str, ...]]:
    """Settings of the models that the data set can serve, and why others of all are left out."""
    names = named_models(entry)
    found: dict[str, TrialConfig] = {}
    notes = []
    for place, (model, base) in enumerate(_bases(entry, names, dataset.name).items()):
        on_check(place, len(names))
        try:
            build_model(base, dataset)
        except ConfigError as error:
            if not entry.has_all:
                raise
            notes.append(f"`{model}` is left out: {error}")
            continue
        found[model] = base
    if len(found) < 2:
        raise ConfigError(
            f"--all: there is nothing to compare on {dataset.name}. {' '.join(notes)}"
        )
    return found, tuple(notes)


def _bases(entry: Entry, names: tuple[str, ...], dataset: str) -> dict[str, TrialConfig]:
    """Model -> its own settings, with those of files and of the command line over them."""
    files = _files(entry.configs, names)
    bases = {model: base_settings(model, dataset, files.get(model)) for model in names}
    _refuse_unknown(entry.overrides, bases)
    return {
        model: override(base, _own(entry.overrides, model, bases), where="--set")
        for model, base in bases.items()
    }


def _files(configs: tuple[Path, ...], names: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in configs:
        model = model_of(path)
        if model not in names:
            raise ConfigError(
                f"--config: {path} is of {model}, which is not compared. Leave it out."
            )
        if model in found:
            raise ConfigError(f"--config: {path} is of {model}, as {found[model]} is. Name one.")
        found[model] = path
    return found


def _own(
    overrides: Mapping[str, Any], model: str, bases: Mapping[str, TrialConfig]
) -> dict[str, Any]:
    """What is set of a model; what is for it alone goes over what is for all."""
    known = flatten(bases[model])
    shared = {key: value for key, value in overrides.items() if key in known}
    alone = {
        key.removeprefix(f"{model}."): value
        for key, value in overrides.items()
        if key.partition(".")[0] == model
    }
    return {**shared, **alone}


def _refuse_unknown(overrides: Mapping[str, Any], bases: Mapping[str, TrialConfig]) -> None:
    known = {key for base in bases.values() for key in flatten(base)}
    for key in overrides:
        if key not in known and key.partition(".")[0] not in bases:
            raise ConfigError(f"--set: {unknown('key', key, known)}")


def _partly_set(overrides: Mapping[str, Any], bases: Mapping[str, TrialConfig]) -> tuple[str, ...]:
    """A sentence for each setting that some of the models do not have."""
    notes = []
    for key, value in overrides.items():
        have = [model for model, base in bases.items() if key in flatten(base)]
        if have and len(have) < len(bases):
            notes.append(f"`{key}` = {value!r} is set of {', '.join(have)} alone.")
    return tuple(notes)


def _search(entry: Entry, model: str) -> Search | None:
    declared = read_spaces(model)
    return prepare_search(entry.tune, entry.tune_space, declared, model=model, option="--tune")


def _contender(
    base: TrialConfig, search: Search | None, overrides: Mapping[str, Any], dataset: Dataset
) -> Contender:
    """A model with what it is searched over on this data set."""
    plain = Contender(base=base, label=label(base, dataset))
    if search is None:
        return plain
    set_here = {key.removeprefix(f"{base.model}.") for key in overrides}
    both = sorted(set_here & set(search.space.factors))
    if both:
        raise ConfigError(
            f"--set: `{both[0]}` of {base.model} is searched by --tune (space "
            f"{search.space.name}). Leave it out."
        )
    return replace(plain, search=search.without_inert((plain.member,), base, Probe(dataset)))
