"""Steps whose outcome is kept: done once, and anew only where what they are made of has changed."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestrator.config import content_hash
from orchestrator.data.folders import building
from orchestrator.data.manifest import list_files
from orchestrator.errors import DataError
from orchestrator.obtaining.download import write_json

DONE = "done.json"


@dataclass(frozen=True)
class Step:
    """A step that is done."""

    folder: Path
    digest: str
    """Of all files in the folder: what the next steps are made of."""
    was_done: bool
    """Whether nothing had to be done."""


@dataclass(frozen=True)
class Steps:
    """The steps of one source, each a folder that is whole or not there."""

    root: Path

    def run(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Step:
        """Do a step, unless it was done from these very inputs and its files are unchanged.

        Args:
            name: what it is called.
            inputs: everything that decides its outcome, as JSON has it.
            build: does it, into a folder.

        Raises:
            DataError: the disk refuses, or whatever the step raises.
        """
        folder, key = self.root / name, content_hash(dict(inputs), length=64)
        if (digest := _digest(folder, key)) is not None:
            return Step(folder, digest, was_done=True)
        with building(folder, overwrite=True) as draft:
            build(draft)
            files = {path: asdict(entry) for path, entry in list_files(draft).items()}
            write_json(draft / DONE, {"key": key, "files": files})
        return Step(folder, content_hash(files, length=64), was_done=False)


def _digest(folder: Path, key: str) -> str | None:
    """The digest of a step that is done and unchanged; None where it must be done."""
    try:
        told = json.loads((folder / DONE).read_text(encoding="utf-8"))
        if told["key"] != key:
            return None
        found = {path: asdict(entry) for path, entry in list_files(folder).items()}
        found.pop(DONE)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return content_hash(found, length=64) if found == told["files"] else None


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Be the only process that obtains a source; a second one is told so at once.

    Raises:
        DataError: another process does, or the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise DataError(
            f"{name}: is being obtained by another process. Wait until that has ended."
        ) from None
    except OSError as error:
        raise DataError(
            f"{error.filename or folder}: cannot be written ({error.strerror or error}). Free "
            "space or choose another data folder (ORCH_DATA)."
        ) from error
