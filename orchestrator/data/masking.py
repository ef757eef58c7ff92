"""Which items of a masked sample are hidden: drawn anew each epoch (the Cloze task)."""

import numpy as np
from numpy.typing import NDArray

from models import Masked


def usual_number(lengths: NDArray[np.int64], masked: Masked) -> NDArray[np.int64]:
    """About how many items of sequences of these lengths are hidden; at least one."""
    among_all = np.maximum(1.0, masked.ratio * lengths)
    mean = masked.last_ratio + (1 - masked.last_ratio) * among_all
    return np.rint(mean).astype(np.int64)


def hidden_places(
    lengths: NDArray[np.int64], masked: Masked, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Hidden places of sequences, a row each, aligned at their ends.

    Each item is hidden with the same probability; where none would be, one of them is.
    """
    longest = int(lengths.max())
    drawn = random.random((len(lengths), longest))
    drawn[np.arange(longest, 0, -1) > lengths[:, None]] = np.inf
    hidden = (drawn < masked.ratio) | (drawn == drawn.min(axis=1, keepdims=True))
    last_alone = random.random(len(lengths)) < masked.last_ratio
    hidden[last_alone] = np.arange(longest, 0, -1) == 1
    return hidden
