"""What a user sees while runs go on: a live line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from orchestrator.config import MONITOR
from orchestrator.results import Epoch, Record
from orchestrator.sweep.study import Run

CHECK_SECONDS = 5.0
"""Checks before an ablation that take longer than this are told of, and again as often."""


class SweepProgress:
    """Follows the runs of a sweep or an ablation (:class:`orchestrator.sweep.events.Listener`)."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._phase = ""
        self._told_at = 0.0
        self._running: dict[str, int] = {}
        self._num_runs = self._num_done = self._num_failed = 0
        self._best = 0.0

    def __enter__(self) -> "SweepProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def checking(self, num_done: int, num_variants: int) -> None:
        """Say how far the checks are, where they take long."""
        if num_done == 0:
            self._told_at = time.monotonic()
        if time.monotonic() - self._told_at > CHECK_SECONDS:
            self._told_at = time.monotonic()
            what = self._phase or "Checking that what is varied changes the model"
            text = f"{what}: {num_done} of {num_variants}."
            self._console.print(text, highlight=False)

    def phase(self, name: str) -> None:
        """Name the runs that follow."""
        self._phase = name

    def planned(self, num_runs: int, num_reused: int, notes: tuple[str, ...]) -> None:
        """Say how much there is to do, and what to know before reading the results."""
        self._num_runs, self._num_done, self._num_failed, self._best = num_runs, 0, 0, 0.0
        head = f"{self._phase}: " if self._phase else ""
        reused = f", {num_reused} of them done before and reused" if num_reused else ""
        self._console.print(f"{head}{num_runs} runs{reused}.", highlight=False, soft_wrap=True)
        for note in notes:
            self._console.print(f"Note: {note}", highlight=False, markup=False, soft_wrap=True)
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(
            self._phase or "runs", total=num_runs, state="starting workers"
        )

    def epoch(self, run: Run, epoch: Epoch) -> None:
        """Move the live line."""
        self._running[run.run_id] = epoch.step
        self._refresh()

    def finished(self, run: Run, record: Record) -> None:
        """One line per run that ended."""
        self._running.pop(run.run_id, None)
        self._num_done += 1
        self._num_failed += record.status == "failed"
        self._best = max(self._best, record.metrics.get(MONITOR, 0.0))
        line = f"[{self._num_done}/{self._num_runs}] {run.name}: {describe(record)}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)
        self._refresh()

    def _refresh(self) -> None:
        if self._task is None:
            return
        state = f"running {len(self._running)}, failed {self._num_failed}"
        best = f", best val NDCG@10 {self._best:.4f}" if self._best else ""
        self._bar.update(self._task, completed=self._num_done, state=state + best)


def describe(record: Record) -> str:
    """A record in a few words."""
    if record.status != "finished":
        return f"{record.status.upper()}: {record.reason}"
    return (
        f"val NDCG@10 {record.metrics[MONITOR]:.4f} at epoch {record.best_step} "
        f"of {len(record.epochs)}, {record.seconds:.1f} s"
    )


def epoch_printer(console: Console) -> Callable[[Epoch], None]:
    """Prints an epoch as a line; many short epochs share one, so that logs stay short."""
    last = [0.0]

    def show(epoch: Epoch) -> None:
        if time.monotonic() - last[0] < 1.0 and epoch.step > 1:
            return
        last[0] = time.monotonic()
        console.print(
            f"epoch {epoch.step} ({epoch.stage}): loss {epoch.loss['total']:.4f}, "
            f"val NDCG@10 {epoch.valid[MONITOR]:.4f}, {epoch.seconds:.2f} s",
            highlight=False,
        )

    return show
