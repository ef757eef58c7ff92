"""Training sequences -> batches: every target once per epoch, with little padding.

A sample is a window of a sequence with a loss at its last positions. Whole sequences with a loss
at every position and single prefixes are both windows; so is the case between, a sequence beyond
the history limit, which is cut into windows that overlap by half: there each target still comes
once per epoch, with at least half the limit of history before it. Masked samples are the windows
of whole sequences, each with the item behind it.

Everything that is drawn (order, hidden items, twins) follows from an epoch's seed and not from how
samples are laid out, so that a run that was cut goes on with the same batches.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from models import HIDDEN, Batch, Group, History, Masked, Prefixes, Samples, Twins
from orchestrator.data.interactions import Sequences
from orchestrator.data.masking import hidden_places, usual_number
from orchestrator.data.twins import SameTarget

SMALLEST_GROUP = 4
"""Windows up to this long form one group; the next groups reach to its doubles."""


@dataclass(frozen=True)
class Windows:
    """Samples as places in the flat array of items; one entry per sample each."""

    starts: NDArray[np.int64]
    """Place of the oldest item."""
    lengths: NDArray[np.int64]
    """Items in the history; in a masked sample hidden ones too."""
    num_targets: NDArray[np.int64]
    """Positions with a loss, counted from the newest; in a masked sample the usual number."""

    def __len__(self) -> int:
        return len(self.starts)


def windows(sequences: Sequences, *, samples: Samples, max_length: int) -> Windows:
    """All samples of the training sequences.

    Args:
        sequences: training parts, oldest item first.
        samples: what a model takes.
        max_length: history limit.
    """
    stride = 1 if isinstance(samples, Prefixes) else max(1, max_length // 2)
    first = 1 if isinstance(samples, Prefixes) else max_length
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
    starts = begin[owner] + end - lengths
    if isinstance(samples, Masked):
        return Windows(starts, lengths + 1, usual_number(lengths + 1, samples))
    return Windows(starts, lengths, end - before)


class TrainingBatches:
    """All training samples of a data set, shuffled anew each epoch from the seed alone."""

    def __init__(
        self, sequences: Sequences, *, samples: Samples, max_length: int, batch_targets: int
    ) -> None:
        self._masked = samples if isinstance(samples, Masked) else None
        self._copies = 1 if self._masked is None else self._masked.copies
        self._windows = windows(sequences, samples=samples, max_length=max_length)
        self._batch_targets = batch_targets
        self._items = torch.from_numpy(sequences.items.astype(np.int64))
        times = sequences.timestamps
        self._times = None if times is None else torch.from_numpy(times.astype(np.int64))
        self._same_target = None
        if isinstance(samples, Prefixes) and samples.twins:
            newest = self._windows.starts + self._windows.lengths
            self._same_target = SameTarget(sequences.items[newest].astype(np.int64))
        self.num_targets = self._copies * int(self._windows.num_targets.sum())
        """Targets per epoch; of masked samples about as many."""

    def epoch(self, seed: int) -> Iterator[Batch]:
        """One pass over all samples in an order that depends on ``seed`` alone."""
        random = np.random.default_rng(seed)
        order = random.permutation(self._copies * len(self._windows)) % max(1, len(self._windows))
        done = np.cumsum(self._windows.num_targets[order])
        batch_of = (done - 1) // self._batch_targets
        for picked in np.split(order, np.flatnonzero(np.diff(batch_of)) + 1):
            yield self._batch(picked, random)

    def _batch(self, picked: NDArray[np.int64], random: np.random.Generator) -> Batch:
        lengths = self._windows.lengths[picked]
        hidden = None if self._masked is None else hidden_places(lengths, self._masked, random)
        layout = self._layout(lengths)
        groups = [
            self._group(picked[part], width, None if hidden is None else hidden[part])
            for part, width in layout
        ]
        if self._same_target is None:
            return Batch(tuple(groups))
        twins = self._same_target.draw(picked, random)
        in_order = np.concatenate([part for part, _ in layout])
        return Batch(tuple(groups), self._twins(twins[in_order]))

    def _layout(self, lengths: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], int]]:
        """Groups of samples of these lengths: which ones, and how wide."""
        size = np.ceil(np.log2(np.maximum(lengths, SMALLEST_GROUP))).astype(np.int64)
        parts = [np.flatnonzero(size == s) for s in np.unique(size)]
        return [(part, int(lengths[part].max())) for part in parts]

    def _group(
        self, picked: NDArray[np.int64], width: int, hidden: NDArray[np.bool_] | None
    ) -> Group:
        index, from_end, history = self._histories(picked, width)
        if hidden is None:
            num_targets = torch.from_numpy(self._windows.num_targets[picked])[:, None]
            return Group(history, self._read(self._items, index + 1, from_end <= num_targets))
        places = torch.zeros(index.shape, dtype=torch.bool)
        shown = min(width, hidden.shape[1])
        places[:, -shown:] = torch.from_numpy(hidden[:, -shown:])
        covered = History(history.items.masked_fill(places, HIDDEN), history.timestamps)
        return Group(covered, history.items.masked_fill(~places, 0))

    def _twins(self, picked: NDArray[np.int64]) -> Twins:
        layout = self._layout(self._windows.lengths[picked])
        histories = tuple(self._histories(picked[part], width)[2] for part, width in layout)
        rows = np.argsort(np.concatenate([part for part, _ in layout]), kind="stable")
        return Twins(histories, torch.from_numpy(rows))

    def _histories(
        self, picked: NDArray[np.int64], width: int
    ) -> tuple[Int[Tensor, "batch length"], Int[Tensor, " length"], History]:
        """Places of samples' items in the flat array, those counted from 1 at the newest, both."""
        lengths = torch.from_numpy(self._windows.lengths[picked])[:, None]
        starts = torch.from_numpy(self._windows.starts[picked])[:, None]
        from_end = torch.arange(width, 0, -1)
        index = starts + lengths - from_end
        is_item = from_end <= lengths
        times = None if self._times is None else self._read(self._times, index, is_item)
        return index, from_end, History(self._read(self._items, index, is_item), times)

    @staticmethod
    def _read(flat: Tensor, index: Tensor, wanted: Tensor) -> Int[Tensor, "batch length"]:
        return torch.where(wanted, flat[index.clamp(min=0)], 0)
