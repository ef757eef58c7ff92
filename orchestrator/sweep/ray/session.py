"""Ray on this machine or a cluster, and a study run on it with Ray Tune."""

import logging
import os
import signal
import socket
import threading
import time
from types import TracebackType
from urllib.parse import urlsplit

import ray
from ray import tune

from orchestrator.config import MONITOR
from orchestrator.errors import StoreError
from orchestrator.sweep.events import Events
from orchestrator.sweep.failures import AGAIN
from orchestrator.sweep.options import Options
from orchestrator.sweep.ray.guard import Guard, RayLostError
from orchestrator.sweep.ray.report import Report, Stop
from orchestrator.sweep.ray.search import Sampler, scheduler
from orchestrator.sweep.ray.worker import Context, work
from orchestrator.sweep.study import Run, Study

REACH_SECONDS = 5.0
"""How long a cluster may take to answer the first time."""

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


class RaySession:
    """Ray, from its first use to the end of the ``with`` block."""

    def __init__(self) -> None:
        self._guard: Guard | None = None

    def __enter__(self) -> "RaySession":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._guard is not None:
            ray.shutdown()

    def execute(self, study: Study, todo: list[Run], events: Events, options: Options) -> None:
        """Run the listed runs; where none are listed, as many points as a sampled study has left.

        Raises:
            StoreError: Ray cannot be started or reached.
        """
        os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})
        events.again = AGAIN
        sampler = Sampler(study.sampled, options) if study.sampled and not todo else None
        if self._guard is None:
            _start(options)
            self._guard = Guard()
        try:
            with self._guard.watching():
                _tuner(study, todo, events, options, sampler).fit()
        except RayLostError:
            events.stop("Ray's processes died (killed?). Type the same command again to go on.")


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
    ray._private.worker._worker_logs_enabled = False  # raylet's own remarks; we tell of lost runs
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
    sampler: "Sampler | None",
) -> tune.Tuner:
    context = Context(study=study, options=options, todo=tuple(todo))
    trainable = tune.with_resources(
        tune.with_parameters(work, context=context),
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
            scheduler=scheduler(study),
            max_concurrent_trials=options.workers,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            stop=Stop(events),
            name=f"ray-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}",
            storage_path=str(options.folder),
            callbacks=[Report(context, events)],
            failure_config=tune.FailureConfig(max_failures=0),
            log_to_file=True,
            verbose=0,
        ),
    )
