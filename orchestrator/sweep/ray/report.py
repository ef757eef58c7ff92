"""Passes what Ray's workers report on to the driver's events."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial

from orchestrator.errors import OrchError
from orchestrator.results import Epoch, Failure, Record, record_from_json
from orchestrator.sweep.budget import LEFT
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
from orchestrator.sweep.ray.gpus import Use
from orchestrator.sweep.ray.worker import Context
from orchestrator.sweep.storage import collect
from orchestrator.sweep.study import Run


class Report(Callback):
    """Passes workers' reports on to the driver's events."""

    def __init__(self, context: Context, events: Events) -> None:
        self._context = context
        self._events = events
        self._kills = KernelKills()
        self.uses: list[Use] = []
        """What runs took of their devices."""

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
            self._events.finished(run, self._collected(run, record_from_json(record)))
        if result.get("use"):
            self.uses.append(Use(**result["use"]))

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **_: object
    ) -> None:
        """A trial without records was ended early, by the scheduler or with the sweep."""
        if (trial.last_result or {}).get("state") == LEFT:
            return
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

    def _collected(self, run: Run, record: Record) -> Record:
        """The record of a run that ended, its files now in the driver's results folder."""
        remote, results = self._context.remote, self._context.options.results
        if remote is None or remote.url is None:
            return record
        try:
            collect(remote.storage(), run.run_id, run_folder(results, run.run_id))
        except OrchError as error:
            reason = f"its files could not be brought here: {error}"
            return failure(run.config, self._context.study.data_hash, reason=reason)
        return record

    def _why(self, trial: Trial) -> tuple[Failure, str]:
        limit = self._context.options.limit
        if limit is not None and self._is_over_time(trial, limit):
            return "timeout", f"it took longer than --trial-time allows ({limit:g} s)"
        if self._kills.happened():
            return "memory", "the kernel killed its worker process: the machine's memory was full"
        return "lost", "its worker process died (killed or lost)"

    def _is_over_time(self, trial: Trial, limit: float) -> bool:
        """By the note that the worker left; one on another machine left it there."""
        if self._context.remote is not None:
            began = trial.run_metadata.start_time
            return began is not None and time.time() - began >= limit
        return any(timed_out(self._mark(run)) for run in self._context.runs(trial.config))

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
