"""What happens in a running study, told in the driver to the tracker and to whoever watches."""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from orchestrator.config import flatten
from orchestrator.results import Epoch, Record
from orchestrator.sweep.budget import is_out_of_time
from orchestrator.sweep.study import Run
from orchestrator.tracking.runs import RunInfo


@runtime_checkable
class Listener(Protocol):
    """Someone who watches a study: the command line's progress display, say."""

    def checking(self, num_done: int, num_variants: int) -> None:
        """Before an ablation: so many of its variants are known to change the model."""

    def phase(self, name: str) -> None:
        """A phase of an ablation begins; a plan follows."""

    def planned(self, num_runs: int, num_reused: int, notes: tuple[str, ...]) -> None:
        """Before the first run: how many there are, how many are done, what to know of them."""

    def epoch(self, run: Run, epoch: Epoch) -> None:
        """A run finished an epoch."""

    def finished(self, run: Run, record: Record) -> None:
        """A run ended, well or not."""


@runtime_checkable
class Sink(Protocol):
    """Where runs are recorded: the open sweep of a tracker."""

    def start_run(self, run: RunInfo) -> None:
        """A run begins, or begins again."""

    def log_epoch(self, key: str, epoch: Epoch) -> None:
        """A run finished an epoch."""

    def finish_run(self, key: str, record: Record) -> None:
        """A run ended."""

    def stop_run(self, key: str, record: Record) -> None:
        """A run ended without an outcome, and may go on later."""


class Silent:
    """Watches nothing."""

    def checking(self, num_done: int, num_variants: int) -> None:
        """Ignore it."""

    def phase(self, name: str) -> None:
        """Ignore it."""

    def planned(self, num_runs: int, num_reused: int, notes: tuple[str, ...]) -> None:
        """Ignore it."""

    def epoch(self, run: Run, epoch: Epoch) -> None:
        """Ignore it."""

    def finished(self, run: Run, record: Record) -> None:
        """Ignore it."""


@dataclass
class Events:
    """Passes on what executors report, in the driver.

    A sampler may propose a point again: a run that finished is not told again, one that did not is
    opened again.
    """

    sink: Sink
    listener: Listener
    ended: dict[str, tuple[Run, Record]] = field(default_factory=dict)
    """By key: the runs that ended."""
    _open: dict[str, Run] = field(default_factory=dict)
    _epochs: dict[str, list[Epoch]] = field(default_factory=dict)

    @property
    def records(self) -> dict[str, Record]:
        """Records of the runs that ended, by run id."""
        return {run.run_id: record for run, record in self.ended.values()}

    def epoch(self, run: Run, epoch: Epoch) -> None:
        """A run finished an epoch."""
        self._start(run)
        self._epochs[run.key].append(epoch)
        self.sink.log_epoch(run.key, epoch)
        self.listener.epoch(run, epoch)

    def finished(self, run: Run, record: Record) -> None:
        """A run ended; told twice, it counts once, unless it has finished by now."""
        _, before = self.ended.get(run.key, (run, None))
        is_news = before is None or before.status != record.status == "finished"
        if not (is_news or run.key in self._open):
            return
        self._start(run)
        del self._open[run.key]
        self.ended[run.key] = (run, record)
        tell = self.sink.stop_run if is_out_of_time(record) else self.sink.finish_run
        tell(run.key, record)
        self.listener.finished(run, record)

    def epochs(self, run: Run) -> tuple[Epoch, ...]:
        """Epochs told of a run so far."""
        return tuple(self._epochs.get(run.key, ()))

    def _start(self, run: Run) -> None:
        if run.key in self._open:
            return
        self._open[run.key] = run
        self._epochs[run.key] = []
        info = RunInfo(
            run_id=run.run_id,
            name=run.name,
            params=flatten(run.config),
            seed=run.config.seed,
            changed=run.changed,
            variant=run.variant,
            phase=run.phase,
            model=run.config.model,
        )
        self.sink.start_run(info)
