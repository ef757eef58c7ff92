"""How long the rest of a study takes, from its own runs alone."""

from collections.abc import Callable
from statistics import fmean

MIN_RUNS = 2
"""Runs that must have ended here before anything is said: one alone says nothing of the others."""


class Pace:
    """Takes the time of runs as they end, here and in this session."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._first: float | None = None
        """When the first run began; before that workers start, which is done once."""
        self._since: dict[str, float] = {}
        """Running run -> when it began."""
        self._ended: list[float] = []
        """Seconds of each run that was trained here."""

    def epoch(self, key: str, seconds: float) -> None:
        """A run told of an epoch; its first says when the run began."""
        if key not in self._since:
            self._since[key] = self._clock() - seconds
            first = self._since[key] if self._first is None else self._first
            self._first = min(first, self._since[key])

    def ended(self, key: str, seconds: float) -> None:
        """A run ended; one that told of no epoch took its seconds before, if it was reused."""
        begun = self._since.pop(key, None)
        if begun is not None:
            self._ended.append(seconds or self._clock() - begun)
        elif self._first is not None and seconds:
            self._ended.append(seconds)  # the further seeds of a sampled point tell of no epochs

    def elapsed(self) -> float:
        """Seconds since the study was planned."""
        return self._clock() - self._began

    def elapsed_of(self, key: str) -> float:
        """Seconds since a running run began."""
        return self._clock() - self._since.get(key, self._clock())

    def left(self, num_left: int) -> float | None:
        """Seconds that the runs left take; None until enough have ended here.

        What is left to do, by the mean run so far, over how much was done per second so far. So
        it needs no word on how many run at once, nor on how well they share the machine.

        Args:
            num_left: runs that have not ended, those in training among them.
        """
        if self._first is None or len(self._ended) < max(MIN_RUNS, len(self._since)):
            return None
        mean = fmean(self._ended)
        spent = [self.elapsed_of(key) for key in list(self._since)]  # another thread adds to it
        done_per_second = (sum(self._ended) + sum(spent)) / (self._clock() - self._first)
        to_do = num_left * mean - sum(min(seconds, mean) for seconds in spent)
        return max(to_do, 0.0) / done_per_second if done_per_second else None


def readable(seconds: float) -> str:
    """A duration as one reads it: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
