"""How sweeps stand, while they run and afterwards; nothing is written."""

import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.api.results import RESULTS
from orchestrator.reporting.standing import best_point, best_variant
from orchestrator.tracking.reading import Condition, RunState, StoreReader, SweepState
from orchestrator.tracking.store import existing_uri, shown


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a sweep, an ablation or a diagnosis stands."""

    name: str
    kind: str
    """one-factor, grid, joint; ablation; diagnosis; path; comparison."""
    space: str
    """The space, of a sweep."""
    model: str
    dataset: str
    synthetic: bool
    condition: Condition
    """As it truly is: ``dead`` where the store says running and its process here is gone."""
    reason: str
    num_done: int
    """Finished, or ended early by a scheduler."""
    num_running: int
    num_failed: int
    num_cut: int
    """Killed by their user or dead."""
    num_planned: int | None
    """Runs of all phases begun so far; None where the driver did not say."""
    best: float | None
    """Highest mean validation NDCG@10 of a point, or of an ablation's variant, over its seeds."""
    num_seeds: int
    """Seeds of that mean."""
    started: datetime


@dataclass(frozen=True, kw_only=True)
class SweepStatus(Status):
    """The same with its runs."""

    description: str
    store: str
    """The store, without passwords."""
    process: str
    """``ID on MACHINE``, of the driver that wrote last; empty where it did not say."""
    runs: tuple[RunState, ...]
    go_on: str
    """What goes on with it; empty where there is nothing left to do."""
    logs: tuple[Path, ...]
    """Folders of what Ray's workers said, the newest last."""
    num_spooled: int
    """Runs and ends of any sweep that the store could not be told of yet."""


def status(*, results: Path = RESULTS, tracking_uri: str | None = None) -> tuple[Status, ...]:
    """All sweeps, ablations and diagnoses of a store, the newest first.

    Args:
        results: the results folder.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    reader = StoreReader(existing_uri(tracking_uri, results))
    return tuple(Status(**_overview(state)) for state in reader.sweeps())


def status_of(
    sweep: str, *, results: Path = RESULTS, tracking_uri: str | None = None
) -> SweepStatus:
    """One sweep, ablation or diagnosis with its runs.

    Args:
        sweep: its name.
        results: the results folder, in which the logs of workers lie.
        tracking_uri: an MLflow store.

    Raises:
        StoreError: there is no such sweep, or the store cannot be read.
    """
    reader = StoreReader(existing_uri(tracking_uri, results))
    state, runs = reader.sweep_and_runs(sweep)
    return SweepStatus(
        **_overview(state),
        description=state.info.description,
        store=shown(reader.uri),
        process=f"{state.pid} on {state.host}" if state.pid else "",
        runs=runs,
        go_on=_go_on(state),
        logs=worker_logs(results, sweep),
        num_spooled=len(list((results / "spool").glob("*.json"))),
    )


def worker_logs(results: Path, sweep: str) -> tuple[Path, ...]:
    """Folders in which Ray keeps what a sweep's workers said, the newest last."""
    folder = results / "sweeps" / sweep
    patterns = ("ray-*", "*/ray-*", "*/*/ray-*")  # of a sweep; of an ablation's phases, searches
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_dir()}
    return tuple(sorted(found, key=lambda path: path.name))


def _overview(state: SweepState) -> dict[str, Any]:
    info = state.info
    value, num_seeds = _best(state)
    return {
        "name": info.name,
        "kind": info.kind,
        "space": info.space,
        "model": info.shown_model,
        "dataset": info.dataset,
        "synthetic": info.synthetic,
        "condition": state.condition,
        "reason": state.reason,
        "num_done": state.count("finished", "stopped"),
        "num_running": state.count("running"),
        "num_failed": state.count("failed"),
        "num_cut": state.count("killed", "dead"),
        "num_planned": state.num_planned,
        "best": value,
        "num_seeds": num_seeds,
        "started": state.started,
    }


def _best(state: SweepState) -> tuple[float | None, int]:
    has_variants = state.info.has_variants
    found = best_variant(state.runs) if has_variants else best_point(state.runs, state.info)
    return (None, 0) if found is None else (found.mean.mean, len(found.mean.seeds))


_FUNCTIONS = {"ablation": "ablate", "diagnosis": "diagnose", "comparison": "compare"}
"""Kind -> the function that begins it; any other is a sweep."""


def _go_on(state: SweepState) -> str:
    """What to type, and where; the same command goes on where a sweep stopped."""
    if state.condition in ("finished", "running"):
        return ""
    if state.command:
        is_here = Path(state.cwd) == Path.cwd()
        return state.command if is_here else f"cd {shlex.quote(state.cwd)} && {state.command}"
    function = _FUNCTIONS.get(state.info.kind, "sweep")
    return f"what started it: `orch {function}` or `api.{function}` with the same arguments"
