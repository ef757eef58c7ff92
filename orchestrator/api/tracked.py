"""How sweeps, ablations and diagnoses are run, recorded and drawn alike."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from orchestrator.data import data_folder
from orchestrator.errors import StoreError
from orchestrator.sweep.budget import Deadline, seconds_of
from orchestrator.sweep.events import Listener, Silent
from orchestrator.sweep.options import Executor, Options
from orchestrator.sweep.prepare import at_least_one, check_devices
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
    num_gpus: float | None
    executor: Executor
    address: str | None
    device: str
    results: Path
    data_dir: Path | None
    tracking_uri: str | None
    listener: Listener | None
    on_problem: Callable[[str], None] | None
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
            gpus=_gpus_per_run(self.num_gpus, self.num_workers, self.device),
            device=self.device,
            address=self.address,
            deadline=self._deadline(),
            max_trials=self.max_trials,
            rule=self.rule,
        )
        if self.address is None:
            check_devices(options)
        return options

    @property
    def looks(self) -> int:
        """How often seeds may be looked at before more are added."""
        return self.rule.looks if self.rule else 1

    def _deadline(self) -> Deadline:
        return Deadline(self.started + seconds_of(self.max_time)) if self.max_time else Deadline()

    def hears(self) -> Listener:
        """Who is told of progress."""
        return self.listener or Silent()

    def problem(self, text: str) -> None:
        """Tell of something that does not stop the runs."""
        (self.on_problem or _LOG.warning)(text)


def _gpus_per_run(wanted: float | None, workers: int, device: str) -> float:
    if wanted is not None:
        return wanted
    here = torch.cuda.device_count() if device != "cpu" else 0
    return min(1.0, here / workers)


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
    with tracker.open_sweep(info) as sink:
        with open_executor(way.executor) as execute:
            outcome = work(sink=sink, options=options, execute=execute, listener=way.hears())
        drawn = draw(_runs(tracker, plan.name, outcome), folder=options.folder / "figures")
        notes = "\n".join(outcome.notes)
        sink.finish_sweep(
            _status(outcome),
            summary_markdown="\n\n".join(filter(None, [drawn.markdown, notes])),
            artifacts=drawn.files,
        )
    return {
        "name": plan.name,
        "records": outcome.records,
        "table": drawn.table,
        "text": "\n\n".join(filter(None, [drawn.text, filled(outcome.notes)])),
        "num_reused": outcome.num_reused,
        "num_left": outcome.num_left,
        "figures": drawn.files,
        "tracking_uri": uri,
    }


def _status(outcome: StudyOutcome) -> SweepStatus:
    if outcome.failed:
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
