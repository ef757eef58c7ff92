"""For each training sample another one of the same target, found through an index by target."""

import numpy as np
from numpy.typing import NDArray


class SameTarget:
    """Samples in order of their targets: those of one target stand side by side.

    It is built by one sort, in memory linear in the samples; a draw costs the same for each sample.
    """

    def __init__(self, targets: NDArray[np.int64]) -> None:
        counts = np.bincount(targets)
        self._order = np.argsort(targets, kind="stable")
        self._place = np.empty_like(self._order)
        self._place[self._order] = np.arange(len(targets))
        self._first = (np.cumsum(counts) - counts)[targets]
        self._count = counts[targets]

    def draw(self, picked: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
        """For each sample one of the others of its target, all alike likely; itself if alone."""
        first, count = self._first[picked], self._count[picked]
        step = 1 + (random.random(len(picked)) * (count - 1)).astype(np.int64)
        return self._order[first + (self._place[picked] - first + step) % count]
