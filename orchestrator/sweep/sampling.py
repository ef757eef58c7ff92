"""Optuna: which point to try next, and what became of those tried.

The history lies in a journal file beside the sweep, so a sweep that goes on knows it. A trial that
a scheduler ended early is told as pruned, one that failed as failed, and one whose process died
without a word is put in line again when the sweep goes on.

A sampler may propose a point again whose outcome is known. It is told the same once more, which
costs nothing and does not count against the budget; where it goes on so, a new point is drawn at
random for it.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from orchestrator.config import flatten
from orchestrator.sweep.conditions import among, exists, ordered, walk
from orchestrator.sweep.factors import Choice, Factor
from orchestrator.sweep.journal import mend
from orchestrator.sweep.space import Space
from orchestrator.sweep.study import Point, Sampler, SpaceStudy
from orchestrator.tracking.runs import Objective

optuna.logging.set_verbosity(optuna.logging.ERROR)  # what a sampler cannot do, a sweep's notes say

REPEATS = 5
"""Known points that a sampler may propose one after the other, before one is drawn for it."""
DRAWS = 200
"""Random points that are drawn to find a new one, before all are looked through."""
TOLD = (TrialState.COMPLETE, TrialState.PRUNED)
"""States that count against the budget: done or ended early, but not failed."""


def open_study(
    path: Path,
    name: str,
    *,
    seed: int,
    sampler: Sampler = "tpe",
    objectives: Sequence[Objective] = ("ndcg",),
) -> optuna.Study:
    """A sweep's study, with its history where the sweep was begun before.

    Points of trials that were cut are tried first. What is drawn at random does not begin anew:
    the first points would come again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    mend(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=name,
            directions=["maximize" if one == "ndcg" else "minimize" for one in objectives],
            load_if_exists=True,
        )
        num_before = len(study.get_trials(deepcopy=False))
        study.sampler = _sampler(sampler, seed + num_before)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def _sampler(name: Sampler, seed: int) -> BaseSampler:
    if name == "gp":
        return GPSampler(seed=seed, warn_independent_sampling=False)
    if name == "cmaes":
        return CmaEsSampler(seed=seed, warn_independent_sampling=False)
    return RandomSampler(seed=seed) if name == "random" else TPESampler(seed=seed)


def num_told_before(path: Path, name: str) -> int:
    """Points told in a study that is only looked at, each once; 0 where it was never begun."""
    if not path.exists():
        return 0
    storage = JournalStorage(JournalFileBackend(str(path)))
    if name not in [study.study_name for study in storage.get_all_studies()]:
        return 0
    told = optuna.load_study(study_name=name, storage=storage).get_trials(states=TOLD)
    return len({tuple(sorted(trial.params.items())) for trial in told})


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """One value per factor that exists, each after those on which that depends."""
    point: dict[str, Any] = {}
    for key, factor in ordered(space.factors).items():
        if exists(factor, point):
            point[key] = _suggest(trial, key, factor)
    return point


def _suggest(trial: Trial, key: str, factor: Factor) -> Any:  # noqa: ANN401 - a setting's value
    if isinstance(factor, Choice):
        return trial.suggest_categorical(key, factor.choices)
    if factor.is_whole:
        return trial.suggest_int(key, int(factor.low), int(factor.high), log=factor.log)
    return trial.suggest_float(key, factor.low, factor.high, log=factor.log)


def base_point(study: SpaceStudy) -> dict[str, Any] | None:
    """The base as a point of the space; None where a value of it is outside."""
    values = flatten(study.base)
    point: dict[str, Any] = {}
    for key, factor in ordered(study.space.factors).items():
        if exists(factor, point):
            if not _has(factor, values.get(key)):
                return None
            point[key] = values[key]
    return point


def _has(factor: Factor, value: object) -> bool:
    if isinstance(factor, Choice):
        return among(value, factor.choices)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return factor.low <= value <= factor.high


@dataclass
class _End:
    """What is known of a point."""

    state: TrialState
    values: list[float] | None = None
    intermediate: Mapping[int, float] = field(default_factory=dict)
    waiting: list[Trial] = field(default_factory=list)
    """Of a point that is being tried: trials that proposed it again."""


class Search:
    """A study's search: asks for points, and tells what became of them."""

    def __init__(self, study: SpaceStudy, journal: Path) -> None:
        self._study = study
        self._history = open_study(
            journal,
            study.name,
            seed=study.base.seed,
            sampler=study.sampler,
            objectives=study.objectives,
        )
        self._begin()
        told = self._history.get_trials(deepcopy=False, states=TOLD)
        self._points = {self._identity(trial.params): trial.params for trial in told}
        self._ends = {self._identity(trial.params): _end(trial) for trial in told}

    def _begin(self) -> None:
        """Put the base first in line of a new search, so that what is chosen is no worse by it."""
        base = base_point(self._study)
        if base is not None and not self._history.get_trials(deepcopy=False):
            self._history.enqueue_trial(base)

    @property
    def points(self) -> tuple[dict[str, Any], ...]:
        """The points that were told of before, each once."""
        return tuple(self._points.values())

    @property
    def num_left(self) -> int:
        """How many points the budget leaves."""
        return max(0, self._study.num_trials - len(self._points))

    def ask(self) -> tuple[Trial, dict[str, Any]] | None:
        """A trial of a point that is not known; None where there is none left."""
        num_known = 0
        while True:
            trial = self._history.ask()
            point = suggest(trial, self._study.space)
            if self._is_new(point):
                self._ends[self._identity(point)] = _End(TrialState.RUNNING)
                return trial, point
            self._repeat(trial, self._ends[self._identity(point)])
            num_known += 1
            if num_known == REPEATS:
                drawn = next(filter(self._is_new, self._others()), None)
                if drawn is None:
                    return None
                self._history.enqueue_trial(drawn)

    def report(self, trial: Trial, value: float, step: int) -> None:
        """Tell of an epoch; a search for several things has no use for one."""
        if len(self._study.objectives) == 1:
            trial.report(value, step)

    def tell(
        self, trial: Trial, outcome: Mapping[str, Any] | None, values: Sequence[float] = ()
    ) -> None:
        """Tell what became of a trial, and of those that proposed its point meanwhile.

        Args:
            trial: the trial.
            outcome: with ``state``: "finished", "stopped" or "failed"; None where the trial's
                process died.
            values: of a finished trial, one per objective.
        """
        states = {"finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED}
        state = states.get(outcome["state"] if outcome else "failed", TrialState.FAIL)
        is_whole = state is TrialState.COMPLETE
        told = self._history.tell(trial, list(values) if is_whole else None, state=state)
        point = self._identity(trial.params)
        waiting = self._ends[point].waiting
        self._ends[point] = _end(told)
        for other in waiting:
            self._repeat(other, self._ends[point])

    def learn(self, point: Point, outcome: Mapping[str, Any], values: Sequence[float] = ()) -> None:
        """Add a point that was run without being asked for, and what became of it."""
        self._history.enqueue_trial(dict(point))
        trial = self._history.ask()
        suggest(trial, self._study.space)
        self._ends[self._identity(point)] = _End(TrialState.RUNNING)
        self.tell(trial, outcome, values)

    def _repeat(self, trial: Trial, known: _End) -> None:
        if known.state is TrialState.RUNNING:
            known.waiting.append(trial)
            return
        for step, value in known.intermediate.items():
            trial.report(value, step)
        self._history.tell(trial, known.values, state=known.state)

    def _is_new(self, point: Point) -> bool:
        return self._identity(point) not in self._ends

    def _identity(self, point: Point) -> str:
        """Points whose runs are the same computations are one."""
        return self._study.runs(point)[0].run_id

    def _others(self) -> Iterator[dict[str, Any]]:
        """Points that no sampler proposes: some at random, then all where they can be listed."""
        seed = self._study.base.seed + len(self._history.get_trials(deepcopy=False))
        spare = optuna.create_study(sampler=RandomSampler(seed=seed))
        for _ in range(DRAWS):
            yield suggest(spare.ask(), self._study.space)
        if self._study.space.size() < float("inf"):
            yield from walk(self._study.space.factors)


def _end(trial: FrozenTrial) -> _End:
    is_whole = trial.state is TrialState.COMPLETE
    return _End(trial.state, trial.values if is_whole else None, trial.intermediate_values)
