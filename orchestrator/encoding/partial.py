"""Work that goes on where it was cut: arrays on disk, filled batch by batch.

The folder lies hidden beside the data set and is named after everything that decides the result,
so that other settings have a folder of their own. Values are on the disk before the count of
finished batches says so; what a killed process wrote beyond it is written over by the next one.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from jaxtyping import Shaped

from orchestrator.errors import DataError

DONE = "done.json"


class Partial:
    """Arrays of known shapes in a folder, and how many batches of them are secured."""

    def __init__(self, folder: Path, shapes: Mapping[str, tuple[int, ...]], dtype: str) -> None:
        self.folder = folder
        self._paths = {name: folder / f"{name}.npy" for name in shapes}
        if not (folder / DONE).exists():
            self._start(shapes, dtype)
        self.num_done = int(json.loads((folder / DONE).read_text()))

    def _start(self, shapes: Mapping[str, tuple[int, ...]], dtype: str) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)  # killed before there was a count
        self.folder.mkdir(parents=True)
        for name, shape in shapes.items():  # holes: they take no room, and read as zeros
            np.lib.format.open_memmap(self._paths[name], mode="w+", dtype=dtype, shape=shape)
        self.secure(0)

    def write(self, name: str, row: int, values: Shaped[np.ndarray, "rows ..."]) -> None:
        """Put consecutive rows into an array; a full disk is an OSError here, not a crash."""
        array = np.load(self._paths[name], mmap_mode="r", allow_pickle=False)
        assert values.dtype == array.dtype
        assert values.shape[1:] == array.shape[1:]
        assert row + len(values) <= len(array)
        with self._paths[name].open("r+b") as stream:
            stream.seek(array.offset + row * array[0].nbytes)
            stream.write(np.ascontiguousarray(values).data)

    def secure(self, num_done: int) -> None:
        """Say that so many batches are finished, once all that was written is on the disk."""
        for path in self._paths.values():
            with path.open("r+b") as stream:
                os.fsync(stream.fileno())
        draft = self.folder / f".{DONE}"
        with draft.open("w") as stream:
            json.dump(num_done, stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self.folder / DONE)
        self.num_done = num_done

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays, memory-mapped and read-only."""
        return {
            name: np.load(path, mmap_mode="r", allow_pickle=False)
            for name, path in self._paths.items()
        }

    def remove(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.folder)


@contextmanager
def alone(dataset: Path) -> Iterator[None]:
    """Be the only process that encodes a data set; a second one is told so at once.

    Raises:
        DataError: another process does, or the disk refuses.
    """
    try:
        with FileLock(dataset.with_name(f".{dataset.name}.encoding.lock"), timeout=0):
            yield
    except Timeout:
        raise DataError(
            f"{dataset.name}: is being encoded by another process. Wait until that has ended."
        ) from None
    except OSError as error:
        raise DataError(
            f"{error.filename or dataset}: cannot be written ({error.strerror or error}). "
            "Free space or choose another data folder (ORCH_DATA)."
        ) from error
