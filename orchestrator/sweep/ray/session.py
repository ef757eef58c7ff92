"""Ray on this machine or a cluster, and a study run on it with Ray Tune."""

import logging
import os
import signal
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from types import TracebackType
from urllib.parse import urlsplit

import ray
from ray import tune

from orchestrator.config import MONITOR
from orchestrator.errors import StoreError
from orchestrator.sweep.events import Events
from orchestrator.sweep.failures import AGAIN
from orchestrator.sweep.options import Options
from orchestrator.sweep.prepare import check_gpus
from orchestrator.sweep.ray.cluster import LOST_RETRIES, loopback, most_on_a_node, offer_runs, share
from orchestrator.sweep.ray.gpus import even_share, largest
from orchestrator.sweep.ray.guard import Guard, RayLostError
from orchestrator.sweep.ray.nodes import Remote
from orchestrator.sweep.ray.report import Report, Stop
from orchestrator.sweep.ray.search import Sampler, scheduler
from orchestrator.sweep.ray.worker import Context, work
from orchestrator.sweep.study import Run, Study

REACH_SECONDS = 5.0
"""How long a cluster may take to answer the first time."""

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a run without a GPU sees none
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours: the tracker closes its runs first
    "TUNE_RESULT_BUFFER_LENGTH": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # its kills end the whole sweep; the kernel's, one run
}


class RaySession:
    """Ray, from its first use to the end of the ``with`` block."""

    def __init__(self) -> None:
        self._guard: Guard | None = None
        self._early: Future[None] | None = None
        # Ray's processes end with the thread that started them.
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._remote: Remote | None = None

    def __enter__(self) -> "RaySession":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        is_early = self._early is not None and self._early.exception() is None  # waits for it
        if is_early or self._guard is not None:  # not a Ray that the caller has
            ray.shutdown()
        self._pool.shutdown()

    def start_early(self, options: Options) -> None:
        """Let Ray on this machine start while the caller does other things.

        What goes wrong is told by the first use.
        """
        if options.address is None:
            _set_environment()
            self._early = self._pool.submit(_start, options)

    def execute(self, study: Study, todo: list[Run], events: Events, options: Options) -> None:
        """Run the listed runs; where none are listed, as many points as a sampled study has left.

        Raises:
            StoreError: Ray cannot be started or reached.
        """
        _set_environment()
        events.again = AGAIN
        guard = self._require(options)
        if self._remote is not None:
            offer_runs(self._remote, todo, options, study.data_hash)
        try:
            with guard.watching():
                self._packed(study, todo, events, options)
        except RayLostError:
            events.stop("Ray's processes died (killed?). Type the same command again to go on.")

    def _require(self, options: Options) -> Guard:
        if self._guard is not None:
            return self._guard
        if self._early is None:
            _start(options)
        else:
            self._early.result()
        self._guard = Guard()
        where = "on a node of the cluster" if options.address else "here"
        check_gpus(options.gpus, most_on_a_node("GPU"), where)
        if options.address is not None:
            self._remote = share(options)
        return self._guard

    def _packed(self, study: Study, todo: list[Run], events: Events, options: Options) -> None:
        """Run everything, with as much of a GPU for each run as was told or is measured."""
        devices = _devices(options)
        if options.gpus != "auto":
            gpus = options.gpus
            if gpus is None:
                gpus = even_share(devices, options.workers, options.device)
            self._fit(study, todo, events, options, gpus=gpus)
            return
        first = max(1, min(options.workers, devices, len(todo) or options.workers))
        report = self._fit(study, todo[:first], events, options, gpus=1.0, most=first)
        if report is None or (todo and not todo[first:]):
            return
        use = largest(report.uses)
        if use is not None:
            events.note(use.tell(workers=options.workers))
        gpus = use.share() if use else 1.0
        self._fit(study, todo[first:], events, options, gpus=gpus)

    def _fit(
        self,
        study: Study,
        todo: list[Run],
        events: Events,
        options: Options,
        *,
        gpus: float,
        most: int | None = None,
    ) -> Report | None:
        """Run the listed runs, or the points that a sampled study has left, at most so many.

        Returns:
            What was reported; None where there was nothing to run.
        """
        sampler = Sampler(study.sampled, options) if study.sampled and not todo else None
        num_left = sampler.num_left if sampler else len(todo)
        if not num_left:
            return None
        context = Context(study=study, options=options, todo=tuple(todo), remote=self._remote)
        report = Report(context, events)
        num_points = min(num_left, most or num_left)
        _tuner(context, report, Stop(events), sampler, gpus=gpus, num_points=num_points).fit()
        return report


def _set_environment() -> None:
    os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})


def _devices(options: Options) -> int:
    """GPUs of all machines that Ray has."""
    return int(ray.cluster_resources().get("GPU", 0)) if options.gpus != 0 else 0


def _start(options: Options) -> None:
    is_local = options.address is None
    on_term = signal.getsignal(signal.SIGTERM)  # Ray puts one of its own, which prints a stack
    try:
        _require_answer(options.address)
        with loopback() if is_local else nullcontext():
            ray.init(
                address=options.address or "local",
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
            f"Ray cannot be used on {where}: {reason}. Mend --address or use --executor local."
        ) from None
    if on_term is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_term)
    ray._private.worker._worker_logs_enabled = False  # raylet's own remarks; we tell of lost runs
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a lost worker is told as a record


def _require_answer(address: str | None) -> None:
    """Ask a cluster's port whether it is open: Ray itself would ask for minutes."""
    parts = urlsplit(address if address and "//" in address else f"//{address or ''}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=REACH_SECONDS).close()


def _tuner(
    context: Context,
    report: Report,
    stop: Stop,
    sampler: Sampler | None,
    *,
    gpus: float,
    num_points: int,
) -> tune.Tuner:
    options, study = context.options, context.study
    # A time-out looks like a lost worker to Ray, and would be tried again.
    retries = LOST_RETRIES if context.remote and options.limit is None else 0
    trainable = tune.with_resources(
        tune.with_parameters(work, context=context),
        {"cpu": options.threads, "gpu": gpus},
    )
    return tune.Tuner(
        trainable,
        param_space={} if sampler else {"index": tune.grid_search(list(range(num_points)))},
        tune_config=tune.TuneConfig(
            metric=MONITOR,
            mode="max",
            num_samples=num_points if sampler else 1,
            search_alg=sampler,
            scheduler=scheduler(study),
            max_concurrent_trials=options.workers,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            stop=stop,
            name=f"ray-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}",
            storage_path=str(options.folder),
            callbacks=[report],
            failure_config=tune.FailureConfig(max_failures=retries),
            log_to_file=True,
            verbose=0,
        ),
    )
