"""Runs a study to its end: what is done already is taken, the rest goes to an executor."""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.results import Record
from orchestrator.sweep.events import Events, Listener, Sink
from orchestrator.sweep.objective import finished_record
from orchestrator.sweep.options import Executor, Options
from orchestrator.sweep.study import Point, Run, Study


@dataclass(frozen=True, kw_only=True)
class StudyOutcome:
    """What became of a study's runs."""

    records: tuple[Record, ...]
    """One per run that ended now or before."""
    num_reused: int
    """Runs that were done before and not run again."""

    @property
    def failed(self) -> tuple[Record, ...]:
        """Records of runs that failed."""
        return tuple(record for record in self.records if record.status == "failed")


def run_study(
    study: Study,
    *,
    sink: Sink,
    options: Options,
    executor: Executor = "ray",
    listener: Listener,
) -> StudyOutcome:
    """Run a study; a run that failed is a record, and the rest goes on.

    Args:
        study: the checked plan.
        sink: where runs are recorded.
        options: where and how to run.
        executor: Ray Tune, or one run after the other in this process.
        listener: told of everything, in this process.

    Raises:
        StoreError: the results folder or Ray cannot be used.
    """
    events = Events(sink, listener)
    points, num_sampled = _told(study, options) if study.is_sampled else (study.points, 0)
    todo, done = _sort(study, points, options)
    if study.is_sampled:
        todo = []  # the sampler says what to do
    listener.planned(len(todo) + len(done) + num_sampled, len(done), study.notes)
    for run, record in done.values():
        events.finished(run, record)
    _executor(executor)(study, todo, events, options)
    return StudyOutcome(records=tuple(events.records.values()), num_reused=len(done))


def _told(study: Study, options: Options) -> tuple[tuple[Point, ...], int]:
    """Points that the sampler was told of before, and the number of runs that it has left."""
    from orchestrator.sweep.sampling import open_study, told_points

    points = told_points(open_study(options.journal, study.name, seed=study.base.seed))
    return points, max(0, study.num_trials - len(points)) * len(study.seeds)


def _sort(
    study: Study, points: tuple[Point, ...], options: Options
) -> tuple[list[Run], dict[str, tuple[Run, Record]]]:
    """Runs to do, and runs with a record, seed by seed so that each factor fills evenly."""
    done: dict[str, tuple[Run, Record]] = {}
    todo = []
    for run in sorted(
        (run for point in points for run in study.runs(point)),
        key=lambda run: study.seeds.index(run.config.seed),
    ):
        record = finished_record(options.results, run.run_id)
        if record is None:
            todo.append(run)
        else:
            done[run.run_id] = (run, record)
    return todo, done


def _executor(name: Executor) -> Callable[[Study, list[Run], Events, Options], None]:
    if name == "local":
        from orchestrator.sweep.local import execute
    else:
        from orchestrator.sweep.ray import execute
    return execute
