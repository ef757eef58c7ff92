"""Counts the points and runs of what would be run and prices them; starts nothing."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from orchestrator.config import TrialConfig
from orchestrator.data import Dataset
from orchestrator.results import first_stage_id, run_id
from orchestrator.sweep.ablation import Ablation
from orchestrator.sweep.bill import CHECKPOINTS_AT_ONCE, Bill, disk_of_ranks, num_workers, wall_time
from orchestrator.sweep.comparison import Comparison
from orchestrator.sweep.cost import Cost, measure
from orchestrator.sweep.diagnosis import Diagnosis
from orchestrator.sweep.forecast import Epochs, finished_runs, forecast
from orchestrator.sweep.objective import CHECKPOINTS, finished_record, run_folder
from orchestrator.sweep.options import Executor, Options
from orchestrator.sweep.plan import Plan, Tally
from orchestrator.sweep.price import Between, Move, Prices
from orchestrator.sweep.settle import FIRST_LOOK
from orchestrator.sweep.space import Factor
from orchestrator.sweep.study import ListedStudy, Run, SpaceStudy, Study, Trial
from orchestrator.tracking.runs import VariantInfo
from orchestrator.training.checkpoint import Checkpoints

Part = SpaceStudy | Ablation | Comparison | ListedStudy
"""What has one base: a sweep, an ablation, one model of a comparison or of a diagnosis."""
DRAWS = 50
"""Points drawn at random to tell what sampled ones cost on average."""


def make_plan(
    plan: SpaceStudy | Ablation | Comparison | Diagnosis,
    dataset: Dataset,
    *,
    options: Options,
    executor: Executor,
    max_time: float | None,
    on_probe: Callable[[int, int], None],
) -> Plan:
    """Count and price.

    Args:
        plan: the checked sweep, ablation, comparison or diagnosis.
        dataset: the open data set.
        options: where and how it would run.
        executor: what would run it.
        max_time: seconds that its runs may take; None for no limit.
        on_probe: told of each timing as it begins.

    Raises:
        ConfigError: a model cannot be built on the data set.
    """
    is_several = isinstance(plan, Comparison | Diagnosis)
    makings = [
        _Making(part, dataset, options, on_probe, name=part.base.model if is_several else "")
        for part in _parts(plan)
    ]
    total = Bill()
    for making in makings:
        making.add_to(total)
    left = total.tally.left
    workers = num_workers(executor, options)
    return Plan(
        name=plan.name,
        num_seeds=len(plan.seeds),
        tally=total.tally,
        epochs={making.name: making.base_epochs(left) for making in makings},
        timed={
            f"{making.name} {point}".strip(): cost
            for making in makings
            for point, cost in making.prices.timed.items()
        },
        wall=wall_time(total, executor, options),
        cpu=total.cpu,
        kept=total.kept + disk_of_ranks(total.tally, len(dataset.split.valid)),
        running=total.checkpoint * CHECKPOINTS_AT_ONCE * min(workers, left),
        workers=workers,
        max_time=max_time,
        notes=tuple(dict.fromkeys(n for making in makings for n in making.notes)),
    )


def _parts(plan: SpaceStudy | Ablation | Comparison | Diagnosis) -> Sequence[Part]:
    """What has a base of its own: itself, or each model of a comparison or a diagnosis."""
    if isinstance(plan, Diagnosis):
        return plan.studies()
    if not isinstance(plan, Comparison):
        return [plan]
    return [replace(plan, contenders=(contender,)) for contender in plan.contenders]


class _Making:
    """Counts and prices what has one base: a sweep, an ablation, or a model that is compared."""

    def __init__(
        self,
        plan: Part,
        dataset: Dataset,
        options: Options,
        on_probe: Callable[[int, int], None],
        *,
        name: str,
    ) -> None:
        self.notes: list[str] = []
        self.name = name
        """Of the part, where there are several."""
        self._plan = plan
        self._options = options
        self._num_timed = 0
        self._on_probe = on_probe
        time = partial(measure, dataset=dataset, device=options.device, threads=options.threads)
        self.prices = Prices(plan.base, partial(self._timed, time), _factors(plan))
        self._history = finished_runs(
            options.results,
            model=plan.base.model,
            dataset=dataset.name,
            data_hash=dataset.data_hash,
        )

    def add_to(self, total: Bill) -> None:
        """Add all phases."""
        self.notes += _load_note()
        if isinstance(self._plan, SpaceStudy | ListedStudy):
            self._space(self._plan, (), total)
            return
        fixed = self._plan.fixed()
        if fixed is not None:
            self._listed(fixed, total)
        members = self._plan.members[: self._options.max_trials]
        searches = self._plan.searches()
        for variant in members if searches else ():
            self._space(searches[variant.name], self._moves(variant), total)
            self._retuned(searches[variant.name], self._moves(variant), total)
        if searches:
            self.notes.append(
                "What the searches choose is not known yet: runs at chosen settings are priced as "
                "points drawn at random."
            )

    def base_epochs(self, num: int) -> tuple[Epochs, ...]:
        """Of each stage of the base."""
        base = self.prices.of([]).low
        return tuple(
            forecast(self._history, s, self._plan.base.train, num=num) for s in base.epochs
        )

    def _timed(self, time: Callable[[TrialConfig], Cost], config: TrialConfig) -> Cost:
        self._on_probe(self._num_timed, self._num_timed + 1)
        self._num_timed += 1
        return time(config)

    def _space(self, study: SpaceStudy | ListedStudy, before: Sequence[Move], total: Bill) -> None:
        if isinstance(study, ListedStudy) or not study.sampled:
            self._listed(study, total, before)
            return
        told = self._num_told(study)
        tally = Tally(
            listed=study.num_trials,
            runs=study.num_trials * len(study.seeds),
            reused=told * len(study.seeds),
        )
        tally.at_least = tally.left
        total.tally += tally
        self._drawn(study, before, tally.left, tally.left, total)

    def _retuned(self, study: SpaceStudy, before: Sequence[Move], total: Bill) -> None:
        """The chosen point at all seeds but the one that its search has run it with."""
        num = len(self._plan.seeds) - 1
        least = FIRST_LOOK - 1 if self._options.rule else num
        total.tally += Tally(listed=1, runs=num, at_least=least)
        self._drawn(study, before, num, least, total)

    def _drawn(
        self, study: SpaceStudy, before: Sequence[Move], num: int, least: int, total: Bill
    ) -> None:
        """Add runs of points that nobody knows yet, as so many drawn at random would cost."""
        draws = DRAWS if num else 0
        seed = study.base.seed
        for between in self.prices.drawn(study.space, before, num=draws, seed=seed):
            epochs = self._epochs(study.base, between, num)
            total.add(between, epochs, num=num / DRAWS, least=least / DRAWS)

    def _num_told(self, study: SpaceStudy) -> int:
        from orchestrator.sweep.sampling import num_told_before

        journal = self._options.journal
        if not isinstance(self._plan, SpaceStudy):
            name = study.variant.name if study.variant else ""
            journal = self._options.folder / "search" / name / journal.name
        return min(study.num_trials, num_told_before(journal, study.name))

    def _listed(self, study: Study, total: Bill, before: Sequence[Move] = ()) -> None:
        every = study.listed()
        trials = every if before else every[: self._options.max_trials]
        runs = {run.run_id: run for trial in trials for run in study.runs_of(trial)}
        firsts = {run_id(trial.config, study.data_hash) for trial in trials}
        left = {key: run for key, run in runs.items() if not self._is_done(key)}
        early = [run for run in left.values() if self._is_early(run, study)]
        begun = {key: self._num_begun(key) for key in left}
        total.tally += Tally(
            listed=_num_listed(study),
            shared=_num_listed(study) - len(every),
            equal=len(trials) - len(firsts),
            over=len(every) - len(trials),
            runs=len(runs),
            reused=len(runs) - len(left),
            begun=sum(1 for num in begun.values() if num),
            at_least=len(early),
        )
        planned = set(runs)
        for key, run in left.items():
            between = self.prices.of([*before, *self._moves_of(run)])
            epochs = self._epochs(run.config, between, len(left), begun[key])
            if self._is_first_stage_taken(run, study, planned):
                epochs.pop(next(iter(between.low.epochs)), None)
            total.add(between, epochs, num=1.0, least=float(run in early))

    def _is_early(self, run: Run, study: Study) -> bool:
        """Whether it is run even where the first seeds settle everything."""
        return self._options.rule is None or run.config.seed in study.seeds[:FIRST_LOOK]

    def _is_done(self, run: str) -> bool:
        return finished_record(self._options.results, run) is not None

    def _num_begun(self, run: str) -> int:
        """Epochs that a run which was cut need not do again."""
        progress = Checkpoints(run_folder(self._options.results, run) / CHECKPOINTS).latest()
        return progress.step if progress else 0

    def _is_first_stage_taken(self, run: Run, study: Study, planned: set[str]) -> bool:
        first = first_stage_id(run.config, study.data_hash)
        return first is not None and (first in planned or self._is_done(first))

    def _epochs(
        self, config: TrialConfig, between: Between, num: int, begun: int = 0
    ) -> dict[str, Epochs]:
        """Epochs left of each stage, those begun taken from the first ones."""
        found = {}
        for stage in between.low.epochs:
            own = forecast(self._history, stage, config.train, num=num)
            found[stage] = _less(own, begun)
            begun = max(0, begun - round(own.expected))
        return found

    def _moves_of(self, trial: Trial) -> Iterator[Move]:
        if isinstance(self._plan, ListedStudy):
            yield from filter(None, [trial.changed])
            return
        if not isinstance(self._plan, SpaceStudy) and trial.phase == "fixed":
            members = {variant.name: variant for variant in self._plan.members}
            yield from self._moves(members[trial.variant])
            return
        yield from ({key: value} for key, value in trial.changed.items())

    def _moves(self, variant: VariantInfo) -> tuple[Move, ...]:
        """What a variant changes, or each member of a pair."""
        assert not isinstance(self._plan, SpaceStudy | ListedStudy), "it has no variants"
        listed = {own.name: own.changed for own in self._plan.members}
        names = variant.members or (variant.name,)
        return tuple(listed[name] for name in names if listed[name])


def _load_note() -> list[str]:
    """A sentence where others keep this machine busy; its load is told on Unix alone."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load <= cores:
        return []
    return [
        f"This machine is busy (load {load:.0f} on {cores} cores): times on the clock are as it is "
        "now, and Ray's workers give way to other work."
    ]


def _less(epochs: Epochs, done: int) -> Epochs:
    return replace(
        epochs,
        low=max(0.0, epochs.low - done),
        high=max(0.0, epochs.high - done),
        expected=max(0.0, epochs.expected - done),
    )


def _factors(plan: Part) -> dict[str, Factor]:
    if isinstance(plan, SpaceStudy):
        return dict(plan.space.factors)
    if isinstance(plan, ListedStudy):
        return {}
    search = plan.contenders[0].search if isinstance(plan, Comparison) else plan.search
    return dict(search.space.factors) if search else {}


def _num_listed(study: Study) -> int:
    """Points as a space lists them, the base once per factor."""
    if not isinstance(study, SpaceStudy):
        return len(study.listed())
    if study.space.kind == "one-factor":
        return sum(len(factor.corners()) for factor in study.space.factors.values())
    return int(study.space.size())
