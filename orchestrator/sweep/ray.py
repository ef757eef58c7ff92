"""Runs a study with Ray Tune, on this machine or a cluster; the only file that imports ray.

Workers train and report; the driver alone records. A trial of a listed study is one run. A trial
of a sampled study is one point: its seeds run one after the other, the first of them reporting
every epoch so that a scheduler may end the trial early.
"""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import ray
import torch
from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from orchestrator.config import MONITOR
from orchestrator.errors import OrchError, StoreError
from orchestrator.results import Epoch, Record, record_from_json, run_id
from orchestrator.sweep.events import Events
from orchestrator.sweep.local import outcome
from orchestrator.sweep.objective import dataset_in_worker, failure, finished_record, run_trial
from orchestrator.sweep.options import Options
from orchestrator.sweep.sampling import num_told, open_study, suggest, tell
from orchestrator.sweep.study import Run, SpaceStudy, Study

REPORT_SECONDS = 0.5
"""Epochs are reported together no more often than this, unless a scheduler decides on each."""
REACH_SECONDS = 5.0
"""How long a cluster may take to answer the first time."""
ASHA_GRACE = 5
"""Epochs before ASHA may end a trial."""

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours: the tracker closes its runs first
    "TUNE_RESULT_BUFFER_LENGTH": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # its kills end the whole sweep; the kernel's, one run
}


@dataclass(frozen=True, kw_only=True)
class _Context:
    """What every worker is given."""

    study: Study
    options: Options
    todo: tuple[Run, ...]


class RaySession:
    """Ray, from its first use to the end of the ``with`` block."""

    def __init__(self) -> None:
        self._is_started = False

    def __enter__(self) -> "RaySession":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_started:
            ray.shutdown()

    def execute(self, study: Study, todo: list[Run], events: Events, options: Options) -> None:
        """Run what is to be done: the listed runs, or as many points as a sampled study has left.

        Raises:
            StoreError: Ray cannot be started or reached.
        """
        os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})
        sampler = _Sampler(study.sampled, options) if study.sampled else None
        if not (sampler.num_left if sampler else todo):
            return
        if not self._is_started:
            _start(options)
            self._is_started = True
        _tuner(study, todo, events, options, sampler).fit()


def _start(options: Options) -> None:
    is_local = options.address is None
    on_term = signal.getsignal(signal.SIGTERM)  # Ray puts one of its own, which prints a stack
    try:
        _require_answer(options.address)
        ray.init(
            address=options.address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
            num_cpus=options.workers * options.threads if is_local else None,
            include_dashboard=False if is_local else None,
        )
    except (OSError, RuntimeError, ValueError) as error:
        where = options.address or "this machine"
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"Ray cannot be used on {where}: {reason}. Mend --ray-address or use --executor local."
        ) from None
    if on_term is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_term)
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a lost worker is told as a record


def _require_answer(address: str | None) -> None:
    """Ask a cluster's port whether it is open: Ray itself would ask for minutes."""
    parts = urlsplit(address if address and "//" in address else f"//{address or ''}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=REACH_SECONDS).close()


def _tuner(
    study: Study,
    todo: list[Run],
    events: Events,
    options: Options,
    sampler: "_Sampler | None",
) -> tune.Tuner:
    context = _Context(study=study, options=options, todo=tuple(todo))
    trainable = tune.with_resources(
        tune.with_parameters(_work, context=context),
        {"cpu": options.threads, "gpu": options.gpus},
    )
    return tune.Tuner(
        trainable,
        param_space={} if sampler else {"index": tune.grid_search(list(range(len(todo))))},
        tune_config=tune.TuneConfig(
            metric=MONITOR,
            mode="max",
            num_samples=sampler.num_left if sampler else 1,
            search_alg=sampler,
            scheduler=_scheduler(study),
            max_concurrent_trials=options.workers,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=f"ray-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}",
            storage_path=str(options.folder),
            callbacks=[_Report(context, events)],
            failure_config=tune.FailureConfig(max_failures=0),
            log_to_file=True,
            verbose=0,
        ),
    )


def _scheduler(study: Study) -> TrialScheduler | None:
    if study.scheduler == "none":
        return None
    most = 10 * study.base.train.max_epochs
    return ASHAScheduler(grace_period=min(ASHA_GRACE, most), max_t=most, reduction_factor=3)


class _Sampler(OptunaSearch):
    """Ray's Optuna search, telling Optuna what really became of each trial.

    Ray's own class tells a trial that was ended early as complete, with its early value, and
    leaves one without a value running for ever.
    """

    def __init__(self, study: SpaceStudy, options: Options) -> None:
        self._journal = options.journal
        self._history = open_study(options.journal, study.name, seed=study.base.seed)
        self.num_left = max(0, study.num_trials - num_told(self._history))
        super().__init__(
            space=lambda trial: suggest(trial, study.space) and None,
            metric=MONITOR,
            mode="max",
            storage=self._history._storage,
            sampler=self._history.sampler,
            study_name=study.name,
        )

    def save(self, checkpoint_path: str) -> None:
        """Leave a note: the history is in the journal, of which Ray needs no copy."""
        Path(checkpoint_path).write_text(f"see {self._journal}\n")

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """A report: epochs are intermediate values, the last report is not."""
        if "state" not in result:
            super().on_trial_result(trial_id, result)

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,
    ) -> None:
        """The end of a trial: finished, ended early by the scheduler, or failed."""
        if trial_id in self._completed_trials:
            return
        if result and not error:
            self.on_trial_result(trial_id, result)  # Ray leaves out the report that it ends at
        self._completed_trials.add(trial_id)
        end = None if error or not result else {"state": "stopped", **result}
        tell(self._history, self._ot_trials[trial_id], end)


def _work(config: dict[str, Any], *, context: _Context) -> None:
    """A worker's trial: train and report; what it reports last carries the records."""
    torch.set_num_threads(context.options.threads)
    runs = _runs(config, context)
    reporter = _Reporter(every=0.0 if context.study.scheduler == "asha" else REPORT_SECONDS)
    records = []
    for place, run in enumerate(runs):
        on_epoch = reporter.epoch if place == 0 else None
        records.append(_trial(run, context.options, on_epoch))
    end = outcome(records)
    tune.report(
        {
            MONITOR: end["value"] if end["state"] == "finished" else float("-inf"),
            "epochs": reporter.take(),
            "records": [record.to_json() for record in records],
            **end,
        }
    )


def _trial(run: Run, options: Options, on_epoch: Callable[[Epoch], None] | None) -> Record:
    try:
        dataset = dataset_in_worker(run.config.dataset, options.data_dir)
    except OrchError as error:
        return failure(run.config, "", reason=str(error))
    if run_id(run.config, dataset.data_hash) != run.run_id:
        reason = (
            "this worker's code or data are not the driver's. Install the same on every machine."
        )
        return failure(run.config, dataset.data_hash, reason=reason)
    return run_trial(
        run.config, dataset, results=options.results, device=options.device, on_epoch=on_epoch
    )


def _runs(config: dict[str, Any], context: _Context) -> tuple[Run, ...]:
    if "index" in config:
        return (context.todo[config["index"]],)
    assert context.study.sampled, "a listed study's trial is an index"
    return context.study.sampled.runs(config)


class _Reporter:
    """Collects epochs and reports them together, since a report costs a round trip."""

    def __init__(self, *, every: float) -> None:
        self._every = every
        self._last = time.monotonic()
        self._epochs: list[Epoch] = []

    def epoch(self, epoch: Epoch) -> None:
        self._epochs.append(epoch)
        if time.monotonic() - self._last >= self._every:
            tune.report({MONITOR: epoch.valid[MONITOR], "epochs": self.take()})
            self._last = time.monotonic()

    def take(self) -> list[dict[str, Any]]:
        """The epochs not reported yet, as plain data."""
        epochs, self._epochs = self._epochs, []
        return [asdict(epoch) for epoch in epochs]


class _Report(Callback):
    """Passes workers' reports on to the driver's events."""

    def __init__(self, context: _Context, events: Events) -> None:
        self._context = context
        self._events = events

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray pickles callbacks to restore an experiment, which we never ask of it."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **_: object
    ) -> None:
        """Epochs, and at a trial's end the records of its runs."""
        runs = _runs(trial.config, self._context)
        for epoch in result.get("epochs", ()):
            self._events.epoch(runs[0], Epoch(**epoch))
        for run, record in zip(runs, result.get("records", ()), strict=False):
            self._events.finished(run, record_from_json(record))

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **_: object
    ) -> None:
        """A trial that ended without records was ended early by the scheduler."""
        self._end(trial, status="stopped", reason="ended early by the scheduler")

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **_: object
    ) -> None:
        """A trial's process died: killed, out of memory, or lost with its machine."""
        self._end(trial, status="failed", reason="its worker process died (killed or lost)")

    def _end(self, trial: Trial, *, status: Any, reason: str) -> None:  # noqa: ANN401
        for run in _runs(trial.config, self._context):
            record = finished_record(self._context.options.results, run.run_id)
            if record is None:
                self._events.finished(run, self._unfinished(run, status, reason))
                return
            self._events.finished(run, record)

    def _unfinished(self, run: Run, status: Any, reason: str) -> Record:  # noqa: ANN401
        record = failure(run.config, self._context.study.data_hash, reason=reason)
        return replace(record, status=status, epochs=self._events.epochs(run))
