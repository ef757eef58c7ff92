"""One run: what it was, how it went, and where it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from orchestrator.api.choosing import differing
from orchestrator.api.results import RESULTS
from orchestrator.config import SECTIONS
from orchestrator.errors import StoreError
from orchestrator.results import Epoch, Record, read_record
from orchestrator.sweep.objective import CHECKPOINTS, RANKS, TRACE, WEIGHTS, run_folder
from orchestrator.sweep.stored import is_in_training, matching_run
from orchestrator.tracking.reading import Holder, StoreReader
from orchestrator.tracking.store import existing_uri
from orchestrator.training.checkpoint import Checkpoints

FILES = {
    "record": "record.json",
    "weights": WEIGHTS,
    "ranks": RANKS,
    "gradient trace": TRACE,
    "checkpoints": CHECKPOINTS,
}
"""What a run may leave in its folder."""


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run of the results folder."""

    run_id: str
    status: Literal["finished", "failed", "stopped", "running", "cut"]
    """cut: it has no record and no process trains it; the same command goes on with it."""
    record: Record | None
    """None where it has not ended."""
    model: str
    """Empty where neither a record nor a sweep of the store says."""
    settings: Mapping[str, Any]
    """Dotted key -> value; empty where neither a record nor a sweep of the store has them."""
    changed: Mapping[str, Any]
    """Those that differ from the model's defaults."""
    epochs: tuple[Epoch, ...]
    files: Mapping[str, Path]
    """What there is -> where."""
    sweeps: tuple[Holder, ...]
    """Sweeps that hold it, the newest first."""
    problem: str = ""
    """Why the sweeps are not known; empty where they are."""


def show(run: str, *, results: Path = RESULTS, tracking_uri: str | None = None) -> RunView:
    """A run by its id or the beginning of it, from the results folder.

    Args:
        run: its id, as far as no other run's begins so.
        results: the results folder.
        tracking_uri: an MLflow store, asked for the sweeps that hold the run alone.

    Raises:
        ConfigError: no run has such an id, or several have.
        StoreError: its record or its last checkpoint is damaged.
    """
    run_id = matching_run(run, results, where="RUN")
    folder = run_folder(results, run_id)
    record = read_record(folder / "record.json") if (folder / "record.json").exists() else None
    sweeps, problem = _sweeps(run_id, results, tracking_uri)
    settings = _settings(record, sweeps)
    model = record.config["model"] if record else sweeps[0].model if sweeps else ""
    return RunView(
        run_id=run_id,
        status=_status(record, results, run_id),
        record=record,
        model=model,
        settings=settings,
        changed=differing(model, settings) if model else {},
        epochs=record.epochs if record else _epochs_so_far(folder),
        files={what: folder / name for what, name in FILES.items() if (folder / name).exists()},
        sweeps=sweeps,
        problem=problem,
    )


def _sweeps(run_id: str, results: Path, tracking_uri: str | None) -> tuple[tuple[Holder, ...], str]:
    try:
        return StoreReader(existing_uri(tracking_uri, results)).holders(run_id), ""
    except StoreError as error:
        return (), str(error)


def _settings(record: Record | None, sweeps: tuple[Holder, ...]) -> Mapping[str, Any]:
    if record is None:
        return sweeps[0].params if sweeps else {}
    return {
        f"{section}.{key}": tuple(value) if isinstance(value, list) else value
        for section, name in SECTIONS.items()
        for key, value in record.config[name].items()
    }


def _status(record: Record | None, results: Path, run_id: str) -> Any:  # noqa: ANN401 - a literal
    if is_in_training(results, run_id):
        return "running"
    return record.status if record else "cut"


def _epochs_so_far(folder: Path) -> tuple[Epoch, ...]:
    progress = Checkpoints(folder / CHECKPOINTS).latest()
    return tuple(progress.epochs) if progress else ()
