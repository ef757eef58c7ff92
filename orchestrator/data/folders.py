"""Folders that are written whole or not at all, by one process at a time."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from orchestrator.errors import DataError


@contextmanager
def building(folder: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A fresh folder to fill, which takes the place of ``folder`` when the block ends well.

    Until then nobody can take it for a data set, and if the block raises it is removed.

    Raises:
        DataError: ``folder`` is there and ``overwrite`` is not set, or the disk refuses.
    """
    with locked(folder):
        refuse_existing(folder, overwrite=overwrite)
        draft = folder.with_name(f".{folder.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)  # left by a process that was killed
        draft.mkdir()
        try:
            yield draft
            _replace(folder, draft)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only process that writes ``folder``; a process may take the lock again inside.

    Raises:
        DataError: the disk refuses the lock, or what is written under it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock"), is_singleton=True):
            yield
    except OSError as error:
        raise DataError(
            f"{error.filename or folder}: cannot be written ({error.strerror or error}). "
            "Free space or choose another data folder (ORCH_DATA)."
        ) from error


def refuse_existing(folder: Path, *, overwrite: bool) -> None:
    """Refuse to write where a data set is, unless told to.

    Raises:
        DataError: ``folder`` is there and ``overwrite`` is not set.
    """
    if folder.exists() and not overwrite:
        raise DataError(
            f"{folder}: is there already. Add --overwrite to replace it, or choose another --name."
        )


def _replace(folder: Path, draft: Path) -> None:
    """Put the draft in the folder's place; who has old files mapped keeps them."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system allows one, else a copy."""
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)
