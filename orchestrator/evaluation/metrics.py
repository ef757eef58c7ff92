"""Ranks -> Recall@K, Hit@K, NDCG@K, MRR@K for one target per user.

With one target, Recall@K and Hit@K are the same number; both names are given because papers differ
in theirs. With mean ties a rank may end in one half and is used as it stands: rank 10.5 is outside
the first 10, and rank 1.5 gains ``1 / log2(2.5)``. So the target of an n-way tie for first place
earns nothing at cutoffs below ``(n + 1) / 2``; at larger ones, mean ties can earn constant scores
more than chance. Only worst ties never do, hence the default.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from orchestrator.errors import ConfigError, unknown


def hit(ranks: Float[Tensor, " users"], cutoff: int) -> Float[Tensor, " users"]:
    """Hit@K: 1 where the rank is at most K, else 0.

    >>> hit(torch.tensor([1.0, 3.0, 4.0]), 3).tolist()
    [1.0, 1.0, 0.0]
    """
    return (ranks <= cutoff).double()


def recall(ranks: Float[Tensor, " users"], cutoff: int) -> Float[Tensor, " users"]:
    """Recall@K: the share of the user's targets among the first K; one target makes it Hit@K.

    >>> recall(torch.tensor([1.0, 3.0, 4.0]), 3).tolist()
    [1.0, 1.0, 0.0]
    """
    return hit(ranks, cutoff)


def ndcg(ranks: Float[Tensor, " users"], cutoff: int) -> Float[Tensor, " users"]:
    """NDCG@K: ``1 / log2(rank + 1)`` where the rank is at most K, else 0.

    The ideal ranking puts the one target first and gains 1, so no further division is needed.

    >>> ndcg(torch.tensor([1.0, 3.0, 4.0]), 3).tolist()
    [1.0, 0.5, 0.0]
    """
    return hit(ranks, cutoff) / torch.log2(ranks.double() + 1)


def mrr(ranks: Float[Tensor, " users"], cutoff: int) -> Float[Tensor, " users"]:
    """MRR@K: ``1 / rank`` where the rank is at most K, else 0.

    >>> mrr(torch.tensor([1.0, 2.0, 4.0]), 3).tolist()
    [1.0, 0.5, 0.0]
    """
    return hit(ranks, cutoff) / ranks.double()


METRICS: Mapping[str, Callable[[Tensor, int], Tensor]] = MappingProxyType(
    {"recall": recall, "hit": hit, "ndcg": ndcg, "mrr": mrr}
)
"""Name -> gain of each user's rank at a cutoff; a metric is its mean over users."""


def metrics(ranks: Float[Tensor, " users"], cutoffs: Iterable[int]) -> dict[str, float]:
    """Means over users, named like ``ndcg@10``.

    Two users with ranks 1 and 3: Recall@2 is (1 + 0) / 2, NDCG@3 is (1 + 1 / 2) / 2.

    >>> measured = metrics(torch.tensor([1.0, 3.0]), (2, 3))
    >>> measured["recall@2"], measured["ndcg@3"]
    (0.5, 0.75)

    Raises:
        ValueError: there are no users; a mean over none is undefined.
    """
    if not ranks.numel():
        raise ValueError("metrics cannot be taken over no users: there is no mean of nothing.")
    return {
        f"{name}@{cutoff}": gain(ranks, cutoff).mean().item()
        for cutoff in cutoffs
        for name, gain in METRICS.items()
    }


def gains(ranks: Float[Tensor, " users"], metric: str) -> Float[Tensor, " users"]:
    """What each user adds to a metric named like ``ndcg@10``; the metric is the mean of these.

    >>> gains(torch.tensor([1.0, 3.0, 4.0]), "mrr@3").tolist()
    [1.0, 0.3333333333333333, 0.0]

    Raises:
        ConfigError: there is no such metric.
    """
    name, _, cutoff = metric.partition("@")
    if name not in METRICS or not cutoff.isdecimal() or not int(cutoff):
        raise ConfigError(unknown("metric", metric, [f"{known}@10" for known in METRICS]))
    return METRICS[name](ranks, int(cutoff))
