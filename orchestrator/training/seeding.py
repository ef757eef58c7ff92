"""Randomness of a run: everything follows from its seed and the epoch it is in.

Each epoch seeds the generators anew from (seed, epoch). So a resumed run needs no stored
generator state to go on exactly as if it had not been cut.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(*parts: int | str) -> int:
    """A 63-bit seed from parts, unrelated for different parts."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Within it the caller's generator state is kept aside, and CPU kernels are deterministic.

    On a GPU the kernels may differ in the last bits between runs, as torch's defaults do.
    """
    before = torch.get_deterministic_debug_mode()
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        # Filling memory that is about to be written takes 5 % of a step.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        # `use_deterministic_algorithms` does the same, and takes 1.5 s to import the compiler.
        torch.set_deterministic_debug_mode("error" if device.type == "cpu" else before)
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(before)
            torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]
