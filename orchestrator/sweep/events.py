"""What happens in a running study, told in the driver to the tracker and to whoever watches."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from orchestrator.config import flatten
from orchestrator.results import Epoch, Failure, Record
from orchestrator.sweep.budget import is_out_of_time
from orchestrator.sweep.failures import Breaker
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

    def note(self, text: str) -> None:
        """Something that is known only now, such as how many runs share a GPU."""

    def epoch(self, run: Run, epoch: Epoch) -> None:
        """A run finished an epoch."""

    def repeated(self, run: Run, record: Record) -> None:
        """A run failed as it would not have to, and will be run once more."""

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

    def note(self, text: str) -> None:
        """Ignore it."""

    def epoch(self, run: Run, epoch: Epoch) -> None:
        """Ignore it."""

    def repeated(self, run: Run, record: Record) -> None:
        """Ignore it."""

    def finished(self, run: Run, record: Record) -> None:
        """Ignore it."""


@dataclass
class Counting:
    """Passes everything on to a listener, and tells how many runs were planned in all so far."""

    listener: Listener
    on_plan: Callable[[int], None]
    num_runs: int = 0

    def checking(self, num_done: int, num_variants: int) -> None:
        """Pass it on."""
        self.listener.checking(num_done, num_variants)

    def phase(self, name: str) -> None:
        """Pass it on."""
        self.listener.phase(name)

    def planned(self, num_runs: int, num_reused: int, notes: tuple[str, ...]) -> None:
        """Count, and pass it on."""
        self.num_runs += num_runs
        self.on_plan(self.num_runs)
        self.listener.planned(num_runs, num_reused, notes)

    def note(self, text: str) -> None:
        """Pass it on."""
        self.listener.note(text)

    def epoch(self, run: Run, epoch: Epoch) -> None:
        """Pass it on."""
        self.listener.epoch(run, epoch)

    def repeated(self, run: Run, record: Record) -> None:
        """Pass it on."""
        self.listener.repeated(run, record)

    def finished(self, run: Run, record: Record) -> None:
        """Pass it on."""
        self.listener.finished(run, record)


@dataclass
class Events:
    """Passes on what executors report, in the driver.

    A sampler may propose a point again: a run that finished is not told again, one that did not is
    opened again. A run that failed as it would not have to is kept back, to be run once more.
    """

    sink: Sink
    listener: Listener
    breaker: Breaker = field(default_factory=lambda: Breaker(0))
    again: tuple[Failure, ...] = ()
    """Kinds of failures after which a run is run once more."""
    ended: dict[str, tuple[Run, Record]] = field(default_factory=dict)
    """By key: the runs that ended."""
    _open: dict[str, Run] = field(default_factory=dict)
    _epochs: dict[str, list[Epoch]] = field(default_factory=dict)
    _kept: dict[str, tuple[Run, Record]] = field(default_factory=dict)
    _repeated: set[str] = field(default_factory=set)
    _stop_reason: str | None = None

    @property
    def records(self) -> dict[str, Record]:
        """Records of the runs that ended, by run id."""
        return {run.run_id: record for run, record in self.ended.values()}

    def note(self, text: str) -> None:
        """Something that is known only now."""
        self.listener.note(text)

    def epoch(self, run: Run, epoch: Epoch) -> None:
        """A run finished an epoch; one that is told again, by who took a run over, counts once."""
        told = self._epochs.get(run.key) if run.key in self._open else None
        if told and epoch.step <= told[-1].step:
            return
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
        self.breaker.hear(record)
        if self._is_kept(run, record):
            return
        self._start(run)
        del self._open[run.key]
        self.ended[run.key] = (run, record)
        tell = self.sink.stop_run if is_out_of_time(record) else self.sink.finish_run
        tell(run.key, record)
        self.listener.finished(run, record)

    @property
    def stop_reason(self) -> str | None:
        """Why no more runs are to be started; None while the study may go on."""
        return self._stop_reason or self.breaker.reason

    def stop(self, reason: str) -> None:
        """Start no more runs."""
        self._stop_reason = reason

    def take(self, kind: Failure) -> list[Run]:
        """The runs kept back that failed in this way; they are to be run now."""
        found = [run for run, record in self._kept.values() if record.failure == kind]
        for run in found:
            del self._kept[run.key]
            self._epochs[run.key] = []
        return found

    def let_go(self) -> None:
        """Tell of the runs kept back as they are: they will not be run again."""
        for run, record in list(self._kept.values()):
            del self._kept[run.key]
            self.finished(run, record)

    def epochs(self, run: Run) -> tuple[Epoch, ...]:
        """Epochs told of a run so far."""
        return tuple(self._epochs.get(run.key, ()))

    def _is_kept(self, run: Run, record: Record) -> bool:
        """Whether the run will be run once more."""
        if record.failure not in self.again or run.key in self._repeated:
            return False
        self._repeated.add(run.key)
        self._kept[run.key] = (run, record)
        self.listener.repeated(run, record)
        return True

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
