"""What could not be told to the tracking store yet: one JSON file each, told later."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.config import JSON, content_hash
from orchestrator.errors import StoreError
from orchestrator.results import Record, read_json, record_from_json, write_json
from orchestrator.tracking.runs import (
    RunInfo,
    SweepInfo,
    SweepStatus,
    run_from_json,
    sweep_from_json,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A run of a sweep and its record."""

    sweep: SweepInfo
    run: RunInfo
    record: Record


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ending:
    """A sweep's end."""

    sweep: SweepInfo
    status: SweepStatus
    summary: str
    artifacts: tuple[str, ...]


class Spool:
    """A folder of entries and endings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, item: Entry | Ending) -> None:
        """Keep an item; one for the same run or sweep is replaced.

        Raises:
            StoreError: the folder cannot be written.
        """
        sweep = _sweep_hash(item.sweep)
        # Endings sort after the runs of every sweep.
        name = f"run-{sweep}-{item.run.key}" if isinstance(item, Entry) else f"sweep-{sweep}"
        write_json(self.folder / f"{name}.json", _plain(item))

    def of(self, sweep: SweepInfo) -> list[Path]:
        """The files of what a sweep has to tell yet."""
        name = _sweep_hash(sweep)
        patterns = (f"run-{name}-*.json", f"sweep-{name}.json")
        return sorted(path for pattern in patterns for path in self.folder.glob(pattern))

    def replay(
        self, tell: Callable[[Entry | Ending], None], *, on_problem: Callable[[str], None]
    ) -> None:
        """Tell every item and forget it; stop at the first that cannot be told.

        Args:
            tell: what an item is told to.
            on_problem: hears of a file that is no item; it stays where it is.

        Raises:
            StoreError: ``tell`` raised it.
        """
        with self._mine() as mine:
            for path in sorted(self.folder.glob("*.json")) if mine else []:
                try:
                    item = _item(path)
                except StoreError as error:
                    on_problem(str(error))
                    continue
                tell(item)
                path.unlink()

    @contextmanager
    def _mine(self) -> Iterator[bool]:
        """Whether there is something to replay that no other process replays."""
        if not any(self.folder.glob("*.json")):
            yield False
            return
        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


def _sweep_hash(sweep: SweepInfo) -> str:
    return content_hash([sweep.model, sweep.space, sweep.name])


def _plain(item: Entry | Ending) -> JSON:
    if isinstance(item, Ending):
        ending = {"status": item.status, "summary": item.summary, "artifacts": item.artifacts}
        return {"sweep": item.sweep.to_json(), "ending": ending}
    return {
        "sweep": item.sweep.to_json(),
        "run": item.run.to_json(),
        "record": item.record.to_json(),
    }


def _item(path: Path) -> Entry | Ending:
    plain = read_json(path)
    try:
        sweep = sweep_from_json(plain["sweep"])
        if "ending" in plain:
            ending = plain["ending"]
            return Ending(sweep=sweep, **{**ending, "artifacts": tuple(ending["artifacts"])})
        run, record = run_from_json(plain["run"]), record_from_json(plain["record"])
        return Entry(sweep=sweep, run=run, record=record)
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path}: is not a spooled run ({error}). Delete it.") from None
