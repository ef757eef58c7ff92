"""Runs added up to what a sweep costs: time on the clock, CPU time, disk."""

import os
from dataclasses import dataclass, field

from orchestrator.sweep.cost import Cost
from orchestrator.sweep.forecast import Epochs
from orchestrator.sweep.options import Executor, Options
from orchestrator.sweep.plan import NOTHING, Span, Tally
from orchestrator.sweep.price import Between

FASTER, SLOWER = 0.8, 1.4
"""What an epoch takes may be so many times what the probe says: other load, other batches."""
START = {"ray": (10.0, 45.0), "local": (4.0, 15.0)}
"""Seconds before the first run and after the last: workers, database, figures."""
PER_RUN = (0.2, 1.5)
"""Seconds of a run beside its model: its folder, its ranks, what the driver writes of it."""
EPOCH_BYTES = 2_700
"""What an epoch's figures take in records and in the database, roughly."""
USER_BYTES = 20
"""A user's ranks."""
RUN_BYTES = 60_000
"""What a run takes in the database and beside its record, whatever its length."""
CHECKPOINTS_AT_ONCE = 3
"""Of a running run: the best epoch, the latest, and the one being written."""


@dataclass
class Bill:
    """What the parts of a plan cost together, before they are shared by workers."""

    wall: Span = NOTHING
    cpu: Span = NOTHING
    kept: Span = NOTHING
    longest: float = 0.0
    checkpoint: float = 0.0
    tally: Tally = field(default_factory=Tally)

    def add(self, between: Between, epochs: dict[str, Epochs], *, num: float, least: float) -> None:
        """Add runs of one cost; ``least`` of them are run for certain."""
        wall = _run_span(between, epochs, "wall")
        self.wall += _times(wall, num, least)
        self.cpu += _times(_run_span(between, epochs, "cpu"), num, least)
        self.kept += _times(_kept(between, epochs), num, least)
        self.longest = max(self.longest, wall.expected if num else 0.0)
        self.checkpoint = max(self.checkpoint, between.high.checkpoint if num else 0.0)


def _times(span: Span, num: float, least: float) -> Span:
    return Span(
        low=span.low * least, expected=span.expected * (least + num) / 2, high=span.high * num
    )


def _run_span(between: Between, epochs: dict[str, Epochs], clock: str) -> Span:
    """Seconds of one run."""

    def total(cost: Cost, which: str) -> float:
        inner = sum(
            getattr(seconds, clock) * getattr(epochs[stage], which)
            for stage, seconds in cost.epochs.items()
            if stage in epochs
        )
        return float(inner + getattr(cost.ends, clock))

    middle = (total(between.low, "expected") + total(between.high, "expected")) / 2
    return Span(
        low=FASTER * total(between.low, "low") + PER_RUN[0],
        expected=middle + sum(PER_RUN) / 2,
        high=SLOWER * total(between.high, "high") + PER_RUN[1],
    )


def _kept(between: Between, epochs: dict[str, Epochs]) -> Span:
    def total(cost: Cost, which: str) -> float:
        told = sum(getattr(own, which) for own in epochs.values()) * EPOCH_BYTES
        return cost.weights + told + RUN_BYTES

    middle = (total(between.low, "expected") + total(between.high, "expected")) / 2
    return Span(low=total(between.low, "low"), expected=middle, high=total(between.high, "high"))


def wall_time(total: Bill, executor: Executor, options: Options) -> Span:
    """Time on the clock: runs side by side, and never less than the longest of them.

    Args:
        total: all runs.
        executor: what runs them; Ray's workers side by side, as far as this machine has cores.
        options: how they are run.
    """
    start = START[executor]
    if not total.tally.left:
        return Span(low=start[0], expected=sum(start) / 2, high=start[1])
    side = min(num_workers(executor, options), total.tally.left)
    if options.address is None and options.gpus == 0:
        side = max(1, min(side, (os.cpu_count() or 1) // options.threads))
    shared = total.wall * (1 / side)
    return Span(
        low=shared.low + start[0],
        expected=max(shared.expected, total.longest) + sum(start) / 2,
        high=max(shared.high, total.longest * SLOWER) + start[1],
    )


def num_workers(executor: Executor, options: Options) -> int:
    """Runs at once."""
    return 1 if executor == "local" else options.workers


def disk_of_ranks(tally: Tally, num_users: int) -> Span:
    """Bytes of the new runs' ranks of users."""
    per_run = float(num_users * USER_BYTES)
    least, most = tally.at_least * per_run, tally.left * per_run
    return Span(low=least, expected=(least + most) / 2, high=most)
