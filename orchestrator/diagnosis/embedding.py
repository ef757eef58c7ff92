"""How far clusters of items lie apart: a picture by t-SNE, and a number, which a picture is not.

Items are compared by the cosine, as retrieval does up to their length.
"""

import math

import numpy as np
from jaxtyping import Float32, Float64, Int64

PERPLEXITY = 30.0
"""Neighbours that t-SNE keeps near, about; fewer where there are fewer than 91 items."""
MAX_ITEMS = 4000
"""More items are drawn from: time and memory grow with their square."""


def drawn_items(num_items: int, *, seed: int = 0) -> Int64[np.ndarray, " drawn"]:
    """Items to look at, ascending: all of them, or :data:`MAX_ITEMS` at random."""
    if num_items <= MAX_ITEMS:
        return np.arange(num_items, dtype=np.int64)
    drawn = np.random.default_rng(seed).choice(num_items, MAX_ITEMS, replace=False)
    return np.sort(drawn).astype(np.int64)


def plane(
    vectors: Float32[np.ndarray, "items width"], *, seed: int = 0
) -> Float64[np.ndarray, "items 2"]:
    """Places of items in the plane by t-SNE, starting from the first principal components.

    Args:
        vectors: of four items or more.
        seed: decides the approximations; equal inputs give equal places.
    """
    from sklearn.manifold import TSNE  # takes seconds to import
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    with threadpool_limits(limits=1):  # sums in another order are other places
        places = TSNE(
            perplexity=perplexity, metric="cosine", init="pca", random_state=seed
        ).fit_transform(vectors)
    return places.astype(np.float64)


def silhouette(
    vectors: Float32[np.ndarray, "items width"], clusters: Int64[np.ndarray, " items"]
) -> float:
    """Mean silhouette of items, in [-1, 1]: 1 is far apart, below 0 is nearer to another cluster.

    ``(b - a) / max(a, b)``, where ``a`` is an item's mean cosine distance to its own cluster and
    ``b`` that to the nearest other one; 0 for an item alone in its cluster. NaN where there is one
    cluster only, or as many as items.
    """
    from sklearn.metrics import silhouette_score

    if not 1 < len(np.unique(clusters)) < len(clusters):
        return math.nan
    return float(silhouette_score(vectors, clusters, metric="cosine"))


def largest_clusters(
    clusters: Int64[np.ndarray, " items"], num_clusters: int
) -> Int64[np.ndarray, " clusters"]:
    """The clusters with the most items, the largest first; equal ones by number."""
    sizes = np.bincount(clusters)
    order = np.argsort(-sizes, kind="stable")
    return order[: min(num_clusters, int((sizes > 0).sum()))].astype(np.int64)
