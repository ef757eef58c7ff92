"""Scores -> rank of the target among all items; 1 is best.

Every item is ranked but padding, which has no score column: column ``j`` is item ``j + 1``. A
target that shares its score with others never takes the best rank of the tie, so a model cannot
gain by giving equal scores.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from orchestrator.errors import TrialError

Ties = Literal["worst", "mean"]


def ranks(
    scores: Float[Tensor, "batch items"],
    targets: Int[Tensor, " batch"],
    *,
    ties: Ties = "worst",
    seen: Int[Tensor, "batch length"] | None = None,
) -> Float[Tensor, " batch"]:
    """Rank of each row's target, from comparisons alone: nothing is sorted or copied.

    With ``a`` items above the target and ``t`` others of equal score, the rank is ``1 + a + t``
    (worst) or ``1 + a + t / 2`` (mean; a multiple of one half).

    >>> scores = torch.tensor([[0.5, 0.9, 0.5, 0.1]])
    >>> [ranks(scores, torch.tensor([3]), ties=ties).item() for ties in ("worst", "mean")]
    [3.0, 2.5]

    Args:
        scores: of every item; column ``j`` is item ``j + 1``.
        targets: item ids from 1.
        ties: which rank of its tie a target takes.
        seen: items left out of the ranking, by id, 0 where there is none; an item may repeat.
            The target stays in the ranking even where it is among them.

    Raises:
        TrialError: a score is NaN or infinite; it has no place in a ranking.
        ValueError: a target is padding or not an item.
    """
    if not targets.numel():
        return scores.new_zeros(0, dtype=torch.float32)
    _refuse_non_finite(scores)
    _refuse_unknown(targets, num_items=scores.shape[1])
    own = scores.gather(1, targets.unsqueeze(1).long() - 1)
    place = _pushed_back(scores, own, ties) + (0.0 if ties == "worst" else 0.5)  # own tie with self
    if seen is None:
        return place
    others = _distinct_others(seen, targets)
    excluded = scores.gather(1, (others - 1).clamp(min=0)).masked_fill(others == 0, -torch.inf)
    return place - _pushed_back(excluded, own, ties)


def _pushed_back(
    scores: Float[Tensor, "batch others"], own: Float[Tensor, "batch 1"], ties: Ties
) -> Float[Tensor, " batch"]:
    """How far the scores push the target back: 1 each above it; a tie 1 (worst) or 1/2 (mean)."""
    not_below = (scores >= own).sum(1, dtype=torch.int32).float()
    if ties == "worst":
        return not_below
    return (not_below + (scores > own).sum(1, dtype=torch.int32)) / 2


def _distinct_others(
    seen: Int[Tensor, "batch length"], targets: Int[Tensor, " batch"]
) -> Int[Tensor, "batch length"]:
    """Each row's seen items once, the target not among them; 0 elsewhere."""
    items = seen.long().sort(dim=1).values
    repeats = torch.zeros_like(items, dtype=torch.bool)
    repeats[:, 1:] = items[:, 1:] == items[:, :-1]
    return items.masked_fill(repeats | (items == targets.unsqueeze(1)), 0)


def _refuse_non_finite(scores: Float[Tensor, "batch items"]) -> None:
    low, high = torch.aminmax(scores)  # both are NaN if any score is
    if not (torch.isfinite(low) and torch.isfinite(high)):
        raise TrialError(
            "scores cannot be NaN or infinite: such a ranking means nothing. "
            "Lower the learning rate or clip gradients (`train.clip_norm`)."
        )


def _refuse_unknown(targets: Int[Tensor, " batch"], *, num_items: int) -> None:
    low, high = int(targets.min()), int(targets.max())
    if low < 1 or high > num_items:
        wrong = low if low < 1 else high
        raise ValueError(f"a target cannot be {wrong}: items run from 1 to {num_items}.")
