"""How sweeps, ablations and diagnoses are run, recorded and drawn alike."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from filelock import FileLock, Timeout

from orchestrator.api.command import Command
from orchestrator.data import data_folder
from orchestrator.errors import ConfigError, StoreError
from orchestrator.sweep.budget import Deadline, seconds_of
from orchestrator.sweep.events import Counting, Listener, Silent
from orchestrator.sweep.options import Executor, Gpus, Options
from orchestrator.sweep.prepare import at_least, at_least_one, check_cluster, check_devices
from orchestrator.sweep.run import StudyOutcome, open_executor
from orchestrator.sweep.settle import Rule
from orchestrator.sweep.study import Planned, claim
from orchestrator.tracking.runs import SweepInfo, SweepStatus

if TYPE_CHECKING:
    from orchestrator.reporting.report import Report
    from orchestrator.tracking.mlflow import Tracker

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a sweep, an ablation or a diagnosis is run, as its caller says."""

    num_workers: int
    num_threads: int
    num_gpus: Gpus | None
    executor: Executor
    address: str | None
    storage: str | None
    device: str
    results: Path
    data_dir: Path | None
    tracking_uri: str | None
    listener: Listener | None
    on_problem: Callable[[str], None] | None
    command: Command
    """What began it; kept, so that it can be typed again by name alone."""
    trial_time: str | None = None
    """How long a run may take, such as ``30m``."""
    stop_after: int = 5
    max_time: str | None = None
    """How long runs may go on from now, such as ``2h``."""
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


def tracked(
    plan: Planned,
    info: SweepInfo,
    way: Way,
    work: Callable[..., StudyOutcome],
    draw: Callable[..., "Report"],
) -> dict[str, Any]:
    """Run, record and draw.

    Args:
        plan: what is checked.
        info: what the tracker is told of it.
        way: how it is run.
        work: runs it, given ``sink``, ``options``, ``execute`` and ``listener``.
        draw: makes a report of the runs' frame, given ``folder``.

    Returns:
        What the result has to tell, by name.
    """
    from orchestrator.reporting.blocks import filled
    from orchestrator.tracking.mlflow import Tracker, tracking_uri

    options = way.options(plan.name)
    uri = tracking_uri(way.tracking_uri, options.results)
    tracker = Tracker(uri, options.results, on_problem=way.problem)
    claim(plan, options.folder)
    with only_one(options.folder), tracker.open_sweep(info) as sink:
        way.command.keep(options.folder, plan.name)
        with open_executor(way.executor) as execute:
            hears = Counting(way.hears(), on_plan=sink.plan_runs)
            outcome = work(sink=sink, options=options, execute=execute, listener=hears)
        drawn = draw(_runs(tracker, plan.name, outcome), folder=options.folder / "figures")
        told = [outcome.stop_reason, drawn.markdown, "\n".join(outcome.notes)]
        sink.finish_sweep(
            _status(outcome),
            summary_markdown="\n\n".join(filter(None, told)),
            artifacts=drawn.files,
        )
    return {
        "name": plan.name,
        "records": outcome.records,
        "table": drawn.table,
        "text": "\n\n".join(filter(None, [drawn.text, filled(outcome.notes)])),
        "num_reused": outcome.num_reused,
        "stop_reason": outcome.stop_reason,
        "num_left": outcome.num_left,
        "figures": drawn.files,
        "tracking_uri": uri,
    }


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Let one process at a time run what has this folder.

    Raises:
        StoreError: another one does.
    """
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise StoreError(
            f"{folder.name}: is running in another process. Wait for its end, or choose another "
            "--name."
        ) from None


def _status(outcome: StudyOutcome) -> SweepStatus:
    if outcome.failed or outcome.stop_reason:
        return "failed"
    return "stopped" if outcome.num_left else "finished"


def _runs(tracker: "Tracker", name: str, outcome: StudyOutcome) -> pd.DataFrame:
    """The runs from the store, or from memory where the store went away meanwhile."""
    from orchestrator.reporting.records import records_frame

    try:
        return tracker.runs_frame(name)
    except StoreError:
        frame = records_frame(outcome.records)
        runs = [run for run, _ in outcome.ended]
        return frame.assign(variant=[r.variant for r in runs], phase=[r.phase for r in runs])
