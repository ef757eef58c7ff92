"""A data set in numbers: how much there is, how long sequences are, how popular items are."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from orchestrator.data import Dataset

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
"""Of lengths and of popularity: least, most, and what lies between."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How numbers spread."""

    mean: float
    quantiles: tuple[float, ...]
    """At :data:`QUANTILES`."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What a data set's sequences are like."""

    sparsity: float
    """Share of the pairs of a user and an item that are not in it; a repeated pair counts once."""
    repeats: int
    """Interactions of a user with an item that the user had before."""
    evaluated: int
    """Users long enough to be validated and tested."""
    lengths: Int64[np.ndarray, " users"]
    """Interactions of each user."""
    popularity: Int64[np.ndarray, " items"]
    """Interactions of each item, most first."""

    @property
    def length_spread(self) -> Spread:
        """Of a user's interactions."""
        return _spread(self.lengths)

    @property
    def popularity_spread(self) -> Spread:
        """Of an item's interactions."""
        return _spread(self.popularity)

    def share_of_top(self, part: float) -> float:
        """Share of the interactions that the most popular part of the items has.

        Args:
            part: of the items, in (0, 1]; rounded up to whole items.
        """
        num = int(np.ceil(part * len(self.popularity)))
        return float(self.popularity[:num].sum() / max(1, self.popularity.sum()))


def statistics(dataset: Dataset) -> Statistics:
    """Read a data set's sequences and count.

    Raises:
        DataError: its interactions cannot be read.
    """
    sequences = dataset.sequences
    pairs = sequences.users.astype(np.int64) * (dataset.num_items + 1) + sequences.items
    num_pairs = len(np.unique(pairs))
    popularity = np.bincount(sequences.items, minlength=dataset.num_items + 1)[1:]
    return Statistics(
        sparsity=1.0 - num_pairs / max(1, dataset.num_users * dataset.num_items),
        repeats=len(sequences.items) - num_pairs,
        evaluated=len(dataset.split.evaluated),
        lengths=sequences.lengths.astype(np.int64),
        popularity=np.sort(popularity)[::-1].astype(np.int64),
    )


def _spread(values: Int64[np.ndarray, " values"]) -> Spread:
    if not len(values):
        return Spread(mean=0.0, quantiles=(0.0,) * len(QUANTILES))
    found = np.quantile(values, QUANTILES, method="inverted_cdf")
    return Spread(mean=float(values.mean()), quantiles=tuple(float(one) for one in found))
