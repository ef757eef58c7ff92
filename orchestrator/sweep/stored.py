"""Runs in the results folder: found by the beginning of their id; whether they are trained now."""

from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.errors import ConfigError
from orchestrator.sweep.objective import run_folder

LOCK = ".lock"
"""Held by the process that trains the run."""
_NAMED = 5
"""Runs that a message about several names."""


def matching_run(begin: str, results: Path, *, where: str) -> str:
    """The id of the run whose id begins so.

    Args:
        begin: the id or the beginning of it.
        results: the results folder.
        where: the option or argument that it comes from, to begin messages with.

    Raises:
        ConfigError: there is none, or there are several.
    """
    runs = results / "runs"
    found = sorted(path.name for path in runs.glob("*") if begin and path.name.startswith(begin))
    if not found:
        raise ConfigError(
            f"{where}: no run in {runs} has an id that begins with `{begin}`. Ids are the names of "
            "its folders."
        )
    if begin in found or len(found) == 1:
        return begin if begin in found else found[0]
    raise ConfigError(
        f"{where}: the ids of {len(found)} runs in {runs} begin with `{begin}`: "
        f"{', '.join(found[:_NAMED])}{' and others' if len(found) > _NAMED else ''}. Give more."
    )


def is_in_training(results: Path, run: str) -> bool:
    """Whether a process trains the run at this moment."""
    lock = run_folder(results, run) / LOCK
    return lock.exists() and is_held(lock)


def is_held(lock: Path) -> bool:
    """Whether another process holds a lock's file."""
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # another user's file: who may not write it cannot ask
        return False
