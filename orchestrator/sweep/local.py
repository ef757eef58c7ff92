"""Runs a study in this process, one run after the other; needs no Ray."""

from statistics import fmean

from orchestrator.config import MONITOR
from orchestrator.results import Record
from orchestrator.sweep.events import Events
from orchestrator.sweep.objective import dataset_in_worker, run_trial
from orchestrator.sweep.options import Options
from orchestrator.sweep.study import Run, SpaceStudy, Study
from orchestrator.tracking.runs import Objective


def execute(study: Study, todo: list[Run], events: Events, options: Options) -> None:
    """Run the listed runs; where none are listed, as many points as a sampled study has left."""
    if study.sampled and not todo:
        _sample(study.sampled, events, options)
    for run in todo:
        if events.stop_reason:
            return
        _one(run, events, options)


def _sample(study: SpaceStudy, events: Events, options: Options) -> None:
    from orchestrator.sweep.sampling import Search

    search = Search(study, options.journal)
    for _ in range(search.num_left):
        asked = None if events.stop_reason else search.ask()
        if asked is None:
            return
        trial, point = asked
        records = [_one(run, events, options) for run in study.runs(point)]
        search.tell(trial, outcome(records), values_of(records, study.objectives))


def _one(run: Run, events: Events, options: Options) -> Record:
    record = run_trial(
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
