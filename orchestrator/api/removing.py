"""Removing sweeps with what they left, and bringing them back in MLflow."""

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from orchestrator.api.results import RESULTS
from orchestrator.errors import ConfigError, StoreError
from orchestrator.sweep.objective import run_folder
from orchestrator.sweep.stored import is_in_training
from orchestrator.tracking.reading import SweepState
from orchestrator.tracking.removal import Remover, Tree
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.store import existing_uri, is_server, shown


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What goes with a sweep; nothing has gone yet."""

    name: str
    about: str
    """The sweep in a few words."""
    num_in_store: int
    """Runs in MLflow: the sweep's, its variants', and theirs."""
    folder: Path | None
    """The sweep's own; None where there is none, or another sweep of the store has the name."""
    runs: tuple[Path, ...]
    """Folders of runs; empty unless asked for."""
    num_shared: int
    """Runs that stay: another sweep of the store has them, or they are being trained."""
    num_bytes: int
    """Of all these folders."""
    spooled: tuple[Path, ...]
    """What the store was not told yet."""
    purge: str
    """The command that empties MLflow of what is marked as deleted."""
    remover: Remover
    tree: Tree


def plan_removal(
    sweep: str,
    *,
    with_runs: bool = False,
    results: Path = RESULTS,
    tracking_uri: str | None = None,
    force: bool = False,
) -> Removal:
    """What :func:`remove` would take away; nothing is changed.

    Args:
        sweep: the name of a sweep, an ablation or a diagnosis.
        with_runs: also the folders of runs that no other sweep of the store has.
        results: the results folder.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.
        force: also a sweep that is said to run on another machine, where nobody can look.

    Raises:
        StoreError: there is no such sweep.
        ConfigError: it is running.
    """
    uri = existing_uri(tracking_uri, results)
    remover = Remover(uri)
    tree = remover.tree(sweep)
    _refuse_running(tree.state, force=force)
    there = [run for run in tree.alone if with_runs and run_folder(results, run).is_dir()]
    runs = tuple(run_folder(results, r) for r in there if not is_in_training(results, r))
    folder = _folder(sweep, results) if not tree.has_namesake else None
    info = tree.state.info
    return Removal(
        name=sweep,
        about=f"{info.shown_model}, {info.space}, on {info.dataset}: {tree.state.condition}",
        num_in_store=len(tree.identities),
        folder=folder,
        runs=runs,
        num_shared=len(tree.run_ids) - len(tree.alone) + len(there) - len(runs),
        num_bytes=sum(map(_size, (*runs, *([folder] if folder else [])))),
        spooled=tuple(Spool(results / "spool").of(info)),
        purge=_purge(uri),
        remover=remover,
        tree=tree,
    )


def remove(removal: Removal) -> None:
    """Take away what was planned: the folders first, so that what is cut can be found again.

    Raises:
        StoreError: the store or a folder refuses; typed again, the command takes away the rest.
    """
    for path in removal.spooled:
        path.unlink(missing_ok=True)  # told later, it would bring the sweep back
    for folder in removal.runs:
        _delete(folder)
    if removal.folder is not None:
        _delete(removal.folder)
    removal.remover.delete(removal.tree)


def restore(sweep: str, *, results: Path = RESULTS, tracking_uri: str | None = None) -> int:
    """Bring a removed sweep back in MLflow, as long as ``mlflow gc`` has not emptied it.

    Folders do not come back: the same command makes them again, and trains what is missing.

    Returns:
        How many runs came back in MLflow, the sweep's own and its variants' among them.

    Raises:
        StoreError: none of the name was removed, or another of the name is there.
    """
    return Remover(existing_uri(tracking_uri, results)).restore(sweep)


def _purge(uri: str) -> str:
    if is_server(uri):
        return "`mlflow gc` where the server is, on its own store,"
    return f"`mlflow gc --backend-store-uri {shown(uri)} --tracking-uri {shown(uri)}`"


def _refuse_running(state: SweepState, *, force: bool) -> None:
    if state.condition != "running":
        return
    name, is_here = state.info.name, state.host == socket.gethostname()
    if is_here or not force:
        advice = (
            "End it first (Ctrl-C)."
            if is_here
            else ("End it there first; if that machine is gone, add --force.")
        )
        raise ConfigError(f"{name} is running: process {state.pid} on {state.host}. {advice}")


def _folder(sweep: str, results: Path) -> Path | None:
    sweeps = (results / "sweeps").resolve()
    folder = sweeps / sweep
    # Names are checked when a sweep is made; a store that others write may say anything.
    return folder if folder.is_dir() and folder.resolve().parent == sweeps else None


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _delete(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StoreError(
            f"{error.filename or folder}: cannot be deleted ({error.strerror}). Mend that and type "
            "the same command again."
        ) from None
