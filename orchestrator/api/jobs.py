"""What is checked and not run yet, so that its price can be told."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from orchestrator.api.results import SweepResult
from orchestrator.api.tracked import tracked
from orchestrator.api.way import Way
from orchestrator.data import Dataset
from orchestrator.sweep.ablation import Ablation
from orchestrator.sweep.budget import seconds_of
from orchestrator.sweep.comparison import Comparison
from orchestrator.sweep.diagnosis import Diagnosis
from orchestrator.sweep.run import StudyOutcome
from orchestrator.sweep.study import SpaceStudy
from orchestrator.tracking.runs import SweepInfo

if TYPE_CHECKING:
    from orchestrator.reporting.report import Report
    from orchestrator.sweep.plan import Plan

P = ParamSpec("P")
R = TypeVar("R", bound=SweepResult)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is checked; nothing is written or started yet."""

    study: SpaceStudy | Ablation | Comparison | Diagnosis
    info: SweepInfo
    way: Way
    dataset: Dataset
    work: Callable[..., StudyOutcome]
    draw: Callable[..., "Report"]


def does(result: type[R]) -> Callable[[Callable[P, Job]], Callable[P, R]]:
    """Of a function that prepares a job, make the one that also runs, records and draws it."""

    def doing(prepare: Callable[P, Job]) -> Callable[P, R]:
        @wraps(prepare)
        def do(*args: P.args, **given: P.kwargs) -> R:
            return run_job(prepare(*args, **given), result)

        do.__annotations__["return"] = result
        return do

    return doing


def run_job(job: Job, result: type[R]) -> R:
    """Run, record and draw what is checked.

    Raises:
        StoreError: the results folder, the store or Ray cannot be used.
    """
    return result(**tracked(job.study, job.info, job.way, job.work, job.draw))


def plan(function: Callable[P, SweepResult], *args: P.args, **given: P.kwargs) -> "Plan":
    """What a sweep, an ablation, a comparison or a diagnosis would run, and its price.

    Nothing is started or written. A few optimiser steps and a validation are timed for what
    differs in cost, on this machine.

    ::

        print(api.plan(api.sweep, "tame", "heads", dataset="scientific").text)

    Args:
        function: :func:`orchestrator.api.sweep`, :func:`orchestrator.api.ablate`,
            :func:`orchestrator.api.compare` or :func:`orchestrator.api.diagnose`.
        args: its arguments.
        given: its arguments by name.

    Raises:
        OrchError: whatever the function itself would refuse.
    """
    from orchestrator.sweep.planning import make_plan

    prepare: Callable[P, Job] = inspect.unwrap(function)
    job = prepare(*args, **given)
    way, heard = job.way, job.way.hears()
    heard.phase("Timing what differs in cost")
    return make_plan(
        job.study,
        job.dataset,
        options=way.options(job.study.name),
        executor=way.executor,
        max_time=seconds_of(way.max_time) if way.max_time else None,
        on_probe=heard.checking,
    )
