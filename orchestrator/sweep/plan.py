"""What would be run, and its price, as it is told."""

from dataclasses import dataclass

from orchestrator.sweep.cost import Cost
from orchestrator.sweep.forecast import Epochs


@dataclass(frozen=True, kw_only=True)
class Span:
    """A figure that lies between two others."""

    low: float
    expected: float
    high: float

    def __add__(self, other: "Span") -> "Span":
        return Span(
            low=self.low + other.low,
            expected=self.expected + other.expected,
            high=self.high + other.high,
        )

    def __mul__(self, factor: float) -> "Span":
        return Span(low=self.low * factor, expected=self.expected * factor, high=self.high * factor)


NOTHING = Span(low=0.0, expected=0.0, high=0.0)


@dataclass(kw_only=True)
class Tally:
    """Points and runs, counted."""

    listed: int = 0
    """Points as they were asked for."""
    shared: int = 0
    """Of these, the base that several factors have in common."""
    equal: int = 0
    """Of these, computations that another point is already."""
    over: int = 0
    """Of these, what ``--max-trials`` leaves out."""
    runs: int = 0
    """Of the points that remain, one per seed."""
    reused: int = 0
    """Runs that are done."""
    begun: int = 0
    """Runs that go on from a checkpoint."""
    at_least: int = 0
    """Runs that are left even where the first seeds settle everything."""

    @property
    def points(self) -> int:
        """That are run."""
        return self.listed - self.shared - self.equal - self.over

    @property
    def left(self) -> int:
        """Runs that are to be run."""
        return self.runs - self.reused

    def __iadd__(self, other: "Tally") -> "Tally":
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would be run, and its price."""

    name: str
    num_seeds: int
    tally: Tally
    epochs: dict[str, tuple[Epochs, ...]]
    """Model -> of each stage of its base; the name is empty where there is one model."""
    timed: dict[str, Cost]
    """Point -> what it was timed to cost."""
    wall: Span
    """Seconds on the clock."""
    cpu: Span
    """Seconds of all CPU threads."""
    kept: Span
    """Bytes that the new runs leave in the results folder."""
    running: float
    """Bytes of checkpoints while runs go on, at most."""
    workers: int
    max_time: float | None = None
    """Seconds that runs may take."""
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As the command line prints it."""
        from orchestrator.sweep.plan_text import plan_text

        return plan_text(self)
