"""The driver's own disk as other nodes' storage: an actor that stays on the driver's machine.

It hands out data sets and keeps the files of runs in the driver's results folder, so that a cluster
needs no shared disk. Everything goes in pieces: no file is ever held in memory whole.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from filelock import FileLock, Timeout
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.data.manifest import MANIFEST_FILE
from orchestrator.errors import StoreError
from orchestrator.sweep.objective import run_folder
from orchestrator.sweep.storage import PROGRESS, is_of_epoch

PIECE = 16 * 2**20
"""Bytes that go over the network at once."""
POLL_SECONDS = 0.5
AT_ONCE = 8
"""Requests that are answered at the same time."""


class DriverFiles:
    """What nodes may read and write on the driver's machine.

    Args:
        results: the results folder.
        data_dir: the folder of data sets.
    """

    def __init__(self, results: Path, data_dir: Path) -> None:
        self._results, self._data_dir = results, data_dir
        self._locks: dict[str, FileLock] = {}

    def read_data(self, dataset: str, name: str, offset: int) -> bytes:
        """A piece of a file of a data set; empty at its end."""
        return _piece(_inside(self._data_dir / dataset, name), offset)

    def manifest(self, dataset: str) -> bytes:
        """What a data set says of itself."""
        return _inside(self._data_dir / dataset, MANIFEST_FILE).read_bytes()

    def names(self, run: str) -> frozenset[str]:
        """Paths of a run's files, below its folder."""
        folder = run_folder(self._results, run)
        return frozenset(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())

    def read(self, run: str, name: str, offset: int) -> bytes:
        """A piece of a run's file; empty at its end."""
        return _piece(_inside(run_folder(self._results, run), name), offset)

    def write(self, run: str, name: str, piece: bytes, *, offset: int) -> None:
        """Add a piece to a draft of a run's file; at 0 a new draft begins."""
        draft = self._draft(run, name)
        draft.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb" if offset == 0 else "ab") as stream:
            stream.write(piece)

    def commit(self, run: str, name: str) -> None:
        """Put a draft in its place; an epoch's folder shows when its last file is there."""
        draft, final = self._draft(run, name), _inside(run_folder(self._results, run), name)
        if not is_of_epoch(name):
            draft.replace(final)
        elif final.name == PROGRESS:
            shutil.rmtree(final.parent, ignore_errors=True)
            draft.parent.replace(final.parent)

    def remove(self, run: str, name: str) -> None:
        """Delete a run's file; an epoch's folder goes as one, the last with what is beside it."""
        path = _inside(run_folder(self._results, run), name)
        if not is_of_epoch(name):
            path.unlink(missing_ok=True)
            return
        checkpoints = path.parent.parent
        shutil.rmtree(path.parent, ignore_errors=True)
        if not any(True for _ in checkpoints.glob("[!.]*")):  # drafts of a lost node at most
            shutil.rmtree(checkpoints, ignore_errors=True)

    def hold(self, run: str) -> bool:
        """Whether this sweep, and no other process on this machine, has the run."""
        folder = run_folder(self._results, run)
        folder.mkdir(parents=True, exist_ok=True)
        lock = self._locks.setdefault(run, FileLock(folder / ".lock", thread_local=False))
        try:
            if not lock.is_locked:  # a lost worker's is taken over by who runs it again
                lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def release(self, run: str) -> None:
        """Let others have the run."""
        self._locks[run].release()

    def _draft(self, run: str, name: str) -> Path:
        final = _inside(run_folder(self._results, run), name)
        if is_of_epoch(name):
            return final.parent.with_name(f".{final.parent.name}") / final.name
        return final.with_name(f".{final.name}.part")


class DriverStorage:
    """Runs' files on the driver's machine; see :class:`orchestrator.sweep.storage.Storage`.

    Args:
        files: the actor that :func:`start` gave.
    """

    def __init__(self, files: Any) -> None:  # noqa: ANN401 - Ray's handle of an actor
        self._files = files

    def names(self, run: str) -> frozenset[str]:
        """Paths of a run's files, below its folder."""
        found: frozenset[str] = ask(self._files.names, run)
        return frozenset(name for name in found if not _is_hidden(name))

    def fetch(self, run: str, name: str, to: Path) -> None:
        """Copy a file here."""
        write_pieces(pieces(self._files.read, run, name), to)

    def put(self, run: str, name: str, source: Path) -> None:
        """Copy a file there."""
        offset, is_first = 0, True
        with source.open("rb") as stream:
            while (piece := stream.read(PIECE)) or is_first:
                ask(self._files.write, run, name, piece, offset=offset)
                offset, is_first = offset + len(piece), False
        ask(self._files.commit, run, name)

    def remove(self, run: str, name: str) -> None:
        """Delete a file there."""
        ask(self._files.remove, run, name)

    @contextmanager
    def held(self, run: str) -> Iterator[None]:
        """Inside, no other sweep trains the run; waits until that is so."""
        while not ask(self._files.hold, run):
            time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            ask(self._files.release, run)


def start(results: Path, data_dir: Path) -> Any:  # noqa: ANN401 - Ray's handle of an actor
    """The actor, on the machine that this process runs on."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(DriverFiles)
    options = {"num_cpus": 0, "max_concurrency": AT_ONCE, "scheduling_strategy": here}
    return actor.options(**options).remote(results, data_dir)


def ask(method: Any, *words: object, **options: object) -> Any:  # noqa: ANN401 - an actor's method
    """Call a method of the actor and wait for its answer.

    Raises:
        StoreError: the driver's machine cannot be reached, or cannot read or write.
    """
    try:
        return ray.get(method.remote(*words, **options))
    except (RayError, OSError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise StoreError(f"the driver's machine cannot give or take files ({reason}).") from None


def pieces(method: Any, *words: object) -> Iterator[bytes]:  # noqa: ANN401 - an actor's method
    """A file's bytes, piece by piece."""
    offset = 0
    while piece := ask(method, *words, offset):
        yield piece
        offset += len(piece)


def write_pieces(found: Iterator[bytes], to: Path) -> None:
    """Write a file whole or not at all."""
    draft = to.with_name(f".{to.name}.part")
    with draft.open("wb") as stream:
        stream.writelines(found)
    draft.replace(to)


def _piece(path: Path, offset: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(PIECE)


def _inside(folder: Path, name: str) -> Path:
    """A path below a folder; nothing else on this machine is anyone's business.

    Raises:
        StoreError: the path leads out of it.
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise StoreError(f"{name}: leads out of {folder}.")
    return path


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in Path(name).parts)
