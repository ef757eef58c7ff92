"""The search that each variant of an ablation gets of its own, so that none profits from another's.

A component that is switched off at settings tuned with it looks better than it is. So base and
variants are each searched with the same number of points at the first seed, and chosen from by
validation alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from models import Config
from orchestrator.config import JSON, MONITOR, TrialConfig, flatten, override
from orchestrator.errors import ConfigError, unknown
from orchestrator.sweep.conditions import settled
from orchestrator.sweep.factors import Factor, plain
from orchestrator.sweep.prepare import at_least_one
from orchestrator.sweep.probe import Probe
from orchestrator.sweep.run import StudyOutcome
from orchestrator.sweep.space import Space, SpaceFile, check
from orchestrator.sweep.study import Run, SpaceStudy
from orchestrator.tracking.runs import VariantInfo

DEFAULT_SPACE = "joint"
"""The space that is searched where none is named."""
SWITCHED_OFF = "since the variant switches it off"


@dataclass(frozen=True, kw_only=True)
class Search:
    """What each variant is searched over, and with how many points."""

    space: Space
    num_trials: int
    inert: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Variant -> keys that change nothing with it, and why."""

    def study(
        self, variant: VariantInfo, base: TrialConfig, *, name: str, data_hash: str
    ) -> SpaceStudy:
        """A variant's own search: without what it sets itself, and what changes nothing with it.

        Args:
            variant: whose settings are searched.
            base: the ablation's base.
            name: the ablation's name.
            data_hash: of the data set.

        Raises:
            ConfigError: the space does not fit the variant.
        """
        changed = {**self.space.base, **variant.changed}
        where = f"{self.space.source} with variant `{variant.name}`"
        config = override(base, changed, where=where)
        fixed = {*variant.changed, *self.inert.get(variant.name, {})}
        values = {key: value for key, value in flatten(config).items() if key in fixed}
        own = replace(self.space, factors=settled(self.space.factors, values), base={})
        check(replace(own, source=where), config)
        return SpaceStudy(
            name=f"{name}-{variant.name}",
            space=own,
            base=config,
            seeds=(0,),
            num_trials=self.num_trials,
            data_hash=data_hash,
            notes=self._notes(variant, own),
            variant=replace(variant, changed=changed),
        )

    def _notes(self, variant: VariantInfo, own: Space) -> tuple[str, ...]:
        set_itself = [key for key in self.space.factors if key in variant.changed]
        notes = [f"`{key}` is not searched: the variant sets it." for key in set_itself]
        inert = self.inert.get(variant.name, {})
        notes += [f"`{key}` is not searched: it changes nothing, {inert[key]}." for key in inert]
        told = {*own.factors, *variant.changed, *inert}
        notes += [
            f"`{key}` is not searched: what it needs is not searched."
            for key in self.space.factors
            if key not in told
        ]
        if own.size() <= self.num_trials:
            notes.append(f"all {own.size():.0f} points that the space has here are run.")
        return tuple(notes)

    def without_inert(
        self, variants: tuple[VariantInfo, ...], base: TrialConfig, probe: Probe
    ) -> "Search":
        """The search without the factors that change nothing with a variant, as its model says."""
        inert = {}
        for variant in variants:
            config = override(base, variant.changed, where=variant.name)
            free = {k: f for k, f in self.space.factors.items() if k not in variant.changed}
            told = dict.fromkeys(switched_off(free, config.settings), SWITCHED_OFF)
            told |= probe.inert_settings(config)
            keys = {f"model.{name}": why for name, why in told.items()}
            inert[variant.name] = {key: keys[key] for key in self.space.factors if key in keys}
        return replace(self, inert=inert)

    def plan(self) -> JSON:
        """What decides the results of the searches."""
        return {
            "trials": self.num_trials,
            "space": self.space.name,
            "base": dict(self.space.base),
            "factors": {key: plain(factor) for key, factor in self.space.factors.items()},
            "inert": {variant: sorted(keys) for variant, keys in self.inert.items()},
        }


def switched_off(factors: Mapping[str, Factor], settings: Config) -> list[str]:
    """The model's factors that its other settings switch off, whatever the other factors are."""
    values = {
        key.removeprefix("model."): factor.corners()
        for key, factor in factors.items()
        if key.startswith("model.")
    }
    return [
        name
        for name in values
        if all(
            _is_level(settings, name, values[name], around)
            for around in _corners({key: own for key, own in values.items() if key != name})
        )
    ]


def _corners(factors: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """No change, and each value of each factor alone."""
    yield {}
    for key, values in factors.items():
        yield from ({key: value} for value in values)


def _is_level(
    settings: Config, name: str, values: tuple[Any, ...], around: Mapping[str, Any]
) -> bool:
    """Whether a setting's values are one and the same computation."""
    try:
        every = [replace(settings, **{**around, name: value}).canonical() for value in values]
    except ValueError:  # a corner that no config allows
        return False
    return all(one == every[0] for one in every)


def prepare_search(
    num_trials: int | None,
    space: str | None,
    declared: SpaceFile,
    *,
    model: str,
    option: str = "--retune",
) -> Search | None:
    """The search that a user asks for; None where none is.

    Args:
        num_trials: its points.
        space: the joint space; None takes :data:`DEFAULT_SPACE`.
        declared: the model's file of spaces.
        model: whose it is.
        option: what asks for it; that of the space is called ``OPTION-space``.

    Raises:
        ConfigError: there is no such space, or it cannot be searched.
    """
    if num_trials is None:
        if space is not None:
            raise ConfigError(f"{option}-space: nothing is searched without {option} N. Add it.")
        return None
    at_least_one(option, num_trials)
    name = space or DEFAULT_SPACE
    if name not in declared.spaces:
        asked = f"{option}-space" if space else option
        raise ConfigError(f"{asked}: {unknown(f'space of {model}', name, declared.spaces)}")
    found = declared.spaces[name]
    if found.kind != "joint":
        raise ConfigError(
            f"{option}-space cannot be {name}: it is a {found.kind} space of {model}. "
            "Name a joint one."
        )
    return Search(space=found, num_trials=num_trials)


def best(outcome: StudyOutcome) -> Run | None:
    """The run of a search with the highest validation NDCG@10; None where none finished."""
    finished = [(run, record) for run, record in outcome.ended if record.status == "finished"]
    if not finished:
        return None
    chosen, _ = max(finished, key=lambda pair: (pair[1].metrics[MONITOR], pair[0].run_id))
    return chosen
