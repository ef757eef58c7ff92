"""Store, folders and data sets as :func:`orchestrator.api.doctor.doctor` finds them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.api.doctor import GIGABYTE, Finding, ok, problem, warning
from orchestrator.data import PLANTED, data_folder, dataset_names, open_dataset
from orchestrator.errors import DataError, StoreError
from orchestrator.sweep.stored import is_held
from orchestrator.tracking import store
from orchestrator.tracking.reading import StoreReader

LITTLE_DISK = 2.0
"""Gigabytes free below which a warning is given: a sweep leaves weights of every run."""
NO_DISK = 0.2
JOURNAL_LOCK = "optuna.journal.lock"
"""Beside the history of a sampled sweep, while a process writes it."""
_SAMPLED = ("*", "*/search/*")
"""Where such histories are, below the sweeps: of sweeps, and of an ablation's searches."""


def places(results: Path, tracking_uri: str | None) -> Iterator[Finding]:
    """The results folder with its disk, and the store."""
    yield _folder("results", results)
    yield _disk(results)
    yield _store(results, tracking_uri)


def data_sets(data_dir: Path | None, *, verify: bool) -> Iterator[Finding]:
    """Each data set, whole or damaged."""
    root = data_folder(data_dir)
    yield _folder("data sets", root)
    for name in dataset_names(root):
        subject = f"data set {name}"
        if name == PLANTED and not (root / name).exists():
            yield ok(subject, "is generated on first use")
            continue
        try:
            opened = open_dataset(name, root, verify=verify)
        except DataError as error:
            yield problem(subject, str(error))
            continue
        how = "whole" if verify else "sizes as they should be, hashes not compared"
        yield ok(subject, f"{opened.manifest.size_text}; {how}")


def left_behind(
    results: Path, data_dir: Path | None, tracking_uri: str | None
) -> Iterator[Finding]:
    """What processes that were killed left: runs said to run, untold records, locks, drafts."""
    yield _dead(results, tracking_uri)
    num_spooled = len(list((results / "spool").glob("*.json")))
    if num_spooled:
        text = (
            f"{num_spooled} wait in {results / 'spool'}. The next sweep or `orch plot` tells them."
        )
        yield warning("records not told to the store", text)
    else:
        yield ok("records not told to the store", "none")
    yield _locks(results)
    drafts = [path for path in data_folder(data_dir).glob(".*.draft") if not _is_building(path)]
    if drafts:
        names = ", ".join(map(str, drafts))
        yield warning("data sets half made", f"{names}: left by a killed import. Delete them.")


def _folder(subject: str, folder: Path) -> Finding:
    there = _nearest(folder)
    if not there.is_dir():
        return problem(f"{subject} folder", f"{there} is a file. Choose another folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        return problem(f"{subject} folder", f"{there} cannot be written. Choose another folder.")
    made = "" if folder.exists() else "; it is made when it is needed"
    return ok(f"{subject} folder", f"{folder.resolve()} can be written{made}")


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    resolved = folder.resolve()
    return next(path for path in (resolved, *resolved.parents) if path.exists())


def _disk(results: Path) -> Finding:
    usage = shutil.disk_usage(_nearest(results))
    free = usage.free / GIGABYTE
    text = f"{free:.1f} of {usage.total / GIGABYTE:.1f} GB free"
    advice = "Free space, or choose another --results folder."
    if free < NO_DISK:
        return problem("disk of results", f"{text}. {advice}")
    return (
        warning("disk of results", f"{text}. {advice}")
        if free < LITTLE_DISK
        else ok("disk of results", text)
    )


def _store(results: Path, tracking_uri: str | None) -> Finding:
    uri = store.tracking_uri(tracking_uri, results)
    place, file = store.shown(uri), store.database(uri)
    if file is not None and not file.exists():
        return ok("store", f"{place} is made by the first sweep")
    try:
        num_sweeps = StoreReader(uri).num_sweeps()
        store.check_to_write(uri)
    except StoreError as error:
        return problem("store", str(error))
    written = "can be written" if file is not None else "whether it can be written is not tried"
    return ok("store", f"{place} answers; sweeps in it: {num_sweeps}; {written}")


def _dead(results: Path, tracking_uri: str | None) -> Finding:
    subject = "runs of dead processes"
    try:
        num_dead = StoreReader(store.existing_uri(tracking_uri, results)).num_dead()
    except StoreError:
        return ok(subject, "none known: there is no store that can be read")
    if not num_dead:
        return ok(subject, "none")
    text = f"{num_dead} are said to be running. The next sweep ends them; `orch status` shows them."
    return warning(subject, text)


def _locks(results: Path) -> Finding:
    """A lock's file means nothing without its holder; Optuna's is a link, which may be left."""
    held = [
        path for path in (results / ".mlflow.lock", results / "spool" / ".lock") if path.exists()
    ]
    busy = [str(path) for path in held if is_held(path)]
    if busy:
        text = f"{', '.join(busy)}: held by another process just now. Look again in a moment."
        return warning("locks", text)
    folders = (path for place in _SAMPLED for path in (results / "sweeps").glob(place))
    left = [path / JOURNAL_LOCK for path in folders if (path / JOURNAL_LOCK).is_symlink()]
    if left:
        text = (
            f"{', '.join(map(str, left))}: a sweep writes there now, or a killed one left it; then "
            "the next waits half a minute and goes on. Delete it if no sweep runs."
        )
        return warning("locks", text)
    return ok("locks", "none is held")


def _is_building(draft: Path) -> bool:
    """Whether a process makes the data set at this moment."""
    lock = draft.with_name(f".{draft.name.removeprefix('.').removesuffix('.draft')}.lock")
    return lock.exists() and is_held(lock)
