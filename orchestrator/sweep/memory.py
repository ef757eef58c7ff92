"""A run's memory: how much it took at most, and that the process keeps what it frees."""

import ctypes
import platform
from collections.abc import Callable
from pathlib import Path

import torch

from orchestrator.training.loop import pick_device

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of ``mallopt``; see its manual page."""
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees from now on, for its next tensors.

    glibc gives large blocks back to the kernel at once, and the kernel hands each one out again
    page by page, filled with zeros. The logits of a large catalogue are such blocks, several in
    every step: ``benchmarks/allocation.py`` measures what that costs. What was kept before now,
    such as by the run before, is given back, so that it does not count as the next run's.

    Returns:
        Whether the C library is glibc, and does so from now on.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    library.malloc_trim(0)
    is_no_map = library.mallopt(_MMAP_THRESHOLD, _NEVER)  # 1 where it is taken
    is_no_trim = library.mallopt(_TRIM_THRESHOLD, _NEVER)
    return bool(is_no_map and is_no_trim)


def watch_memory(device: str) -> Callable[[], int | None]:
    """Forget what was taken before; the answer tells, in bytes, what was taken at most since.

    On a GPU it is what its tensors took. On a CPU it is the process with its libraries and the
    features that it has mapped, which Linux alone tells; elsewhere the answer is None.

    Args:
        device: where the run is trained, as ``--device`` has it.
    """
    place = pick_device(device)
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
        return lambda: torch.cuda.max_memory_allocated(place)
    try:
        _RESET.write_text("5")
    except OSError:
        return lambda: None
    return _peak_resident


def _peak_resident() -> int | None:
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
