"""What a sweep or an ablation would run, and what that costs; nothing is started or written."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from orchestrator.config import TrialConfig
from orchestrator.data import Dataset
from orchestrator.results import first_stage_id, run_id
from orchestrator.sweep.ablation import Ablation
from orchestrator.sweep.cost import Cost, measure
from orchestrator.sweep.forecast import Epochs, finished_runs, forecast
from orchestrator.sweep.objective import CHECKPOINTS, finished_record, run_folder
from orchestrator.sweep.options import Executor, Options
from orchestrator.sweep.price import Between, Move, Prices
from orchestrator.sweep.settle import FIRST_LOOK
from orchestrator.sweep.space import Factor
from orchestrator.sweep.study import Run, SpaceStudy, Study, Trial
from orchestrator.tracking.runs import VariantInfo
from orchestrator.training.checkpoint import Checkpoints

DRAWS = 50
"""Points drawn at random to tell what sampled ones cost on average."""
FASTER, SLOWER = 0.8, 1.4
"""What an epoch takes may be so many times what the probe says: other load, other batches."""
START = {"ray": (10.0, 45.0), "local": (4.0, 15.0)}
"""Seconds before the first run and after the last: workers, database, figures."""
PER_RUN = (0.2, 1.5)
"""Seconds of a run beside its model: its folder, its ranks, what the driver writes of it."""
EPOCH_BYTES = 2_700
"""What an epoch's figures take in records and in the database, roughly."""
USER_BYTES = 20
"""A user's ranks."""
RUN_BYTES = 60_000
"""What a run takes in the database and beside its record, whatever its length."""
CHECKPOINTS_AT_ONCE = 3
"""Of a running run: the best epoch, the latest, and the one being written."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """A figure that lies between two others."""

    low: float
    expected: float
    high: float

    def __add__(self, other: "Span") -> "Span":
        return Span(
            low=self.low + other.low,
            expected=self.expected + other.expected,
            high=self.high + other.high,
        )

    def __mul__(self, factor: float) -> "Span":
        return Span(low=self.low * factor, expected=self.expected * factor, high=self.high * factor)


NOTHING = Span(low=0, expected=0, high=0)


@dataclass(kw_only=True)
class Tally:
    """Points and runs, counted."""

    listed: int = 0
    """Points as they were asked for."""
    shared: int = 0
    """Of these, the base that several factors have in common."""
    equal: int = 0
    """Of these, computations that another point is already."""
    over: int = 0
    """Of these, what ``--max-trials`` leaves out."""
    runs: int = 0
    """Of the points that remain, one per seed."""
    reused: int = 0
    """Runs that are done."""
    begun: int = 0
    """Runs that go on from a checkpoint."""
    at_least: int = 0
    """Runs that are left even where the first seeds settle everything."""

    @property
    def points(self) -> int:
        """That are run."""
        return self.listed - self.shared - self.equal - self.over

    @property
    def left(self) -> int:
        """Runs that are to be run."""
        return self.runs - self.reused

    def __iadd__(self, other: "Tally") -> "Tally":
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would be run, and its price."""

    name: str
    num_seeds: int
    tally: Tally
    epochs: tuple[Epochs, ...]
    """Of each stage of the base."""
    timed: dict[str, Cost]
    """Point -> what it was timed to cost."""
    wall: Span
    """Seconds on the clock."""
    cpu: Span
    """Seconds of all CPU threads."""
    kept: Span
    """Bytes that the new runs leave in the results folder."""
    running: float
    """Bytes of checkpoints while runs go on, at most."""
    workers: int
    max_time: float | None = None
    """Seconds that runs may take."""
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As the command line prints it."""
        from orchestrator.sweep.plan_text import plan_text

        return plan_text(self)


@dataclass
class _Sum:
    """What the parts of a plan cost together, before they are shared by workers."""

    wall: Span = NOTHING
    cpu: Span = NOTHING
    kept: Span = NOTHING
    longest: float = 0.0
    checkpoint: float = 0.0
    tally: Tally = field(default_factory=Tally)

    def add(self, between: Between, epochs: dict[str, Epochs], *, num: float, least: float) -> None:
        """Add runs of one cost; ``least`` of them are run for certain."""
        wall = _run_span(between, epochs, "wall")
        self.wall += _times(wall, num, least)
        self.cpu += _times(_run_span(between, epochs, "cpu"), num, least)
        self.kept += _times(_kept(between, epochs), num, least)
        self.longest = max(self.longest, wall.expected if num else 0.0)
        self.checkpoint = max(self.checkpoint, between.high.checkpoint if num else 0.0)


def _times(span: Span, num: float, least: float) -> Span:
    return Span(
        low=span.low * least, expected=span.expected * (least + num) / 2, high=span.high * num
    )


def _run_span(between: Between, epochs: dict[str, Epochs], clock: str) -> Span:
    """Seconds of one run."""

    def total(cost: Cost, which: str) -> float:
        inner = sum(
            getattr(seconds, clock) * getattr(epochs[stage], which)
            for stage, seconds in cost.epochs.items()
            if stage in epochs
        )
        return float(inner + getattr(cost.ends, clock))

    middle = (total(between.low, "expected") + total(between.high, "expected")) / 2
    return Span(
        low=FASTER * total(between.low, "low") + PER_RUN[0],
        expected=middle + sum(PER_RUN) / 2,
        high=SLOWER * total(between.high, "high") + PER_RUN[1],
    )


def _kept(between: Between, epochs: dict[str, Epochs]) -> Span:
    def total(cost: Cost, which: str) -> float:
        told = sum(getattr(own, which) for own in epochs.values()) * EPOCH_BYTES
        return cost.weights + told + RUN_BYTES

    middle = (total(between.low, "expected") + total(between.high, "expected")) / 2
    return Span(low=total(between.low, "low"), expected=middle, high=total(between.high, "high"))


def make_plan(
    plan: SpaceStudy | Ablation,
    dataset: Dataset,
    *,
    options: Options,
    executor: Executor,
    max_time: float | None,
    on_probe: Callable[[int, int], None],
) -> Plan:
    """Count and price.

    Args:
        plan: the checked sweep or ablation.
        dataset: the open data set.
        options: where and how it would run.
        executor: what would run it.
        max_time: seconds that its runs may take; None for no limit.
        on_probe: told of each timing as it begins.

    Raises:
        ConfigError: a model cannot be built on the data set.
    """
    making = _Making(plan, dataset, options, on_probe)
    total = making.total()
    workers = 1 if executor == "local" else options.workers
    return Plan(
        name=plan.name,
        num_seeds=len(plan.seeds),
        tally=total.tally,
        epochs=making.base_epochs(total.tally.left),
        timed=making.prices.timed,
        wall=_wall(total, workers, options, START[executor]),
        cpu=total.cpu,
        kept=total.kept + _ranks(total.tally, len(dataset.split.valid)),
        running=total.checkpoint * CHECKPOINTS_AT_ONCE * min(workers, total.tally.left),
        workers=workers,
        max_time=max_time,
        notes=tuple(making.notes),
    )


def _wall(total: _Sum, workers: int, options: Options, start: tuple[float, float]) -> Span:
    """Time on the clock: runs side by side, and never less than the longest of them."""
    if not total.tally.left:
        return Span(low=start[0], expected=sum(start) / 2, high=start[1])
    side = min(workers, total.tally.left)
    if options.address is None and options.gpus == 0:
        side = max(1, min(side, (os.cpu_count() or 1) // options.threads))
    shared = total.wall * (1 / side)
    return Span(
        low=shared.low + start[0],
        expected=max(shared.expected, total.longest) + sum(start) / 2,
        high=max(shared.high, total.longest * SLOWER) + start[1],
    )


def _ranks(tally: Tally, num_users: int) -> Span:
    per_run = num_users * USER_BYTES
    least, most = tally.at_least * per_run, tally.left * per_run
    return Span(low=least, expected=(least + most) / 2, high=most)


class _Making:
    """Counts and prices the parts of one sweep or ablation."""

    def __init__(
        self,
        plan: SpaceStudy | Ablation,
        dataset: Dataset,
        options: Options,
        on_probe: Callable[[int, int], None],
    ) -> None:
        self.notes: list[str] = []
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

    def total(self) -> _Sum:
        """All parts together."""
        total = _Sum()
        if isinstance(self._plan, SpaceStudy):
            self._space(self._plan, (), total)
            return total
        self._listed(self._plan.fixed(), total)
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
        return total

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

    def _space(self, study: SpaceStudy, before: Sequence[Move], total: _Sum) -> None:
        if not study.sampled:
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
        self._drawn(study, before, tally.left, total)

    def _retuned(self, study: SpaceStudy, before: Sequence[Move], total: _Sum) -> None:
        """The chosen point at all seeds but the one that its search has run it with."""
        num = len(self._plan.seeds)
        tally = Tally(listed=1, runs=num, reused=min(1, num), at_least=num - 1)
        if self._options.rule:
            tally.at_least = FIRST_LOOK - 1
        total.tally += tally
        self._drawn(study, before, tally.left, total, least=tally.at_least)

    def _drawn(
        self,
        study: SpaceStudy,
        before: Sequence[Move],
        num: int,
        total: _Sum,
        least: int | None = None,
    ) -> None:
        draws = self.prices.drawn(
            study.space, before, num=DRAWS if num else 0, seed=study.base.seed
        )
        share = 1 / DRAWS
        for between in draws:
            epochs = self._epochs(study.base, between, num)
            floor = num if least is None else least
            total.add(between, epochs, num=num * share, least=floor * share)

    def _num_told(self, study: SpaceStudy) -> int:
        from orchestrator.sweep.sampling import num_told_before

        journal = self._options.journal
        if isinstance(self._plan, Ablation):
            name = study.variant.name if study.variant else ""
            journal = self._options.folder / "search" / name / journal.name
        return min(study.num_trials, num_told_before(journal, study.name))

    def _listed(self, study: Study, total: _Sum, before: Sequence[Move] = ()) -> None:
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
            total.add(between, epochs, num=1, least=float(run in early))

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
        if isinstance(self._plan, Ablation) and trial.phase == "fixed":
            members = {variant.name: variant for variant in self._plan.members}
            yield from self._moves(members[trial.variant])
            return
        yield from ({key: value} for key, value in trial.changed.items())

    def _moves(self, variant: VariantInfo) -> tuple[Move, ...]:
        """What a variant changes, or each member of a pair."""
        assert isinstance(self._plan, Ablation), "a sweep has no variants"
        listed = {own.name: own.changed for own in self._plan.members}
        names = variant.members or (variant.name,)
        return tuple(listed[name] for name in names if listed[name])


def _less(epochs: Epochs, done: int) -> Epochs:
    return replace(
        epochs,
        low=max(0.0, epochs.low - done),
        high=max(0.0, epochs.high - done),
        expected=max(0.0, epochs.expected - done),
    )


def _factors(plan: SpaceStudy | Ablation) -> dict[str, Factor]:
    if isinstance(plan, SpaceStudy):
        return dict(plan.space.factors)
    return dict(plan.search.space.factors) if plan.search else {}


def _num_listed(study: Study) -> int:
    """Points as a space lists them, the base once per factor."""
    if not isinstance(study, SpaceStudy):
        return len(study.listed())
    if study.space.kind == "one-factor":
        return sum(len(factor.corners()) for factor in study.space.factors.values())
    return int(study.space.size())
