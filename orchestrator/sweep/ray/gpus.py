"""How many runs share a GPU: told, shared evenly, or by what the first runs took of its memory."""

import math
from dataclasses import dataclass

import torch

MARGIN = 0.1
"""Part of a device's memory that packed runs leave free: runs at other settings take more."""
MOST_PER_DEVICE = 16
"""Runs that share a device at most: they share its time too."""
STEPS = 10_000
"""Ray counts parts of a GPU in ten-thousandths."""


@dataclass(frozen=True)
class Use:
    """What one run took of a device that it had to itself, in bytes."""

    peak: int
    total: int
    """Memory of the device."""

    def fits(self) -> int:
        """Such runs that a device holds at once, with a margin; at least one."""
        return max(1, min(MOST_PER_DEVICE, math.floor(self.total * (1 - MARGIN) / self.peak)))

    def share(self) -> float:
        """The part of a device to ask Ray for."""
        return math.floor(STEPS / self.fits()) / STEPS

    def tell(self, *, workers: int) -> str:
        """What was measured and what follows, in a line."""
        fits = self.fits()
        held = f"; --workers allows {workers} at once" if workers < fits else ""
        return (
            f"GPU memory: the first runs took up to {self.peak / 2**30:.1f} GiB of "
            f"{self.total / 2**30:.1f} GiB; {fits} at a time share a GPU{held}."
        )


def even_share(devices: int, workers: int, device: str) -> float:
    """The part of a GPU per run where nobody said it: all GPUs shared by the workers."""
    return 0.0 if device == "cpu" else min(1.0, _cut(devices / workers))


def _cut(part: float) -> float:
    return math.floor(part * STEPS) / STEPS


def start_measuring() -> None:
    """Forget what earlier runs of this process took."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def measured() -> Use | None:
    """What this process took of its device since :func:`start_measuring`; None without one.

    The device's context and libraries count too: all that is taken on a device of one's own and
    that torch has not reserved.
    """
    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    context = max(0, total - free - torch.cuda.memory_reserved())
    return Use(peak=torch.cuda.max_memory_reserved() + context, total=total)


def largest(uses: list[Use]) -> Use | None:
    """The one of which the fewest fit; None where nothing was measured."""
    return min(uses, key=Use.fits, default=None)
