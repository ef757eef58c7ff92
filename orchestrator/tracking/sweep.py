"""Telling a store about a sweep while it goes on, without ever stopping the sweep.

A store may fail in the middle: a locked database, a server that is gone. The user is warned once,
what could not be told is spooled, and it is told as soon as the store answers again.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable

from orchestrator.errors import StoreError
from orchestrator.results import Epoch, Record
from orchestrator.tracking.runs import RunInfo, SweepInfo, SweepStatus
from orchestrator.tracking.spool import Ending, Entry, Spool

FLUSH_SECONDS = 2.0
"""Epochs are sent together when the oldest has waited this long."""
FLUSH_METRICS = 500
"""Or when this many figures wait."""
RETRY_SECONDS = 30.0
"""A store that failed is left alone for this long, so that training does not wait for it."""


@runtime_checkable
class Writer(Protocol):
    """One sweep in a store; every method raises :class:`StoreError` where the store fails."""

    def plan(self, num_runs: int) -> None:
        """Say how many runs the sweep has, of the phases begun so far."""

    def start(self, run: RunInfo) -> None:
        """Create the run, or open it again."""

    def log(self, run: RunInfo, epochs: Sequence[Epoch]) -> None:
        """Add epochs to a run; those it has already are left out."""

    def finish(self, run: RunInfo, record: Record) -> None:
        """Write a run's outcome and end it; creates the run if need be."""

    def kill(self, key: str, reason: str, *, status: str = "killed") -> None:
        """End a run that has no outcome; what is ``stopped`` goes on later."""

    def end(self, status: SweepStatus, summary: str, artifacts: Sequence[Path]) -> None:
        """End the sweep with its summary."""

    def abandon(self, *, is_failure: bool, reason: str) -> None:
        """End a sweep that has no summary."""


class SweepTracker:
    """Writes one sweep; a context manager that leaves no run open.

    No method raises for a failing store. Leaving by an exception ends the open runs as killed,
    with the reason.
    """

    def __init__(
        self,
        writer: Writer,
        info: SweepInfo,
        spool: Spool,
        *,
        replay: Callable[[], None],
        on_problem: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._info = info
        self._spool = spool
        self._replay = replay
        self._on_problem = on_problem
        self._clock = clock
        self._open: dict[str, RunInfo] = {}
        self._waiting: dict[str, list[Epoch]] = {}
        self._waiting_since: float | None = None
        self._is_down = False
        self._retry_at = 0.0
        self._is_ended = False
        self._is_lost = False

    def plan_runs(self, num_runs: int) -> None:
        """Say how many runs the sweep has, of the phases begun so far."""
        self._attempt(partial(self._writer.plan, num_runs))

    def start_run(self, run: RunInfo) -> None:
        """Open a run: a new one, or the one that was told of under this id before."""
        self._open[run.key] = run
        self._attempt(partial(self._writer.start, run))

    def log_epoch(self, key: str, epoch: Epoch) -> None:
        """Add an epoch to an open run, soon: epochs are sent in batches."""
        assert key in self._open
        self._waiting.setdefault(key, []).append(epoch)
        if self._waiting_since is None:
            self._waiting_since = self._clock()
        num_figures = sum(_num_figures(e) for epochs in self._waiting.values() for e in epochs)
        age = self._clock() - self._waiting_since
        if age > FLUSH_SECONDS or num_figures > FLUSH_METRICS:
            self._flush()

    def finish_run(self, key: str, record: Record) -> None:
        """Write the outcome of an open run and end it."""
        run = self._open[key]
        epochs = {e.step: e for e in (*self._waiting.pop(key, []), *record.epochs)}
        whole = dataclasses.replace(record, epochs=tuple(epochs[step] for step in sorted(epochs)))
        if not self._attempt(partial(self._writer.finish, run, whole)):
            self._keep(Entry(sweep=self._info, run=run, record=whole))
        del self._open[key]  # not before: Ctrl-C may come while the store is told

    def stop_run(self, key: str, record: Record) -> None:
        """End an open run that has no outcome yet, with the reason; it may be opened again."""
        self._flush()
        stop = partial(self._writer.kill, key, record.reason or "", status="stopped")
        self._attempt(stop)
        self._waiting.pop(key, None)
        del self._open[key]

    def finish_sweep(
        self, status: SweepStatus, *, summary_markdown: str = "", artifacts: Sequence[Path] = ()
    ) -> None:
        """End the sweep, with a table for its page and files to keep with it."""
        self._kill_open("the sweep ended before this run did")
        self._is_ended = True
        if not self._attempt(partial(self._writer.end, status, summary_markdown, artifacts)):
            paths = tuple(str(path.resolve()) for path in artifacts)
            self._keep(
                Ending(sweep=self._info, status=status, summary=summary_markdown, artifacts=paths)
            )

    def close(self, reason: str = "the sweep was left before its end") -> None:
        """End whatever is still open, as killed."""
        self._close(reason, is_failure=False)

    def __enter__(self) -> "SweepTracker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        elif issubclass(kind, KeyboardInterrupt):
            self.close("interrupted by Ctrl-C")
        else:
            self._close(f"the sweep raised {kind.__name__}: {error}", is_failure=True)

    def _close(self, reason: str, *, is_failure: bool) -> None:
        self._kill_open(reason)
        if not self._is_ended:
            self._is_ended = True
            self._attempt(partial(self._writer.abandon, is_failure=is_failure, reason=reason))

    def _kill_open(self, reason: str) -> None:
        self._flush()
        for key in list(self._open):
            self._attempt(partial(self._writer.kill, key, reason))
            del self._open[key]

    def _flush(self) -> None:
        for key, epochs in list(self._waiting.items()):
            if self._attempt(partial(self._writer.log, self._open[key], epochs)):
                del self._waiting[key]
        self._waiting_since = self._clock() if self._waiting else None

    def _attempt(self, tell: Callable[[], None]) -> bool:
        """Whether the store was told; a store that just failed is not asked."""
        if self._is_down and self._clock() < self._retry_at:
            return False
        try:
            tell()
            if self._is_down:
                self._replay()
        except StoreError as error:
            self._mark_down(error)
            return False
        self._is_down = False
        return True

    def _mark_down(self, error: StoreError) -> None:
        self._retry_at = self._clock() + RETRY_SECONDS
        if not self._is_down:
            self._is_down = True
            self._on_problem(f"{error} Training goes on; runs are kept in {self._spool.folder}.")

    def _keep(self, item: Entry | Ending) -> None:
        try:
            self._spool.add(item)
        except StoreError as error:
            if not self._is_lost:
                self._is_lost = True
                self._on_problem(f"{error} Runs' own records are told when the sweep goes on.")


def _num_figures(epoch: Epoch) -> int:
    return len(epoch.valid) + len(epoch.loss) + 1
