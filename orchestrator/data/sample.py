"""A few users and items of a data set as one of its own: enough to see what a setting does."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int64

from models import Categories, Modality, TokenFeatures
from orchestrator.data.categories import categories_of
from orchestrator.data.interactions import Sequences, bounds
from orchestrator.data.manifest import ModalityEntry
from orchestrator.data.split import MIN_LENGTH
from orchestrator.data.store import Dataset

MAX_ITEMS = 512
"""Items of a sample at most."""
MIN_ITEMS = 64
"""Items that a sample may have however wide their features are."""
MAX_FEATURES = 2**22
"""Numbers in all features of a sample, roughly."""
MAX_LENGTH = 20
"""Newest interactions that are taken of a user."""


@dataclass(frozen=True, eq=False)
class Sample(Dataset):
    """Some users and items of a stored data set, which count anew; it is not on disk."""

    whole: Dataset
    kept: Int64[np.ndarray, " items"]
    """The whole's items, ascending: item ``i + 1`` of the sample is ``kept[i]``."""
    taken: Sequences
    """What the sample's users took, in the sample's items."""

    @property
    def num_users(self) -> int:
        """Users of the sample."""
        return len(self.taken)

    @property
    def num_items(self) -> int:
        """Items of the sample, without padding."""
        return len(self.kept)

    @cached_property
    def sequences(self) -> Sequences:
        """All interactions of the sample."""
        return self.taken

    def modalities(self) -> dict[str, Modality]:
        """Features of the sample's items, held in memory."""
        return {name: _rows(own, self._rows) for name, own in self.whole.modalities().items()}

    @cached_property
    def categories(self) -> Categories | None:
        """Categories of the sample's items."""
        whole = self.whole.categories
        return None if whole is None else categories_of(whole, self._rows)

    @property
    def _rows(self) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([[0], self.kept]))


def sample(dataset: Dataset) -> Dataset:
    """A few users of a data set with their items; the data set itself where it is no larger."""
    most = _num_items(dataset)
    if dataset.num_items <= most:
        return dataset
    taken = _users(dataset.sequences, most)
    if not len(taken):
        return dataset
    kept = np.unique(taken.items).astype(np.int64)
    number = np.zeros(dataset.num_items + 1, dtype=np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    renamed = Sequences(number[taken.items], taken.offsets, taken.timestamps)
    return Sample(dataset.folder, dataset.manifest, dataset, kept, renamed)


def _num_items(dataset: Dataset) -> int:
    """How many items a sample may have, given how wide their features are."""
    entries = dataset.manifest.modalities.values()
    width = sum(map(_num_features, entries)) / max(1, dataset.num_items)
    return int(min(MAX_ITEMS, max(MIN_ITEMS, MAX_FEATURES / max(1.0, width))))


def _num_features(entry: ModalityEntry) -> int:
    return sum(math.prod(form.shape) for form in entry.forms.values())


def _users(sequences: Sequences, max_items: int) -> Sequences:
    """The newest interactions of the first users, until there would be too many items."""
    places: list[np.ndarray] = []
    items: set[int] = set()
    for user in np.flatnonzero(sequences.lengths > MIN_LENGTH):  # with something to train on
        begin, end = sequences.offsets[user : user + 2]
        chosen = np.arange(max(begin, end - MAX_LENGTH), end)
        items |= set(sequences.items[chosen].tolist())
        if len(items) > max_items:
            break
        places.append(chosen)
    every = np.concatenate([np.zeros(0, dtype=np.int64), *places])
    times = None if sequences.timestamps is None else sequences.timestamps[every]
    return Sequences(sequences.items[every], bounds([len(place) for place in places]), times)


def _rows(modality: Modality, rows: torch.Tensor) -> Modality:
    """A modality's features of some items alone."""
    tokens = None if modality.tokens is None else _tokens(modality.tokens, rows)
    pooled = None if modality.pooled is None else modality.pooled[rows]
    layers = None if modality.layers is None else modality.layers[rows]
    missing = None if modality.missing is None else modality.missing[rows]
    return Modality(modality.name, tokens, pooled, layers, missing)


def _tokens(features: TokenFeatures, rows: torch.Tensor) -> TokenFeatures:
    ends = features.lengths.long().cumsum(0)
    lengths = features.lengths[rows]
    last = lengths.long().cumsum(0)
    starts = (ends[rows] - last).repeat_interleave(lengths.long())
    return TokenFeatures(features.values[starts + torch.arange(len(starts))], lengths)
