"""A study: one model, data set and space at given seeds, and the runs that follow from it."""

import dataclasses
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from orchestrator.config import JSON, TrialConfig, content_hash, flatten, override
from orchestrator.errors import ConfigError
from orchestrator.results import code_digest, read_json, run_id, write_json
from orchestrator.sweep.space import Choice, Space

Point = Mapping[str, Any]
"""Swept keys that differ from the base -> their values."""
Scheduler = Literal["none", "asha"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One trial (one point) at one seed."""

    run_id: str
    config: TrialConfig
    changed: Point

    @property
    def name(self) -> str:
        """What a user reads in a list of runs."""
        return f"{point_name(self.changed)} seed={self.config.seed}"


@dataclass(frozen=True, kw_only=True)
class Study:
    """A checked plan: nothing in it can be refused later for its settings."""

    name: str
    space: Space
    base: TrialConfig
    seeds: tuple[int, ...]
    num_trials: int
    """Points to sample where the space is larger than that; otherwise the space is a grid."""
    scheduler: Scheduler
    data_hash: str
    notes: tuple[str, ...] = ()
    """What to know before reading the results, such as a factor that cannot matter here."""

    @property
    def is_sampled(self) -> bool:
        """Whether Optuna proposes the points, rather than a list."""
        return self.space.kind == "joint" and self.space.size() > self.num_trials

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """All points of a study that is not sampled, each once, the base first if it is one."""
        assert not self.is_sampled, "a sampled study has no list of points"
        every = self._one_factor() if self.space.kind == "one-factor" else self._product()
        base = flatten(self.base)
        unique = {tuple(sorted(self._changes(p, base).items())): None for p in every}
        return tuple(dict(point) for point in sorted(unique, key=len))

    @staticmethod
    def _changes(point: Point, base: Mapping[str, Any]) -> Point:
        return {key: value for key, value in point.items() if value != base[key]}

    def _one_factor(self) -> list[Point]:
        return [{key: v} for key, factor in self._choices().items() for v in factor.choices]

    def _product(self) -> list[Point]:
        factors = self._choices()
        values = itertools.product(*(factor.choices for factor in factors.values()))
        return [dict(zip(factors, point, strict=True)) for point in values]

    def _choices(self) -> dict[str, Choice]:
        listed = {k: f for k, f in self.space.factors.items() if isinstance(f, Choice)}
        assert len(listed) == len(self.space.factors), "a range has no list of values"
        return listed

    def runs(self, point: Point) -> tuple[Run, ...]:
        """The runs of one point, one per seed."""
        config = override(self.base, point, where=self.space.source)
        return tuple(self._run(config, point, seed) for seed in self.seeds)

    def _run(self, config: TrialConfig, point: Point, seed: int) -> Run:
        seeded = dataclasses.replace(config, seed=seed)
        return Run(run_id=run_id(seeded, self.data_hash), config=seeded, changed=dict(point))

    def plan(self) -> JSON:
        """What decides the study's results; two studies of one name must agree in it."""
        return {
            "base": self.base.to_json(),
            "kind": self.space.kind,
            "factors": {key: vars(factor) for key, factor in self.space.factors.items()},
            "seeds": list(self.seeds),
            "trials": self.num_trials if self.is_sampled else None,
            "scheduler": self.scheduler,
            "data": self.data_hash,
            "code": code_digest(),
        }


def point_name(point: Point) -> str:
    """A point in a few words: the changed keys without their section, or ``base``."""
    words = [f"{key.split('.', 1)[1]}={_short(value)}" for key, value in point.items()]
    return " ".join(words) or "base"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def default_name(space: Space, base: TrialConfig, plan: JSON) -> str:
    """The same study, typed again, gets the same name, and so goes on where it stopped."""
    return f"{base.model}-{space.name}-{base.dataset}-{content_hash(plan, length=8)}"


def claim(study: Study, folder: Path) -> None:
    """Write the study's plan into its folder, or check that the plan there is the same.

    Raises:
        ConfigError: the folder holds a sweep of that name with another plan.
        StoreError: the folder cannot be written.
    """
    path, plan = folder / "plan.json", _plain(study.plan())
    if not path.exists():
        write_json(path, plan)
        return
    stored = read_json(path)
    different = sorted(key for key in plan if plan[key] != stored.get(key))
    if different:
        raise ConfigError(
            f"--name: `{study.name}` is a sweep with other {', '.join(different)}. "
            "Choose another --name, or repeat the first sweep's options to go on with it."
        )


def _plain(plan: JSON) -> JSON:
    return json.loads(json.dumps(plan))
