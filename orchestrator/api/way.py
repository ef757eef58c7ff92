"""How a sweep, an ablation, a path or a diagnosis is run, as its caller says."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from orchestrator.api.command import Command
from orchestrator.api.results import RESULTS
from orchestrator.data import data_folder
from orchestrator.errors import ConfigError
from orchestrator.sweep.budget import Deadline, seconds_of
from orchestrator.sweep.events import Listener, Silent
from orchestrator.sweep.options import Executor, Gpus, Options
from orchestrator.sweep.prepare import at_least, at_least_one, check_cluster, check_devices
from orchestrator.sweep.settle import Rule

_LOG = logging.getLogger(__name__)


class How(TypedDict, total=False):
    """What every function takes that runs something; none of it changes a result."""

    num_workers: int
    """Runs at once; 2 by default."""
    num_threads: int
    """CPU threads per run; 1 by default."""
    num_gpus: Gpus | None
    """GPUs per run; ``auto`` measures the first runs' memory and packs the others, by default all
    GPUs are shared evenly by the workers."""
    executor: Executor
    """``ray``, or ``local`` for one run after the other in this process."""
    address: str | None
    """A Ray cluster to join, ``HOST:PORT`` or ``auto``."""
    storage: str | None
    """Of a cluster: URL where runs' files are kept while they run; by default the results folder,
    which this process shares."""
    device: str
    """``auto``, ``cpu``, ``cuda``."""
    trial_time: str | None
    """How long a run may take, such as ``30m``; one that takes longer fails."""
    max_time: str | None
    """How long runs may go on from now, such as ``2h`` or ``90m``; then running ones end at their
    next epoch, and the same call goes on later."""
    stop_after: int
    """Failures of one kind in a row that stop it all; 5 by default, 0 never does."""
    results: Path
    """Folder of runs, sweeps and the default store; ``results`` by default."""
    data_dir: Path | None
    """Folder of data sets."""
    tracking_uri: str | None
    """An MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in ``results``."""
    listener: Listener | None
    """Told of progress."""
    on_problem: Callable[[str], None] | None
    """Told, once, of what does not stop the runs, such as a store that fails."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """The same with its defaults, and with what some functions alone take."""

    command: Command
    """What began it; kept, so that it can be typed again by name alone."""
    num_workers: int = 2
    num_threads: int = 1
    num_gpus: Gpus | None = None
    executor: Executor = "ray"
    address: str | None = None
    storage: str | None = None
    device: str = "auto"
    trial_time: str | None = None
    max_time: str | None = None
    stop_after: int = 5
    results: Path = RESULTS
    data_dir: Path | None = None
    tracking_uri: str | None = None
    listener: Listener | None = None
    on_problem: Callable[[str], None] | None = None
    max_trials: int | None = None
    """Trials of a listed study at most."""
    rule: Rule | None = None
    """When a trial of a listed study gets no more seeds."""
    started: float = field(default_factory=time.time)
    """Unix seconds."""

    def options(self, name: str = "unnamed") -> Options:
        """The same, checked, for one of this name.

        Raises:
            ConfigError: a number or a device that cannot be.
        """
        results = self.results.resolve()
        options = Options(
            results=results,
            data_dir=data_folder(self.data_dir).resolve(),
            folder=results / "sweeps" / name,
            workers=at_least_one("--workers", self.num_workers),
            threads=at_least_one("--threads", self.num_threads),
            gpus=self.num_gpus,
            device=self.device,
            address=self.address,
            limit=self._limit(),
            stop_after=at_least("--stop-after", self.stop_after, 0),
            storage=self.storage,
            deadline=self._deadline(),
            max_trials=self.max_trials,
            rule=self.rule,
        )
        check_cluster(options, self.executor)
        if self.address is None or self.executor == "local":
            check_devices(options)
        return options

    def _limit(self) -> float | None:
        if self.trial_time is None:
            return None
        if self.executor == "local":
            raise ConfigError(
                "--trial-time cannot be used with --executor local: a run that hangs there is this "
                "process. Leave one of them out."
            )
        return seconds_of(self.trial_time, option="--trial-time")

    def _deadline(self) -> Deadline:
        if self.max_time is None:
            return Deadline()
        return Deadline(self.started + seconds_of(self.max_time, option="--max-time"))

    @property
    def looks(self) -> int:
        """How often seeds may be looked at before more are added."""
        return self.rule.looks if self.rule else 1

    def hears(self) -> Listener:
        """Who is told of progress."""
        return self.listener or Silent()

    def problem(self, text: str) -> None:
        """Tell of something that does not stop the runs."""
        (self.on_problem or _LOG.warning)(text)
