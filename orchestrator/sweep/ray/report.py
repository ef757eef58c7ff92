"""Passes what Ray's workers report on to the driver's events."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial

from orchestrator.results import Epoch, Failure, Record, record_from_json
from orchestrator.sweep.events import Events
from orchestrator.sweep.failures import KernelKills
from orchestrator.sweep.limits import timed_out
from orchestrator.sweep.objective import (
    TIMEOUT,
    failure,
    finished_record,
    keep_failure,
    run_folder,
)
from orchestrator.sweep.ray.worker import Context
from orchestrator.sweep.study import Run


class Report(Callback):
    """Passes workers' reports on to the driver's events."""

    def __init__(self, context: Context, events: Events) -> None:
        self._context = context
        self._events = events
        self._kills = KernelKills()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray pickles callbacks to restore an experiment, which we never ask of it."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **_: object
    ) -> None:
        """Epochs, and at a trial's end the records of its runs."""
        runs = self._context.runs(trial.config)
        for epoch in result.get("epochs", ()):
            self._events.epoch(runs[0], Epoch(**epoch))
        for run, record in zip(runs, result.get("records", ()), strict=False):
            self._events.finished(run, record_from_json(record))

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **_: object
    ) -> None:
        """A trial without records was ended early: by the scheduler, or with the sweep."""
        why = self._events.stop_reason
        reason = f"the sweep was stopped: {why}" if why else "ended early by the scheduler"
        for run in self._unfinished(trial)[:1]:
            self._events.finished(run, self._stopped(run, reason))

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **_: object
    ) -> None:
        """A trial's process died: killed, out of memory, over its time, or with its machine."""
        kind, reason = self._why(trial)
        for run in self._unfinished(trial):
            self._events.finished(run, self._failed(run, kind, reason))
            kind, reason = "lost", "its worker process died before it began"

    def _unfinished(self, trial: Trial) -> list[Run]:
        """The trial's runs that have no outcome; those that have are told."""
        left = []
        for run in self._context.runs(trial.config):
            record = finished_record(self._context.options.results, run.run_id)
            if record is None:
                left.append(run)
            else:
                self._events.finished(run, record)
        return left

    def _why(self, trial: Trial) -> tuple[Failure, str]:
        limit = self._context.options.limit
        marks = (self._mark(run) for run in self._context.runs(trial.config))
        if limit is not None and any(map(timed_out, marks)):
            return "timeout", f"it took longer than --trial-time allows ({limit:g} s)"
        if self._kills.happened():
            return "memory", "the kernel killed its worker process: the machine's memory was full"
        return "lost", "its worker process died (killed or lost)"

    def _mark(self, run: Run) -> Path:
        return run_folder(self._context.options.results, run.run_id) / TIMEOUT

    def _failed(self, run: Run, kind: Failure, reason: str) -> Record:
        trace = timed_out(self._mark(run)) if kind == "timeout" else None
        record = self._blank(run, kind, reason, trace)
        keep_failure(self._context.options.results, record)
        return record

    def _stopped(self, run: Run, reason: str) -> Record:
        return replace(self._blank(run, "error", reason), status="stopped", failure=None)

    def _blank(self, run: Run, kind: Failure, reason: str, trace: str | None = None) -> Record:
        data = self._context.study.data_hash
        record = failure(run.config, data, kind=kind, reason=reason, trace=trace)
        return replace(record, epochs=self._events.epochs(run))


class Stop(Stopper):
    """Ends all trials when the driver's events say so."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, as for :class:`Report`."""
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial is ended alone."""
        return False

    def stop_all(self) -> bool:
        """Whether the study is to stop."""
        return self._events.stop_reason is not None
