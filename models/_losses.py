"""Losses that more than one model uses; exact, with memory bounded by chunks of targets."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

MAX_LOGITS = 2**25
"""Logits held at once: 128 MiB in fp32, some three times that in the backward pass."""

_Part = Callable[[Tensor, Tensor, Tensor], Tensor]


def full_softmax(
    states: Float[Tensor, "targets dim"],
    items: Float[Tensor, "rows dim"],
    targets: Int[Tensor, " targets"],
    *,
    max_logits: int = MAX_LOGITS,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of each target against the whole catalogue.

    Args:
        states: one per target; its dot product with an item's row is that item's logit.
        items: the catalogue's rows; row 0 is padding and is no candidate.
        targets: item ids, from 1.
        max_logits: above this many logits, chunks of targets are computed one after the other and
            recomputed in the backward pass: the same value and gradients in bounded memory.
    """
    return chunked_mean(_softmax_part, states, items, targets, max_logits)


def _softmax_part(states: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(states @ items[1:].T, targets - 1, reduction="sum")


def cosine_softmax(
    states: Float[Tensor, "targets dim"],
    items: Float[Tensor, "rows dim"],
    targets: Int[Tensor, " targets"],
    *,
    temperature: float,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of each target against the whole catalogue, by cosines over tau."""
    scaled = F.normalize(states, dim=-1) / temperature
    return full_softmax(scaled, F.normalize(items, dim=-1), targets)


def cosines(
    states: Float[Tensor, "batch dim"], items: Float[Tensor, "rows dim"]
) -> Float[Tensor, "batch items"]:
    """Cosine of each state with every item's row; row 0 is padding and has no column."""
    return F.normalize(states, dim=-1) @ F.normalize(items[1:], dim=-1).T


def in_batch_contrast(
    states: Float[Tensor, "targets dim"],
    items: Float[Tensor, "rows dim"],
    targets: Int[Tensor, " targets"],
    *,
    temperature: float,
    max_logits: int = MAX_LOGITS,
) -> Float[Tensor, ""]:
    """Mean InfoNCE of each state with its target's row against the batch's other targets.

    ``-log(exp(cos(r, e)/tau) / sum_j exp(cos(r, e_j)/tau))``, j over the batch's targets, where
    another target of the positive's own item is no negative. Equal targets are computed once and
    weighted by their count, which is the same sum over fewer columns.
    """
    present, index, counts = torch.unique(targets, return_inverse=True, return_counts=True)
    scaled = F.normalize(states, dim=-1) / temperature
    candidates = F.normalize(items[present], dim=-1)
    weights = counts.to(states.dtype).log()

    def part(states: Tensor, candidates: Tensor, index: Tensor) -> Tensor:
        own = F.one_hot(index, len(weights)) * weights
        logits = states @ candidates.T + weights - own
        return F.cross_entropy(logits, index, reduction="sum")

    return chunked_mean(part, scaled, candidates, index, max_logits)


def pair_contrast(
    first: Float[Tensor, "pairs dim"],
    second: Float[Tensor, "pairs dim"],
    *,
    temperature: float,
    max_logits: int = MAX_LOGITS,
) -> Float[Tensor, ""]:
    """Mean InfoNCE of each state with the other of its pair, against those of all other pairs.

    ``-log(exp(z_i . z_j / tau) / sum_k exp(z_i . z_k / tau))``, over both states ``i`` of each
    pair, ``j`` the other one, ``k`` all states but ``i``.
    """
    states = torch.cat([first, second])
    own = torch.arange(len(states), device=states.device)

    def part(scaled: Tensor, states: Tensor, own: Tensor) -> Tensor:
        logits = (scaled @ states.T).scatter(1, own[:, None], -torch.inf)  # not with itself
        return F.cross_entropy(logits, (own + len(first)) % len(states), reduction="sum")

    return chunked_mean(part, states / temperature, states, own, max_logits)


def matched_contrast(
    states: Float[Tensor, "targets dim"],
    others: Float[Tensor, "targets dim"],
    targets: Int[Tensor, " targets"],
    *,
    temperature: float,
    max_logits: int = MAX_LOGITS,
) -> Float[Tensor, ""]:
    """Mean InfoNCE of each state with the other one of its target, by cosines over tau.

    Those of all other targets of the batch are the negatives; another place with the same target
    item is none.
    """
    candidates = F.normalize(others, dim=-1)
    own = torch.arange(len(targets), device=targets.device)

    def part(scaled: Tensor, candidates: Tensor, own: Tensor) -> Tensor:
        logits = scaled @ candidates.T
        same = targets[own][:, None] == targets
        same = same.scatter(1, own[:, None], torch.zeros_like(same))
        return F.cross_entropy(logits.masked_fill(same, -torch.inf), own, reduction="sum")

    return chunked_mean(
        part, F.normalize(states, dim=-1) / temperature, candidates, own, max_logits
    )


def chunked_mean(
    part: _Part,
    states: Float[Tensor, "targets width"],
    rows: Float[Tensor, "rows ..."],
    targets: Int[Tensor, " targets"],
    max_logits: int = MAX_LOGITS,
) -> Tensor:
    """Mean over targets of a sum that splits over them, in bounded memory.

    Args:
        part: states, rows and targets -> sum over these targets, of any shape.
        states: one per target.
        rows: what every state is compared with; an entry counts as often as ``part`` uses it.
        targets: as ``part`` reads them.
        max_logits: above this many comparisons, chunks of targets are computed one after the other
            and recomputed in the backward pass: the same value and gradients.
    """
    step = max(1, max_logits // max(1, len(rows)))
    if len(targets) <= step:
        return part(states, rows, targets) / len(targets)
    chunks = zip(states.split(step), targets.split(step), strict=True)
    sums = [checkpoint(part, chunk, rows, wanted, use_reentrant=False) for chunk, wanted in chunks]
    return torch.stack(sums).sum(dim=0) / len(targets)
