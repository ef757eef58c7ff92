"""What models derive from the training part of the sequences.

Co-occurrence, popularity, clusters, product-quantised codes.

Co-occurrence is sparse: time and memory grow with the pairs of places within the distance limit,
never with items squared. k-means takes items x clusters x width in each round, so that clusters in
a fixed share of the items do grow with items squared; beyond ``MAX_PRODUCTS`` it is refused.
``benchmarks/scaling.py`` measures both. Product-quantised codes take long and are the same for all
runs: they are kept beside the data sets, in files named by the hash of all that they follow from.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csr_array
from torch import Tensor

from models import Derived
from orchestrator.data.interactions import Sequences
from orchestrator.data.quantise import Codebooks, quantised

MAX_PAIRS = 2**24
"""Pairs of places held at once while co-occurrence is summed (some 400 MB)."""
MAX_ITERATIONS = 100
"""Rounds of k-means at most."""
MAX_PRODUCTS = 2**40
"""Items x clusters x width of a k-means at most: about an hour on one core (6e10 took minutes)."""


@dataclass(frozen=True, eq=False)
class TrainingDerived(Derived):
    """Derived from the training parts of a data set's sequences, and from nothing else."""

    sequences: Sequences
    """Training parts alone."""
    num_items: int
    kept: Path | None = None
    """Folder for what takes long to derive; None keeps nothing on disk."""
    everything: Sequences | None = None
    """Held-out items too, for what measures a leak."""

    def product_codes(
        self,
        vectors: Float[Tensor, "items width"],
        *,
        num_codebooks: int,
        num_centroids: int,
        rotate: bool,
    ) -> Int[Tensor, "items codebooks"]:
        """By faiss, on one thread; equal inputs give equal codes.

        Raises:
            ValueError: there are fewer items in training than centroids.
        """
        occurs = (self.popularity()[1:] > 0).numpy()
        if num_centroids > occurs.sum():
            raise ValueError(
                f"`num_centroids` cannot be {num_centroids}: "
                f"only {occurs.sum()} items occur in training."
            )
        shape = Codebooks(num_codebooks, num_centroids, rotate)
        codes = quantised(vectors.detach().float().cpu().numpy(), occurs, shape, kept=self.kept)
        return torch.from_numpy(codes.astype(np.int64))

    def cooccurrence(
        self, *, max_distance: int, inverse: bool = True, held_out: bool = False
    ) -> Tensor:
        """Summed inverse distances (DeCoRec eq. 1) or counts, as a coalesced sparse tensor; kept.

        Raises:
            ValueError: held-out items are asked for, and are not here.
        """
        if held_out and self.everything is None:
            raise ValueError("the catalogue has no held-out items to count.")
        return _cooccurrence(self, max_distance, inverse, held_out)

    def popularity(self) -> Int[Tensor, " rows"]:
        """Occurrences of each item, 0 for padding."""
        counts = np.bincount(self.sequences.items, minlength=self.num_items + 1)
        return torch.from_numpy(counts.astype(np.int64))

    def clusters(
        self,
        vectors: Float[Tensor, "vectors width"],
        num_clusters: int,
        *,
        seed: int,
        rounds: int | None = None,
    ) -> Int[Tensor, " vectors"]:
        """k-means by scikit-learn: Lloyd's rounds, from k-means++ starts unless told how many.

        Raises:
            ValueError: it would take more than ``MAX_PRODUCTS`` products a round.
        """
        _require_feasible(vectors, num_clusters)
        return _kmeans(vectors, num_clusters, seed, rounds)


@cache
def _cooccurrence(of: TrainingDerived, max_distance: int, inverse: bool, held_out: bool) -> Tensor:
    sequences = of.everything if held_out else of.sequences
    assert sequences is not None, "or it was refused"
    half = summed_pairs(sequences, of.num_items + 1, max_distance=max_distance, inverse=inverse)
    whole = half + half.T
    del half  # its memory is wanted
    whole.sort_indices()
    indices = np.empty((2, whole.nnz), dtype=np.int64)
    indices[0] = np.repeat(np.arange(whole.shape[0]), np.diff(whole.indptr))
    indices[1] = whole.indices
    return torch.sparse_coo_tensor(
        torch.from_numpy(indices),
        torch.from_numpy(whole.data.astype(np.float32)),
        whole.shape,
        is_coalesced=True,  # rows in order and columns in order within them
        check_invariants=True,
    )


def summed_pairs(
    sequences: Sequences, rows: int, *, max_distance: int, inverse: bool = True
) -> csr_array:
    """``sum 1 / distance`` over ordered pairs of different items, the older one as the row.

    Args:
        sequences: whose pairs are counted.
        rows: items and padding.
        max_distance: places further apart are no pair.
        inverse: whether a pair counts by its distance, or as one.
    """
    items, users = sequences.items, sequences.users
    total = csr_array((rows, rows), dtype=np.float64)
    held: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    longest = int(sequences.lengths.max(initial=0))
    for distance in range(1, min(max_distance, longest - 1) + 1):
        pairs = (users[distance:] == users[:-distance]) & (items[distance:] != items[:-distance])
        first, second = items[:-distance][pairs], items[distance:][pairs]
        held.append((first, second, np.full(len(first), 1 / distance if inverse else 1.0)))
        if sum(len(first) for first, _, _ in held) > MAX_PAIRS:
            total, held = total + _summed(held, rows), []
    return total + _summed(held, rows) if held else total


def _summed(held: list[tuple[np.ndarray, np.ndarray, np.ndarray]], rows: int) -> csr_array:
    first, second, weights = (np.concatenate(parts) for parts in zip(*held, strict=True))
    return csr_array(coo_array((weights, (first, second)), shape=(rows, rows)))


def _require_feasible(vectors: Float[Tensor, "items width"], num_clusters: int) -> None:
    most = MAX_PRODUCTS // max(1, vectors.numel())
    if num_clusters > most:
        items, width = vectors.shape
        raise ValueError(
            f"k-means of {items:,} items of width {width} into {num_clusters:,} clusters would "
            f"take hours. Set `model.num_clusters` to {most:,} or less."
        )


def _kmeans(
    vectors: Float[Tensor, "vectors width"], num_clusters: int, seed: int, rounds: int | None
) -> Int[Tensor, " vectors"]:
    from sklearn.cluster import KMeans  # takes seconds to import
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    means = KMeans(
        num_clusters,
        init="k-means++" if rounds is None else "random",
        n_init=1,
        max_iter=rounds or MAX_ITERATIONS,
        random_state=seed % 2**32,
        copy_x=True,
    )
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # One thread, since sums in another order are other clusters. Of fewer distinct vectors
        # than clusters it warns; they are clusters of one each.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = means.fit_predict(vectors.detach().float().cpu().numpy())
    return torch.from_numpy(found.astype(np.int64))
