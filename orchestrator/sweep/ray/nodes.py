"""A cluster's nodes: what they are given to run with, and a run on one of them.

A node assumes no path of the driver's machine. It writes a data set once into its own cache folder,
where all its workers memory-map it, and trains in a temporary folder, of which every epoch is kept
in the storage.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import ray

from orchestrator.data.folders import building, locked
from orchestrator.data.manifest import (
    MANIFEST_FILE,
    Manifest,
    check_files,
    read_manifest,
)
from orchestrator.data.store import IMAGES, Dataset, is_dataset, open_stored
from orchestrator.digest import whole_digest
from orchestrator.errors import DataError, OrchError
from orchestrator.results import Epoch, Record, first_stage_id
from orchestrator.sweep.budget import NEVER, Deadline
from orchestrator.sweep.objective import WEIGHTS, failure, run_folder
from orchestrator.sweep.ray.driver_files import DriverStorage, ask, pieces, write_pieces
from orchestrator.sweep.storage import RECORD, Mirror, Storage, fetch, saving
from orchestrator.sweep.study import Run
from orchestrator.sweep.url_storage import UrlStorage


@dataclass(frozen=True)
class Remote:
    """What a worker on another machine needs to run anything."""

    files: Any
    """The actor on the driver's machine; see :mod:`orchestrator.sweep.ray.driver_files`."""
    node: str
    """Ray's id of the driver's node."""
    data_dir: Path
    """Folder of data sets, on that node."""
    holder: str
    """Names this sweep to others that use the same storage."""
    url: str | None
    """The storage; None for the driver's results folder."""

    def storage(self) -> Storage:
        """Where files of runs are kept."""
        if self.url is None:
            return DriverStorage(self.files)
        return UrlStorage(self.url, holder=self.holder)


def train_on_node(
    run: Run,
    dataset: Dataset,
    remote: Remote,
    *,
    device: str,
    on_epoch: Callable[[Epoch], None] | None,
    limit: float | None = None,
    deadline: Deadline = NEVER,
) -> Record:
    """Train a run from what the storage has of it; a failure is a record, as ever.

    The storage has the run's files, record last, when this returns.
    """
    storage = remote.storage()
    try:
        with storage.held(run.run_id), tempfile.TemporaryDirectory(prefix="orch-") as folder:
            how = {"device": device, "on_epoch": on_epoch, "limit": limit}
            return _mirrored(run, dataset, storage, Path(folder), deadline, how)
    except OrchError as error:  # the storage's; the run's own are records already
        return failure(run.config, dataset.data_hash, reason=str(error))


def _mirrored(
    run: Run,
    dataset: Dataset,
    storage: Storage,
    results: Path,
    deadline: Deadline,
    how: dict[str, Any],
) -> Record:
    mirror = Mirror(storage, run.run_id, run_folder(results, run.run_id))
    finished = mirror.bring()
    if finished is not None:
        return finished
    first = first_stage_id(run.config, dataset.data_hash)
    if first is not None:
        _bring_first_stage(storage, first, run_folder(results, first))
    told = {**how, "on_epoch": saving(mirror, how["on_epoch"])}
    record = deadline.run_trial(run.config, dataset, results=results, **told)
    mirror.save()
    return record


def _bring_first_stage(storage: Storage, first: str, folder: Path) -> None:
    """The run that consists of this one's first stage, where it is done."""
    if {RECORD, WEIGHTS} <= storage.names(first):
        fetch(storage, first, (WEIGHTS, RECORD), folder)


@lru_cache(maxsize=4)
def dataset_on_node(name: str, data_hash: str, remote: Remote) -> Dataset:
    """A data set opened once per process, from this node's own copy; pictures are not copied.

    Raises:
        DataError: it cannot be written here, or is not what the driver has.
    """
    if ray.get_runtime_context().get_node_id() == remote.node:
        return open_stored(remote.data_dir / name)
    folder = node_cache() / data_hash / name
    with locked(folder):
        if not _is_sound(folder, remote.holder):
            _copy(name, folder, remote)
            _stamp(folder).write_text(remote.holder)
    return Dataset(folder, read_manifest(folder))


def node_cache() -> Path:
    """This node's folder of data sets that drivers gave it."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "orch" / "nodes"


def _is_sound(folder: Path, holder: str) -> bool:
    """Whether the copy is whole; its checksums are compared once per sweep and node."""
    if not is_dataset(folder):
        return False
    stamp = _stamp(folder)
    is_checked = stamp.exists() and stamp.read_text() == holder
    try:
        check_files(folder, _copied(read_manifest(folder)), verify=not is_checked)
    except DataError:
        return False
    stamp.write_text(holder)
    return True


def _copy(name: str, folder: Path, remote: Remote) -> None:
    with building(folder, overwrite=True) as draft:
        (draft / MANIFEST_FILE).write_bytes(ask(remote.files.manifest, name))
        manifest = _copied(read_manifest(draft))
        for file in manifest.files:
            (draft / file).parent.mkdir(parents=True, exist_ok=True)
            write_pieces(pieces(remote.files.read_data, name, file), draft / file)
        check_files(draft, manifest, verify=True)


def _copied(manifest: Manifest) -> Manifest:
    """The manifest without pictures, which nothing that trains reads."""
    names = {name for name in manifest.files if not name.startswith(f"{IMAGES}/")}
    return replace(manifest, files={name: manifest.files[name] for name in sorted(names)})


def _stamp(folder: Path) -> Path:
    """A file that names the sweep for which the copy's checksums were compared."""
    return folder.with_name(f".{folder.name}.checked")


def difference(data: str, *, code: str, data_hash: str) -> str | None:
    """What of this worker is not the driver's, in a sentence; None if all that matters is.

    Args:
        data: content hash of the data set that is open here.
        code: the driver's code digest.
        data_hash: the driver's content hash of the data set.
    """
    if whole_digest() != code:
        return (
            f"this worker's code (digest {whole_digest()}) is not the driver's ({code}). "
            "Install the same on every machine."
        )
    if data != data_hash:
        return (
            f"this worker's data set (hash {data}) is not the driver's ({data_hash}). "
            "Delete it here, or give the same on every machine."
        )
    return None
