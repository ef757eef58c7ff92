"""What items of a history recall: by co-occurrence, by features, by both (DeCoRec paper, Table 3).

No model is trained. Every item of a test user's history recalls the ``k`` items that stand next to
it in a view; a user's prediction is the union of these. As views with more predictions recall more,
each view's ``k`` is the one whose number of predictions is nearest to a common target.

A pair of items has a *level* in a view: the smallest ``k`` with which the one recalls the other.
Levels of co-occurrence and of both views at once exist for the pairs that co-occur. Similarities
are sorted for a block of items at a time, so nothing is ever items x items.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy.sparse import csr_array
from torch import Tensor

from orchestrator.data.split import EvalUsers
from orchestrator.data.store import Dataset
from orchestrator.errors import ConfigError

View = Literal["interest", "modal_similarity", "modality_interest"]
VIEWS: tuple[View, ...] = ("modal_similarity", "interest", "modality_interest")
"""In the order of the paper's table."""

MAX_DISTANCE = 50
"""Places further apart in a sequence do not co-occur, as in the model."""
MAX_SIMILARITIES = 2**23
"""Similarities sorted at once; bounds the items in a block."""
MAX_PREDICTIONS = 2**22
"""Predictions counted at once; bounds the users in a block."""
_Z = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """What one view predicts for the test users, and how much of it was right."""

    view: View
    k: int
    """Items that each item of a history recalls, where it has so many."""
    num_recalled: int
    """Users whose test item is among their predictions."""
    num_predicted: int
    """Predictions over all users; what several items of a history recall counts once."""
    num_users: int
    low: float
    high: float
    """Bounds of the 95 % interval of the precision, over users."""

    @property
    def precision(self) -> float:
        """Share of the predictions that were right."""
        return self.num_recalled / self.num_predicted if self.num_predicted else math.nan


def recall_views(
    dataset: Dataset, *, num_predicted: int, keeps_history: bool = False
) -> tuple[Recalled, ...]:
    """The three views of a data set, each with about as many predictions.

    Interest: most co-occurrence in the training part, by summed inverse distances. Modal
    similarity: highest mean over all modalities of the cosine of pooled features, which is the
    cosine of the concatenated unit vectors; an item without a modality has 0 there. Both: among the
    ``k`` first of either view at once. Equal scores stand in the order of item ids, and no item
    recalls itself. Histories are all interactions before the test item.

    Args:
        dataset: has pooled features of at least one modality.
        num_predicted: target for the number of predictions over all test users.
        keeps_history: whether items that a user has had are predicted as well.

    Raises:
        ConfigError: the data set has no pooled features, or the target is below 1.
    """
    if num_predicted < 1:
        raise ConfigError(f"the number of predictions cannot be {num_predicted}: at least 1.")
    users = _Users.of(dataset.split.test, dataset.num_items, keeps_history=keeps_history)
    units = _unit_features(dataset)
    near = _cooccurring(dataset)
    interest = _levels_of_rows(near)
    both = interest.copy()
    both.data = np.maximum(both.data, _similarity_levels(units, both))
    found = {
        "interest": _nearest_k(users, interest, num_predicted),
        "modality_interest": _nearest_k(users, both, num_predicted),
        "modal_similarity": _nearest_k_of_similar(users, units, num_predicted),
    }
    return tuple(users.outcome(view, *found[view]) for view in VIEWS)


@dataclass(frozen=True)
class _Users:
    """Test users as sparse rows over items; item ``i`` is column ``i - 1``."""

    histories: csr_array
    targets: Int64[np.ndarray, " users"]
    keeps_history: bool

    @classmethod
    def of(cls, users: EvalUsers, num_items: int, *, keeps_history: bool) -> "_Users":
        lengths = users.lengths
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        items = users.sequences.items[np.repeat(users.starts, lengths) + within] - 1
        owners = np.repeat(np.arange(len(users)), lengths)
        ones = np.ones(len(items), dtype=np.int32)
        histories = csr_array((ones, (owners, items)), shape=(len(users), num_items))
        histories.data[:] = 1  # an item that a user had twice recalls once
        return cls(histories, users.targets - 1, keeps_history)

    def predictions(self, levels: csr_array, k: int) -> Iterator[tuple[slice, csr_array]]:
        """Blocks of users with what a view predicts for each."""
        within = levels.data <= k
        rows = np.repeat(np.arange(levels.shape[0]), np.diff(levels.indptr))[within]
        ones = np.ones(len(rows), dtype=np.int32)
        recalls = csr_array((ones, (rows, levels.indices[within])), shape=levels.shape)
        most = np.diff(recalls.indptr) @ self.histories.T  # at most so many, for each user
        for users in _blocks(most):
            found = self.histories[users] @ recalls
            found.data = np.minimum(found.data, 1)
            if not self.keeps_history:
                found = found - found * self.histories[users]
                found.eliminate_zeros()
            yield users, found

    def count(self, levels: csr_array, k: int) -> int:
        """Predictions over all users."""
        return sum(found.nnz for _, found in self.predictions(levels, k))

    def outcome(self, view: View, levels: csr_array, k: int) -> Recalled:
        """What a view's predictions are worth."""
        hits, sizes = [], []
        for users, found in self.predictions(levels, k):
            targets = self.targets[users]
            hits.append(np.asarray(found[np.arange(len(targets)), targets]).ravel() > 0)
            sizes.append(np.diff(found.indptr))
        is_hit, size = np.concatenate(hits), np.concatenate(sizes)
        low, high = _interval(is_hit, size.astype(np.int64))
        return Recalled(
            view=view,
            k=k,
            num_recalled=int(is_hit.sum()),
            num_predicted=int(size.sum()),
            num_users=len(size),
            low=low,
            high=high,
        )


def _blocks(most: Int64[np.ndarray, " users"]) -> Iterator[slice]:
    """Users in blocks of at most :data:`MAX_PREDICTIONS` predictions, and at least one user."""
    block = np.cumsum(most) // MAX_PREDICTIONS
    bounds = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(most)]
    for start, end in itertools.pairwise(bounds):
        yield slice(start, end)


def _interval(
    is_hit: Bool[np.ndarray, " users"], size: Int64[np.ndarray, " users"]
) -> tuple[float, float]:
    """95 % interval of a ratio of sums over users, by the delta method."""
    num_users, total = len(size), int(size.sum())
    if num_users < 2 or not total:
        return math.nan, math.nan
    ratio = float(is_hit.sum() / total)
    residuals = is_hit - ratio * size
    reach = _Z * math.sqrt(num_users / (num_users - 1) * float((residuals**2).sum())) / total
    return ratio - reach, ratio + reach


def _cooccurring(dataset: Dataset) -> csr_array:
    """Co-occurrence between items, rows sorted by column."""
    counts = dataset.derived.cooccurrence(max_distance=MAX_DISTANCE)
    first, second = counts.indices().numpy() - 1
    size = dataset.num_items
    return csr_array((counts.values().numpy(), (first, second)), shape=(size, size))


def _levels_of_rows(scores: csr_array) -> csr_array:
    """Place of each entry in its row, from 1 for the highest; equal ones by column."""
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    order = np.lexsort((scores.indices, -scores.data, rows))
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order)) - scores.indptr[rows] + 1
    return csr_array((places, scores.indices, scores.indptr), shape=scores.shape)


def _unit_features(dataset: Dataset) -> Float[Tensor, "items width"]:
    """Pooled features of all modalities side by side, each of length 1 or, where missing, 0."""
    features = [modality.pooled for modality in dataset.modalities().values()]
    pooled = [torch.nn.functional.normalize(own[1:].float()) for own in features if own is not None]
    if not pooled:
        raise ConfigError(
            f"{dataset.name}: has no pooled features to compare items by. Use another data set."
        )
    return torch.cat(pooled, dim=1)


def _sorted_by_similarity(
    units: Float[Tensor, "items width"],
) -> Iterator[tuple[int, Int64[np.ndarray, "block items"]]]:
    """Blocks of items, by their first, each with all items from most to least similar, itself last.

    Similarities are rounded, so that equal items tie whatever the sums' last bits.
    """
    num_items = len(units)
    size = max(1, MAX_SIMILARITIES // num_items)
    for start in range(0, num_items, size):
        own = units[start : start + size]
        similar = (own @ units.T).double().round(decimals=6)
        similar[torch.arange(len(own)), torch.arange(start, start + len(own))] = -math.inf
        order = similar.argsort(dim=1, descending=True, stable=True)
        yield start, order.numpy()


def _similarity_levels(
    units: Float[Tensor, "items width"], pairs: csr_array
) -> Int64[np.ndarray, " pairs"]:
    """Level by similarity of each pair that is an entry of ``pairs``."""
    levels = np.empty(pairs.nnz, dtype=np.int64)
    for start, order in _sorted_by_similarity(units):
        places = np.empty_like(order)
        np.put_along_axis(places, order, np.arange(1, len(units) + 1)[None], axis=1)
        bounds = pairs.indptr[start : start + len(order) + 1]
        rows = np.repeat(np.arange(len(order)), np.diff(bounds))
        chosen = slice(bounds[0], bounds[-1])
        levels[chosen] = places[rows, pairs.indices[chosen]]
    return levels


def _similar(units: Float[Tensor, "items width"], k: int) -> csr_array:
    """Levels by similarity of the ``k`` items that are most similar to each."""
    num_items = len(units)
    columns = np.concatenate([order[:, :k] for _, order in _sorted_by_similarity(units)])
    levels = np.tile(np.arange(1, k + 1), num_items)
    starts = np.arange(0, num_items * k + 1, k)
    return csr_array((levels, columns.ravel(), starts), shape=(num_items, num_items))


def _nearest_k_of_similar(
    users: _Users, units: Float[Tensor, "items width"], target: int
) -> tuple[csr_array, int]:
    """Levels by similarity, as far as they are needed, and the ``k`` nearest to the target."""
    most = len(units) - 1
    k = min(8, most)
    while True:
        levels = _similar(units, k)
        if k == most or users.count(levels, k) >= target:
            return _nearest_k(users, levels, target)
        k = min(2 * k, most)


def _nearest_k(users: _Users, levels: csr_array, target: int) -> tuple[csr_array, int]:
    """The ``k`` nearest to the target in its number of predictions, of two such the one below."""
    low, high = 1, int(levels.data.max(initial=1))
    reached = min(target, users.count(levels, high))
    while low < high:  # the first k that reaches it; more k is never fewer predictions
        middle = (low + high) // 2
        if users.count(levels, middle) >= reached:
            high = middle
        else:
            low = middle + 1
    below = max(1, low - 1)
    is_below_nearer = reached - users.count(levels, below) <= users.count(levels, low) - reached
    return levels, below if is_below_nearer else low
