"""Kinds of failures, what is tried again, and when a study stops for them."""

import re
from dataclasses import dataclass
from pathlib import Path

import torch

from orchestrator.errors import TrialError
from orchestrator.results import Failure, Record

WORDS: dict[Failure, str] = {
    "error": "error",
    "nan": "not a number",
    "memory": "out of memory",
    "timeout": "time-out",
    "lost": "lost worker",
}
"""What a user reads of a kind."""
AGAIN: tuple[Failure, ...] = ("lost", "memory")
"""Failures that are not the settings' own fault: such a run is run once more, one that was out of
memory alone on its device."""
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""What torch's allocators say in a plain RuntimeError."""
_KILLS = Path("/proc/vmstat")


def kind_of(error: BaseException) -> Failure:
    """The kind of failure that an exception of a run is."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "memory"
    if isinstance(error, RuntimeError) and any(word in str(error) for word in _NO_MEMORY):
        return "memory"
    return "nan" if isinstance(error, TrialError) else "error"


def described(record: Record) -> str:
    """Why a run failed: its kind, where that is more than the reason says, and the reason."""
    if record.failure in (None, "error", "nan"):
        return str(record.reason)
    return f"{WORDS[record.failure]}: {record.reason}"


class KernelKills:
    """Whether the kernel of this machine, out of memory, has killed a process since the last look.

    Where it does not count them (other systems, other machines of a cluster), it never has.
    """

    def __init__(self) -> None:
        self._seen = _num_kills()

    def happened(self) -> bool:
        """Look, and remember what was seen."""
        before, self._seen = self._seen, _num_kills()
        return self._seen > before


def _num_kills() -> int:
    try:
        found = re.search(r"^oom_kill (\d+)$", _KILLS.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


@dataclass
class Breaker:
    """Stops a study in which the same failure comes many times in a row."""

    limit: int
    """So many times; 0 never stops."""
    reason: str | None = None
    """Why the study is to stop; None while it may go on."""
    _last: tuple[Failure | None, str] | None = None
    _count: int = 0

    def hear(self, record: Record) -> None:
        """A run ended."""
        if record.status != "failed":
            self._last, self._count = None, 0
            return
        signature = record.failure, _shape(record.reason or "")
        self._count = self._count + 1 if signature == self._last else 1
        self._last = signature
        if self.limit and self._count >= self.limit:
            self.reason = (
                f"{self._count} runs in a row failed alike ({described(record)}). Mend the cause "
                "and type the same command again, or let it go on by --stop-after 0."
            )


def _shape(reason: str) -> str:
    """A reason without what differs from run to run: numbers and paths."""
    return re.sub(r"\d+", "#", re.sub(r"\S*/\S*", "/", reason))
