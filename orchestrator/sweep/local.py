"""Runs a study in this process, one run after the other; needs no Ray."""

from statistics import fmean

from orchestrator.config import MONITOR
from orchestrator.results import Record
from orchestrator.sweep.budget import is_out_of_time
from orchestrator.sweep.events import Events
from orchestrator.sweep.objective import dataset_in_worker
from orchestrator.sweep.options import Options
from orchestrator.sweep.study import Point, Run, SpaceStudy, Study
from orchestrator.tracking.runs import Objective


def execute(study: Study, todo: list[Run], events: Events, options: Options) -> None:
    """Run the listed runs; where none are listed, as many points as a sampled study has left."""
    if study.sampled and not todo:
        _sample(study.sampled, events, options)
    for run in todo:
        if events.stop_reason or options.deadline.is_over():
            return
        _one(run, events, options)


def _sample(study: SpaceStudy, events: Events, options: Options) -> None:
    from orchestrator.sweep.sampling import Search

    search = Search(study, options.journal)
    for _ in range(search.num_left):
        is_over = events.stop_reason or options.deadline.is_over()
        asked = None if is_over else search.ask()
        if asked is None:
            return
        trial, point = asked
        records = _point(study, point, events, options)
        if is_left(records, num_runs=len(study.seeds)):
            return  # untold, so the point is in line again when the sweep goes on
        search.tell(trial, outcome(records), values_of(records, study.objectives))


def _point(study: SpaceStudy, point: Point, events: Events, options: Options) -> list[Record]:
    """Records of a point's runs; fewer than it has where its time is over."""
    records = []
    for run in study.runs(point):
        if options.deadline.is_over():
            break
        records.append(_one(run, events, options))
    return records


def is_left(records: list[Record], *, num_runs: int) -> bool:
    """Whether the runs of a point were not all run to an end, as its time was over."""
    return len(records) < num_runs or any(map(is_out_of_time, records))


def _one(run: Run, events: Events, options: Options) -> Record:
    record = options.deadline.run_trial(
        run.config,
        dataset_in_worker(run.config.dataset, options.data_dir),
        results=options.results,
        device=options.device,
        on_epoch=lambda epoch: events.epoch(run, epoch),
    )
    events.finished(run, record)
    return record


def outcome(records: list[Record]) -> dict[str, object]:
    """What a sampler is told of a point: the mean over seeds, or that a run failed."""
    if any(record.status != "finished" for record in records):
        return {"state": "failed", "value": None}
    values = [record.metrics[MONITOR] for record in records]
    return {"state": "finished", "value": sum(values) / len(values)}


def values_of(records: list[Record], objectives: tuple[Objective, ...]) -> list[float]:
    """What a point is worth, one value per objective: means over the seeds of finished runs."""
    finished = [record for record in records if record.status == "finished"]
    if not finished:
        return []
    return [fmean(_figure(record, one) for record in finished) for one in objectives]


def _figure(record: Record, objective: Objective) -> float:
    if objective == "ndcg":
        return record.metrics[MONITOR]
    return float(record.num_parameters) if objective == "parameters" else record.seconds
