"""Runs a study in this process, one run after the other; needs no Ray."""

from orchestrator.config import MONITOR
from orchestrator.results import Record
from orchestrator.sweep.events import Events
from orchestrator.sweep.objective import dataset_in_worker, run_trial
from orchestrator.sweep.options import Options
from orchestrator.sweep.study import Point, Run, SpaceStudy, Study


def execute(study: Study, todo: list[Run], events: Events, options: Options) -> None:
    """Run the listed runs; where none are listed, as many points as a sampled study has left."""
    if study.sampled and not todo:
        _sample(study.sampled, events, options)
    for run in todo:
        if events.stop_reason:
            return
        _one(run, events, options)


def _sample(study: SpaceStudy, events: Events, options: Options) -> None:
    from orchestrator.sweep.sampling import num_told, open_study, suggest, tell

    sampler = open_study(options.journal, study.name, seed=study.base.seed)
    for _ in range(study.num_trials - num_told(sampler)):
        if events.stop_reason:
            return
        trial = sampler.ask()
        tell(sampler, trial, _point(study, suggest(trial, study.space), events, options))


def _point(study: SpaceStudy, point: Point, events: Events, options: Options) -> dict[str, object]:
    return outcome([_one(run, events, options) for run in study.runs(point)])


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
