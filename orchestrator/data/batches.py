"""Training sequences -> batches: every target once per epoch, with little padding.

A sample is a window of a sequence with a loss at its last positions. Whole sequences with a loss
at every position and single prefixes are both windows; so is the case between, a sequence beyond
the history limit, which is cut into windows that overlap by half: there each target still comes
once per epoch, with at least half the limit of history before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from models import Batch, Group, History
from orchestrator.data.interactions import Sequences

SMALLEST_GROUP = 4
"""Windows up to this long form one group; the next groups reach to its doubles."""


@dataclass(frozen=True)
class Windows:
    """Samples as places in the flat array of items; one entry per sample each."""

    starts: NDArray[np.int64]
    """Place of the oldest item of the history."""
    lengths: NDArray[np.int64]
    """Items in the history."""
    num_targets: NDArray[np.int64]
    """Positions with a loss, counted from the newest."""

    def __len__(self) -> int:
        return len(self.starts)


def windows(
    sequences: Sequences, *, samples: Literal["positions", "prefixes"], max_length: int
) -> Windows:
    """All samples of the training sequences.

    Args:
        sequences: training parts, oldest item first.
        samples: "positions" for a loss at every position, "prefixes" for a sample per target.
        max_length: history limit.
    """
    stride = 1 if samples == "prefixes" else max(1, max_length // 2)
    first = 1 if samples == "prefixes" else max_length
    offsets = sequences.offsets.astype(np.int64)
    most = np.diff(offsets) - 1  # targets of each sequence; its last item starts no window
    users = np.flatnonzero(most > 0)
    most, begin = most[users], offsets[users]
    count = 1 + np.maximum(0, -(-(most - first) // stride))
    owner = np.repeat(np.arange(len(users)), count)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    end = np.minimum(first + place * stride, most[owner])
    before = np.where(place == 0, 0, np.minimum(first + (place - 1) * stride, most[owner]))
    lengths = np.minimum(end, max_length)
    return Windows(begin[owner] + end - lengths, lengths, end - before)


class TrainingBatches:
    """All training samples of a data set, shuffled anew each epoch from the seed alone."""

    def __init__(
        self,
        sequences: Sequences,
        *,
        samples: Literal["positions", "prefixes"],
        max_length: int,
        batch_targets: int,
    ) -> None:
        self._windows = windows(sequences, samples=samples, max_length=max_length)
        self._batch_targets = batch_targets
        self._items = torch.from_numpy(sequences.items.astype(np.int64))
        times = sequences.timestamps
        self._times = None if times is None else torch.from_numpy(times.astype(np.int64))
        self.num_targets = int(self._windows.num_targets.sum())
        """Targets per epoch."""

    def epoch(self, seed: int) -> Iterator[Batch]:
        """One pass over all samples in an order that depends on ``seed`` alone."""
        order = np.random.default_rng(seed).permutation(len(self._windows))
        done = np.cumsum(self._windows.num_targets[order])
        batch_of = (done - 1) // self._batch_targets
        for picked in np.split(order, np.flatnonzero(np.diff(batch_of)) + 1):
            yield self._batch(picked)

    def _batch(self, picked: NDArray[np.int64]) -> Batch:
        lengths = self._windows.lengths[picked]
        size = np.ceil(np.log2(np.maximum(lengths, SMALLEST_GROUP))).astype(np.int64)
        return Batch(tuple(self._group(picked[size == s]) for s in np.unique(size)))

    def _group(self, picked: NDArray[np.int64]) -> Group:
        lengths = torch.from_numpy(self._windows.lengths[picked])[:, None]
        starts = torch.from_numpy(self._windows.starts[picked])[:, None]
        num_targets = torch.from_numpy(self._windows.num_targets[picked])[:, None]
        longest = int(lengths.max())
        from_end = torch.arange(longest, 0, -1)  # 1 is the newest item
        index = starts + lengths - from_end
        is_item = from_end <= lengths
        history = History(self._read(self._items, index, is_item), self._clock(index, is_item))
        return Group(history, self._read(self._items, index + 1, from_end <= num_targets))

    def _clock(self, index: Tensor, is_item: Tensor) -> Tensor | None:
        return None if self._times is None else self._read(self._times, index, is_item)

    @staticmethod
    def _read(flat: Tensor, index: Tensor, wanted: Tensor) -> Int[Tensor, "batch length"]:
        return torch.where(wanted, flat[index.clamp(min=0)], 0)
