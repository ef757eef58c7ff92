"""The files of runs where workers and driver share no disk: kept in a storage, synced per epoch.

A storage has the layout of the results folder, ``runs/<id>/...``. Files are put one by one, the one
that makes others count always last: an epoch's ``progress.json``, a run's ``record.json``. So a
worker that is lost at any moment leaves whole epochs, and another goes on from the last of them.
"""

import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from orchestrator.results import Record, read_record

RECORD = "record.json"
PROGRESS = "progress.json"
"""Of an epoch's folder: the epoch is whole when this is there."""
EPOCHS = "epoch-"
"""Beginning of the names of epochs' folders."""


@runtime_checkable
class Storage(Protocol):
    """Keeps the files of runs, each whole or not at all.

    Raises:
        StoreError: (all methods) it cannot be reached, read or written.
    """

    def names(self, run: str) -> frozenset[str]:
        """Paths of a run's files, below the run's folder."""

    def fetch(self, run: str, name: str, to: Path) -> None:
        """Copy a file here."""

    def put(self, run: str, name: str, source: Path) -> None:
        """Copy a file there."""

    def remove(self, run: str, name: str) -> None:
        """Delete a file there."""

    def held(self, run: str) -> AbstractContextManager[None]:
        """Inside, no other sweep trains the run; waits until that is so."""


class Mirror:
    """One run's files here and in a storage.

    Args:
        storage: where they are kept.
        run: the run's id.
        folder: where they are here; made when first needed.
    """

    def __init__(self, storage: Storage, run: str, folder: Path) -> None:
        self._storage, self._run, self._folder = storage, run, folder
        self._there: frozenset[str] = frozenset()

    def bring(self) -> Record | None:
        """Bring what there is of a run that was cut; if it is finished, its record alone.

        Raises:
            StoreError: the storage cannot be read.
        """
        found = whole(self._storage.names(self._run))
        if RECORD in found:
            record = self._record()
            if record.status == "finished":
                return record
            (self._folder / RECORD).unlink()  # of a failure that is now tried again
        self._there = found - {RECORD}
        fetch(self._storage, self._run, self._there, self._folder)
        return None

    def save(self) -> None:
        """Make the storage's files those that are here; what others count by is put last.

        Raises:
            StoreError: the storage cannot be written.
        """
        here = _local(self._folder)
        for name in in_order(here - self._there):
            self._storage.put(self._run, name, self._folder / name)
        for name in reversed(in_order(self._there - here)):
            self._storage.remove(self._run, name)
        self._there = here

    def _record(self) -> Record:
        fetch(self._storage, self._run, [RECORD], self._folder)
        return read_record(self._folder / RECORD)


def fetch(storage: Storage, run: str, names: Iterable[str], folder: Path) -> None:
    """Bring files of a run into a folder, the one that others count by last.

    Raises:
        StoreError: the storage cannot be read.
    """
    for name in in_order(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        storage.fetch(run, name, folder / name)


def collect(storage: Storage, run: str, folder: Path) -> None:
    """Bring all files of a run that ended to the driver, in place of what it had of it.

    Raises:
        StoreError: the storage cannot be read.
    """
    found = whole(storage.names(run))
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    fetch(storage, run, found, folder)


def offer(storage: Storage, run: str, folder: Path) -> None:
    """Give a storage that knows nothing of a run what the driver has of it.

    Raises:
        StoreError: the storage cannot be written.
    """
    if folder.exists() and not storage.names(run):
        Mirror(storage, run, folder).save()


def saving(mirror: Mirror, on_epoch: Callable[..., None] | None) -> Callable[..., None]:
    """What to call after each epoch: its checkpoint is in the storage before anyone hears of it."""

    def after(epoch: object) -> None:
        mirror.save()
        if on_epoch is not None:
            on_epoch(epoch)

    return after


def whole(names: Iterable[str]) -> frozenset[str]:
    """The names without those of epochs whose last file is not there."""
    every = frozenset(names)
    return frozenset(
        name
        for name in every
        if not is_of_epoch(name) or f"{PurePosixPath(name).parent}/{PROGRESS}" in every
    )


def is_of_epoch(name: str) -> bool:
    """Whether a file belongs to an epoch's folder, which counts only when it is whole."""
    return PurePosixPath(name).parent.name.startswith(EPOCHS)


def in_order(names: Iterable[str]) -> list[str]:
    """Names in the order to put them: what makes others count comes after them."""
    return sorted(names, key=lambda name: (name == RECORD, name.endswith(PROGRESS), name))


def _local(folder: Path) -> frozenset[str]:
    """Paths of the files below a folder, without drafts and locks, which begin with a dot."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return frozenset(
        path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)
    )
