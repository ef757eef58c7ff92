"""Studies: trials at given seeds, and the runs that follow from them.

A trial is one assignment of settings, a run is a trial at a seed. A study of a space derives its
trials from the space's factors, or lets Optuna propose them; a listed study is told its trials.
"""

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from orchestrator.config import JSON, TrialConfig, content_hash, flatten, override
from orchestrator.digest import code_digest
from orchestrator.errors import ConfigError
from orchestrator.results import read_json, run_id, write_json
from orchestrator.sweep.conditions import walk
from orchestrator.sweep.factors import Choice, plain
from orchestrator.sweep.space import Space
from orchestrator.tracking.runs import Objective, Phase, VariantInfo, run_key

Point = Mapping[str, Any]
"""Swept keys that differ from the base -> their values."""
Scheduler = Literal["none", "asha", "hyperband", "median"]
"""What ends poor trials of a sampled space early."""
Sampler = Literal["tpe", "gp", "cmaes", "random", "grid"]
"""What proposes the points of a joint space; ``grid`` takes all of them in order."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One assignment of settings."""

    label: str
    """What a user reads of it in a list of runs, before the seed."""
    config: TrialConfig
    changed: Point
    """Dotted key -> value, where it differs from the base."""
    variant: str = ""
    """Of an ablation: the variant it belongs to; else empty."""
    phase: Phase = "fixed"

    def at(self, seed: int, data_hash: str) -> "Run":
        """The run of this trial at a seed."""
        seeded = dataclasses.replace(self.config, seed=seed)
        return Run(**{**vars(self), "config": seeded, "run_id": run_id(seeded, data_hash)})


@dataclass(frozen=True, kw_only=True)
class Run(Trial):
    """One trial at one seed, which stands in ``config``."""

    run_id: str
    """Content hash of what is computed; trials of several variants may share a run."""

    @property
    def name(self) -> str:
        """What a user reads in a list of runs."""
        return f"{self.label} seed={self.config.seed}"

    @property
    def key(self) -> str:
        """What tells it apart within a sweep or an ablation."""
        return run_key(self.run_id, self.variant, self.phase)


@dataclass(frozen=True, kw_only=True)
class Study(ABC):
    """A checked plan: nothing in it can be refused later for its settings."""

    name: str
    base: TrialConfig
    seeds: tuple[int, ...]
    data_hash: str
    notes: tuple[str, ...] = ()
    """What to know before reading the results, such as a factor that cannot matter here."""
    scheduler: Scheduler = "none"

    @property
    def sampled(self) -> "SpaceStudy | None":
        """Itself where Optuna proposes its points, rather than a list."""
        return None

    @abstractmethod
    def listed(self) -> tuple[Trial, ...]:
        """All trials of a study that is not sampled, each once, the base first if it is one."""

    def runs_of(self, trial: Trial) -> tuple[Run, ...]:
        """The runs of one trial, one per seed."""
        return tuple(trial.at(seed, self.data_hash) for seed in self.seeds)


@dataclass(frozen=True, kw_only=True)
class ListedStudy(Study):
    """A study that is told its trials."""

    trials: tuple[Trial, ...]

    @classmethod
    def of(
        cls,
        plan: "Seeded",
        trials: Iterable[Trial],
        *,
        base: TrialConfig | None = None,
        notes: tuple[str, ...] = (),
    ) -> "ListedStudy":
        """Trials of a plan, at all of its seeds.

        Args:
            plan: whose name, seeds and data they have.
            trials: in the order to run them.
            base: what the trials change; by default the plan's own.
            notes: what to know before reading the results.
        """
        return cls(
            name=plan.name,
            base=base or plan.base,
            seeds=plan.seeds,
            data_hash=plan.data_hash,
            notes=notes,
            trials=tuple(trials),
        )

    def listed(self) -> tuple[Trial, ...]:
        """The trials as they were told."""
        return self.trials


@dataclass(frozen=True, kw_only=True)
class SpaceStudy(Study):
    """A study of one model, data set and space."""

    space: Space
    num_trials: int
    """Points to sample where the space is larger than that; otherwise the space is a grid."""
    sampler: Sampler = "tpe"
    objectives: tuple[Objective, ...] = ("ndcg",)
    """What the search is for; more than one leaves a front of points to choose from."""
    variant: VariantInfo | None = None
    """Of an ablation: the variant whose own search this is; the base has its changes."""

    @property
    def sampled(self) -> "SpaceStudy | None":
        """Itself where Optuna proposes its points, rather than a list."""
        is_free = self.space.kind == "joint" and self.sampler != "grid"
        return self if is_free and self.space.size() > self.num_trials else None

    def listed(self) -> tuple[Trial, ...]:
        """A trial per point."""
        return tuple(map(self.trial, self.points))

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """All points of a study that is not sampled, each once, the base first if it is one."""
        assert self.sampled is None, "a sampled study has no list of points"
        every = self._one_factor() if self.space.kind == "one-factor" else walk(self.space.factors)
        base = flatten(self.base)
        unique = {tuple(sorted(self._changes(p, base).items())): None for p in every}
        return tuple(dict(point) for point in sorted(unique, key=len))

    @staticmethod
    def _changes(point: Point, base: Mapping[str, Any]) -> Point:
        return {key: value for key, value in point.items() if value != base[key]}

    def _one_factor(self) -> list[Point]:
        factors = self.space.factors.items()
        assert all(isinstance(factor, Choice) for _, factor in factors), "a range lists no values"
        return [{key: value} for key, factor in factors for value in factor.corners()]

    def trial(self, point: Point) -> Trial:
        """The trial of one point."""
        config = override(self.base, point, where=self.space.source)
        if self.variant is None:
            return Trial(label=point_name(point), config=config, changed=dict(point))
        return Trial(
            label=f"search {self.variant.name}: {point_name(point)}",
            config=config,
            changed={**self.variant.changed, **point},
            variant=self.variant.name,
            phase="search",
        )

    def point(self, run: Run) -> Point:
        """The point that a run is of."""
        return {key: value for key, value in run.changed.items() if key in self.space.factors}

    def runs(self, point: Point) -> tuple[Run, ...]:
        """The runs of one point, one per seed."""
        return self.runs_of(self.trial(point))

    def plan(self) -> JSON:
        """What decides the study's results; two studies of one name must agree in it.

        What is as it always was before there was a choice is left out.
        """
        chosen: JSON = {}
        if self.sampled and self.sampler != "tpe":
            chosen["sampler"] = self.sampler
        if len(self.objectives) > 1:
            chosen["objectives"] = list(self.objectives)
        return {
            **chosen,
            "base": self.base.to_json(),
            "kind": self.space.kind,
            "factors": {key: plain(factor) for key, factor in self.space.factors.items()},
            "seeds": list(self.seeds),
            "trials": "sampled" if self.sampled else None,  # more of them go on with the same sweep
            "scheduler": self.scheduler,
            "data": self.data_hash,
            "code": code_digest(self.base.model),
        }


class Seeded(Protocol):
    """What runs its trials at seeds: an ablation, a comparison, a path, a diagnosis."""

    @property
    def name(self) -> str:
        """Names the folder."""

    @property
    def base(self) -> TrialConfig:
        """Settings that others are compared with."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of every trial."""

    @property
    def data_hash(self) -> str:
        """Of the data set."""


@runtime_checkable
class Planned(Protocol):
    """A sweep or an ablation with a folder of its own."""

    @property
    def name(self) -> str:
        """Names the folder."""

    def plan(self) -> JSON:
        """What decides its results."""


def point_name(point: Point) -> str:
    """A point in a few words: the changed keys without their section, or ``base``."""
    words = [f"{key.split('.', 1)[1]}={_short(value)}" for key, value in point.items()]
    return " ".join(words) or "base"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def default_name(what: str, base: TrialConfig, plan: JSON) -> str:
    """The same plan, typed again, gets the same name, and so goes on where it stopped.

    Args:
        what: the space's name, or ``ablation``.
        base: the settings where nothing is varied.
        plan: all that decides the results.
    """
    return f"{base.model}-{what}-{base.dataset}-{content_hash(plan, length=8)}"


def claim(study: Planned, folder: Path) -> None:
    """Write a plan into its folder, or check that the plan there is the same.

    Raises:
        ConfigError: the folder holds a sweep or ablation of that name with another plan.
        StoreError: the folder cannot be written.
    """
    path, plan = folder / "plan.json", _plain(study.plan())
    if not path.exists():
        write_json(path, plan)
        return
    stored = read_json(path)
    keys = {*plan, *_SOMETIMES}
    if _models(plan) != _models(stored):
        keys.discard("code")  # other models have other code
    different = sorted(key for key in keys if plan.get(key) != stored.get(key))
    if different:
        what = _KINDS.get(stored.get("kind"), "a sweep")
        first = what.split()[1]
        raise ConfigError(
            f"--name: `{study.name}` is {what} with other {', '.join(different)}. Choose another "
            f"--name, or repeat the first {first}'s options to go on with it."
        )


_SOMETIMES = ("objectives", "sampler")
"""Parts of a plan that are there only where they are not as they always were."""
_KINDS = {
    "ablation": "an ablation",
    "diagnosis": "a diagnosis",
    "path": "a path",
    "comparison": "a comparison",
}


def _models(plan: JSON) -> list[str]:
    return sorted(plan["models"]) if "models" in plan else [plan["base"]["model"]]


def _plain(plan: JSON) -> JSON:
    return json.loads(json.dumps(plan))
