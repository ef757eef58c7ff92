"""How sweeps, ablations and diagnoses are run, recorded and drawn alike."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from filelock import FileLock, Timeout

from orchestrator.api.way import Way
from orchestrator.errors import StoreError
from orchestrator.sweep.events import Counting
from orchestrator.sweep.run import StudyOutcome, open_executor
from orchestrator.sweep.study import Planned, claim
from orchestrator.tracking.runs import SweepInfo, SweepStatus
from orchestrator.tracking.store import check

if TYPE_CHECKING:
    from orchestrator.reporting.report import Report
    from orchestrator.tracking.mlflow import Tracker


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
    check(uri)
    early = None if options.folder.exists() else options  # of a sweep that goes on all may be done
    with ExitStack() as stack:
        running = stack.enter_context(ExitStack())
        execute = running.enter_context(open_executor(way.executor, early=early))
        tracker = Tracker(uri, options.results, on_problem=way.problem)
        claim(plan, options.folder)
        stack.enter_context(only_one(options.folder))
        sink = stack.enter_context(tracker.open_sweep(info))
        way.command.keep(options.folder, plan.name)
        hears = Counting(way.hears(), on_plan=sink.plan_runs)
        outcome = work(sink=sink, options=options, execute=execute, listener=hears)
        running.close()
        drawn = draw(_runs(tracker, plan.name, outcome), folder=options.folder / "figures")
        sink.finish_sweep(
            _status(outcome),
            summary_markdown=_note(outcome, drawn),
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


def _note(outcome: StudyOutcome, drawn: "Report") -> str:
    """What the page of the study's own run tells: what is left, what was found, the tables."""
    left = f"{outcome.num_left} runs are left; the same command goes on with them."
    found = "\n".join(f"- {sentence}" for sentence in drawn.verdicts)
    told = [outcome.stop_reason, left if outcome.num_left else "", found, drawn.markdown]
    return "\n\n".join(filter(None, [*told, "\n".join(outcome.notes)]))


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
