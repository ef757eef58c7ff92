"""Runs a study to its end: what is done already is taken, the rest goes to an executor."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from orchestrator.results import Record, first_stage_id
from orchestrator.sweep.budget import is_out_of_time, left_out
from orchestrator.sweep.events import Events, Listener, Sink
from orchestrator.sweep.failures import AGAIN, Breaker
from orchestrator.sweep.objective import finished_record
from orchestrator.sweep.options import Executor, Options
from orchestrator.sweep.study import Run, SpaceStudy, Study, Trial, point_name

Execute = Callable[[Study, list[Run], Events, Options], None]
"""Runs the listed runs; where none are listed, as many sampled points as the study has left."""


@dataclass(frozen=True, kw_only=True)
class StudyOutcome:
    """What became of a study's runs."""

    ended: tuple[tuple[Run, Record], ...]
    """The runs that ended, now or before."""
    num_reused: int
    """Runs that were done before and not run again."""
    stop_reason: str | None = None
    """Why runs were left out; None where the study came to its end."""
    num_left: int = 0
    """Runs that a deadline left, or ended before they had an outcome."""
    notes: tuple[str, ...] = ()
    """What a reader of the results must be told of how they were run."""

    @property
    def records(self) -> tuple[Record, ...]:
        """One per run that ended."""
        return tuple(record for _, record in self.ended)

    @property
    def failed(self) -> tuple[Record, ...]:
        """Records of runs that failed."""
        return tuple(record for record in self.records if record.status == "failed")


def joined(outcomes: list[StudyOutcome]) -> StudyOutcome:
    """What became of several studies' runs."""
    return StudyOutcome(
        ended=tuple(pair for outcome in outcomes for pair in outcome.ended),
        num_reused=sum(outcome.num_reused for outcome in outcomes),
        num_left=sum(outcome.num_left for outcome in outcomes),
        notes=tuple(dict.fromkeys(note for outcome in outcomes for note in outcome.notes)),
        stop_reason=next((o.stop_reason for o in outcomes if o.stop_reason), None),
    )


@dataclass
class _Sorted:
    """A study's runs by what is to be done about them."""

    todo: list[Run] = field(default_factory=list)
    done: dict[str, tuple[Run, Record]] = field(default_factory=dict)
    """By key."""
    twins: list[Run] = field(default_factory=list)
    """The same computations as others that are to be done."""


@contextmanager
def open_executor(name: Executor, *, early: Options | None = None) -> Iterator[Execute]:
    """Ray Tune, started at its first use and shared by all studies run within; or this process.

    Args:
        name: which.
        early: options with which it will surely be used: it starts while the caller does others
            things.

    Raises:
        StoreError: by its first use, where Ray cannot be started or reached.
    """
    if name == "local":
        from orchestrator.sweep.local import execute

        yield execute
        return
    from orchestrator.sweep.ray import RaySession

    with RaySession() as session:
        if early is not None:
            session.start_early(early)
        yield session.execute


def run_study(
    study: Study, *, sink: Sink, options: Options, execute: Execute, listener: Listener
) -> StudyOutcome:
    """Run a study; a run that failed is a record, and the rest goes on.

    Args:
        study: the checked plan.
        sink: where runs are recorded.
        options: where and how to run.
        execute: what :func:`open_executor` gave.
        listener: told of everything, in this process.

    Raises:
        StoreError: the results folder or Ray cannot be used.
    """
    events = Events(sink, listener, Breaker(options.stop_after))
    known, num_left = _known(study, options)
    found = _sort(study, known, options)
    num_runs = len(found.todo) + len(found.done) + len(found.twins) + num_left
    listener.planned(num_runs, len(found.done), study.notes)
    for run, record in found.done.values():
        events.finished(run, record)
    if found.todo or num_left:
        execute(study, found.todo, events, options)
    _repeat(study, events, options, execute)
    for run in found.twins:
        twin = events.records.get(run.run_id)
        if twin is not None and not is_out_of_time(twin):
            events.finished(run, twin)
    ended = tuple(events.ended.values())
    is_over = options.deadline.is_over()
    whole = [record for _, record in ended if not is_out_of_time(record)]
    return StudyOutcome(
        ended=ended,
        num_reused=len(found.done),
        stop_reason=events.stop_reason,
        num_left=max(0, num_runs - len(whole)) if is_over else 0,
        notes=() if study.sampled else left_out(study.listed(), known),
    )


def _repeat(study: Study, events: Events, options: Options, execute: Execute) -> None:
    """Run once more what failed as it would not have to; alone, what was out of memory."""
    for kind in AGAIN:
        runs = events.take(kind)
        if runs and not events.stop_reason and not options.deadline.is_over():
            execute(study, runs, events, options.alone() if kind == "memory" else options)
            if study.sampled:
                _learn(study.sampled, runs, events, options)
    events.let_go()


def _learn(study: SpaceStudy, runs: list[Run], events: Events, options: Options) -> None:
    """Tell the sampler's history of points that finished at the second try."""
    from orchestrator.sweep.local import outcome, values_of
    from orchestrator.sweep.sampling import Search

    search = Search(study, options.journal)
    for point in {point_name(found): found for found in map(study.point, runs)}.values():
        known = [events.records.get(run.run_id) for run in study.runs(point)]
        records = [record for record in known if record]
        search.learn(point, outcome(records), values_of(records, study.objectives))


def _known(study: Study, options: Options) -> tuple[tuple[Trial, ...], int]:
    """Trials whose runs are known beforehand, and the number of runs that a sampler has left."""
    if study.sampled:
        return _told(study.sampled, options)
    return study.listed()[: options.max_trials], 0


def _told(study: SpaceStudy, options: Options) -> tuple[tuple[Trial, ...], int]:
    """Trials that the sampler was told of before, and the number of runs that it has left."""
    from orchestrator.sweep.sampling import Search

    search = Search(study, options.journal)
    return tuple(map(study.trial, search.points)), search.num_left * len(study.seeds)


def _sort(study: Study, known: tuple[Trial, ...], options: Options) -> _Sorted:
    """Sort the known trials' runs, seed by seed so that all trials fill evenly.

    Runs that are the first stage of others come before all: the others then take it from them.
    """
    found = _Sorted()
    runs = [run for trial in known for run in study.runs_of(trial)]
    stages = {first_stage_id(run.config, study.data_hash) for run in runs}
    order = {
        run.key: (run.run_id not in stages, study.seeds.index(run.config.seed)) for run in runs
    }
    for run in sorted(runs, key=lambda run: order[run.key]):
        record = finished_record(options.results, run.run_id)
        if record is not None:
            found.done[run.key] = (run, record)
        elif study.sampled:
            continue  # the sampler says what to do
        elif any(run.run_id == other.run_id for other in found.todo):
            found.twins.append(run)
        else:
            found.todo.append(run)
    return found
