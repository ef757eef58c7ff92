"""How much memory a run took at most."""

from collections.abc import Callable
from pathlib import Path

import torch

from orchestrator.training.loop import pick_device

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


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
