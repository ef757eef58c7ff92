"""What a user sees while runs go on: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.pace import Pace, readable
from orchestrator.config import MONITOR
from orchestrator.results import Epoch, Record
from orchestrator.sweep.failures import described
from orchestrator.sweep.study import Run

CHECK_SECONDS = 5.0
"""Checks before an ablation that take longer than this are told of, and again as often."""
BAR = 24
"""Characters of the bar."""
_ROOM = 7
"""Lines of a terminal that the table of running runs leaves to others."""


class SweepProgress:
    """Follows the runs of a sweep or an ablation (:class:`orchestrator.sweep.events.Listener`)."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._phase = ""
        self._told_at = 0.0
        self._running: dict[str, _Row] = {}
        self._num_runs = self._num_done = self._num_failed = 0
        self._best: float | None = None
        self._pace: Pace | None = None
        self._live = Live(  # it asks for what to draw at once
            console=console,
            get_renderable=self._table,
            refresh_per_second=2,
            transient=True,
            auto_refresh=console.is_terminal,
        )

    def __enter__(self) -> "SweepProgress":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def checking(self, num_done: int, num_variants: int) -> None:
        """Say how far the checks are, where they take long."""
        if num_done == 0:
            self._told_at = self._clock()
        if self._clock() - self._told_at > CHECK_SECONDS:
            self._told_at = self._clock()
            what = self._phase or "Checking that what is varied changes the model"
            text = f"{what}: {num_done} of {num_variants}."
            self._console.print(text, highlight=False)

    def phase(self, name: str) -> None:
        """Name the runs that follow."""
        self._phase = name

    def planned(self, num_runs: int, num_reused: int, notes: tuple[str, ...]) -> None:
        """Say how much there is to do, and what to know before reading the results."""
        self._num_runs, self._num_done, self._num_failed, self._best = num_runs, 0, 0, None
        self._running.clear()
        self._pace = Pace(self._clock)
        head = f"{self._phase}: " if self._phase else ""
        reused = f", {num_reused} of them done before and reused" if num_reused else ""
        self._console.print(f"{head}{num_runs} runs{reused}.", highlight=False, soft_wrap=True)
        for note in notes:
            self._console.print(f"Note: {note}", highlight=False, markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Print it."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def epoch(self, run: Run, epoch: Epoch) -> None:
        """Move the run's line in the table."""
        row = self._running.setdefault(run.key, _Row(run.name))
        row.add(epoch)
        if self._pace is not None:
            self._pace.epoch(run.key, epoch.seconds)

    def repeated(self, run: Run, record: Record) -> None:
        """Say why a run will be run once more."""
        self._running.pop(run.key, None)
        line = f"{run.name}: {described(record)}. It will be run once more."
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def finished(self, run: Run, record: Record) -> None:
        """One line per run that ended."""
        self._running.pop(run.key, None)
        self._num_done += 1
        self._num_failed += record.status == "failed"
        value = record.metrics.get(MONITOR)
        if value is not None:
            self._best = value if self._best is None else max(self._best, value)
        if self._pace is not None:
            self._pace.ended(run.key, record.seconds)
        line = f"[{self._num_done}/{self._num_runs}] {run.name}: {describe(record)}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _table(self) -> RenderableType:
        """All there is to see at this moment."""
        if self._pace is None:
            return Text("")
        bar = ProgressBar(total=max(self._num_runs, 1), completed=self._num_done, width=BAR)
        head = Table.grid(padding=(0, 2))
        head.add_row(bar, self._counts())
        outlook = Text(self._outlook(self._pace))
        return Group(head, outlook, *([self._runs()] if self._running else []))

    def _counts(self) -> str:
        phase = f"{self._phase}: " if self._phase else ""
        failed = f", {self._num_failed} failed" if self._num_failed else ""
        num_running = len(self._running)
        return f"{phase}{self._num_done} of {self._num_runs} done, {num_running} running{failed}"

    def _outlook(self, pace: Pace) -> str:
        parts = [] if self._best is None else [f"best val NDCG@10 {self._best:.4f}"]
        parts.append(readable(pace.elapsed()))
        left = pace.left(self._num_runs - self._num_done)
        return ", ".join(parts if left is None else [*parts, f"about {readable(left)} left"])

    def _runs(self) -> Table:
        """A line per run in training; those that the terminal has no room for are counted."""
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("running", no_wrap=True, overflow="ellipsis")
        for name in ("epoch", "val NDCG@10", "best", "time"):
            table.add_column(name, justify="right", no_wrap=True)
        room = max(1, self._console.height - _ROOM)
        for key, row in list(self._running.items())[:room]:
            seconds = self._pace.elapsed_of(key) if self._pace else 0.0
            table.add_row(row.name, *row.cells(), readable(seconds))
        if len(self._running) > room:
            table.add_row(f"and {len(self._running) - room} more")
        return table


class _Row:
    """A run in training."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._step = 0
        self._value = self._best = 0.0

    def add(self, epoch: Epoch) -> None:
        """Take in an epoch."""
        self._step, self._value = epoch.step, epoch.valid[MONITOR]
        self._best = max(self._best, self._value)

    def cells(self) -> tuple[str, str, str]:
        """Epoch, its figure, and the best so far."""
        return str(self._step), f"{self._value:.4f}", f"{self._best:.4f}"


def describe(record: Record) -> str:
    """A record in a few words."""
    if record.status != "finished":
        return f"{record.status.upper()}: {described(record)}"
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
