"""What a study may spend: no run starts after a deadline, and running ones end at their next epoch.

A run that is out of time keeps its checkpoints and has no outcome; the same command goes on with
it. Budgets are no part of what a study is: more of one goes on with the same study.
"""

import math
import re
import time
from collections.abc import Callable, Sized
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.config import TrialConfig
from orchestrator.data import Dataset
from orchestrator.errors import ConfigError
from orchestrator.results import Epoch, Record
from orchestrator.sweep.objective import failure, run_trial

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
"""Letter -> seconds."""
OUT_OF_TIME = "out of time (--max-time); the same command goes on with it"
"""Reason of a run that was ended by a deadline."""
LEFT = "left"
"""State of a sampled point that is out of time: its sampler is told nothing, and it comes again."""


def seconds_of(text: str, *, option: str = "--max-time") -> float:
    """Seconds of a duration such as ``2h``, ``90m``, ``3600s`` or ``1h30m``.

    >>> seconds_of("1h30m")
    5400.0

    Raises:
        ConfigError: it is none, or nothing at all.
    """
    pattern = "".join(rf"(?:(\d+(?:\.\d+)?){unit})?" for unit in UNITS)
    found = re.fullmatch(pattern, text.replace(" ", ""))
    numbers = [float(number or 0) for number in found.groups()] if found else []
    total = sum(number * size for number, size in zip(numbers, UNITS.values(), strict=False))
    if not total:
        raise ConfigError(
            f"{option} cannot be {text!r}: it must be a duration above 0. "
            "Write for example 2h, 90m, 3600s or 1h30m."
        )
    return total


class OutOfTime(BaseException):
    """A run's time is over. Like an interrupt it is no failure of the run, hence no Exception."""


@dataclass(frozen=True)
class Deadline:
    """A moment after which no run starts or goes on."""

    at: float = math.inf
    """Unix seconds, so that other machines know it too, as well as their clocks agree."""

    def is_over(self) -> bool:
        """Whether it has passed."""
        return time.time() >= self.at

    def run_trial(
        self,
        config: TrialConfig,
        dataset: Dataset,
        *,
        on_epoch: Callable[[Epoch], None] | None = None,
        **how: Any,  # noqa: ANN401 - passed on
    ) -> Record:
        """As :func:`orchestrator.sweep.objective.run_trial`, ended at its next epoch in the end.

        Such a run's record has the status ``stopped`` and is not written: there is no outcome yet.

        Args:
            config: the run's settings.
            dataset: an open data set.
            on_epoch: called after each epoch.
            how: what else ``run_trial`` is to be told.
        """
        epochs: list[Epoch] = []

        def tell(epoch: Epoch) -> None:
            epochs.append(epoch)
            if on_epoch is not None:
                on_epoch(epoch)
            if self.is_over():
                raise OutOfTime

        try:
            return run_trial(config, dataset, on_epoch=tell, **how)
        except OutOfTime:
            told = failure(config, dataset.data_hash, reason=OUT_OF_TIME)
            return replace(told, status="stopped", epochs=tuple(epochs))


NEVER = Deadline()


def is_out_of_time(record: Record) -> bool:
    """Whether a run was ended by a deadline, and not by a scheduler for good."""
    return record.status == "stopped" and record.reason == OUT_OF_TIME


def left_out(trials: Sized, run: Sized) -> tuple[str, ...]:
    """A sentence on the trials that ``--max-trials`` left out, where it left any."""
    left = len(trials) - len(run)
    told = f"{left} of {len(trials)} points are left, as --max-trials allows {len(run)}."
    return (told,) if left else ()
