"""Passes what Ray's workers report on to the driver's events."""

from dataclasses import replace
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from orchestrator.results import Epoch, Record, record_from_json
from orchestrator.sweep.budget import LEFT
from orchestrator.sweep.events import Events
from orchestrator.sweep.objective import failure, finished_record
from orchestrator.sweep.ray.worker import Context
from orchestrator.sweep.study import Run


class Report(Callback):
    """Passes workers' reports on to the driver's events."""

    def __init__(self, context: Context, events: Events) -> None:
        self._context = context
        self._events = events

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
        """A trial that ended without records was ended early by the scheduler, or had no time."""
        if (trial.last_result or {}).get("state") == LEFT:
            return
        self._end(trial, status="stopped", reason="ended early by the scheduler")

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **_: object
    ) -> None:
        """A trial's process died: killed, out of memory, or lost with its machine."""
        self._end(trial, status="failed", reason="its worker process died (killed or lost)")

    def _end(self, trial: Trial, *, status: Any, reason: str) -> None:  # noqa: ANN401
        for run in self._context.runs(trial.config):
            record = finished_record(self._context.options.results, run.run_id)
            if record is None:
                self._events.finished(run, self._unfinished(run, status, reason))
                return
            self._events.finished(run, record)

    def _unfinished(self, run: Run, status: Any, reason: str) -> Record:  # noqa: ANN401
        record = failure(run.config, self._context.study.data_hash, reason=reason)
        return replace(record, status=status, epochs=self._events.epochs(run))
