"""Sparse graphs over items: weights divided by degrees, and values spread to neighbours."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

DRAWS = 20
"""Of a column without a value, before a row is taken to have none."""
Norm = Literal["symmetric", "rows_and_columns", "rows"]


def normalised(counts: Tensor, norm: Norm) -> Tensor:
    """A sparse matrix divided by its degrees; items without any have empty rows.

    Args:
        counts: coalesced, ``rows x rows``, symmetric.
        norm: ``D^-1/2 S D^-1/2``, ``D^-1 S D^-1`` or ``D^-1 S``.
    """
    degrees = torch.sparse.sum(counts, dim=1).to_dense()
    factors = degrees.clamp(min=torch.finfo(degrees.dtype).tiny)
    factors = factors.rsqrt() if norm == "symmetric" else factors.reciprocal()
    first, second = counts.indices()
    values = counts.values() * factors[first]
    return torch.sparse_coo_tensor(
        counts.indices(),
        values if norm == "rows" else values * factors[second],
        counts.shape,
        is_coalesced=True,
        check_invariants=False,
    )


def spread_over(near: Tensor, values: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
    """``S E`` in single precision: sparse products have no gradient in bfloat16."""
    with torch.autocast(values.device.type, enabled=False):
        return torch.sparse.mm(near, values.float())


def most_related(
    counts: Tensor, num: int
) -> tuple[Int[Tensor, "rows neighbours"], Float[Tensor, "rows neighbours"]]:
    """Each row's columns of largest value, largest first, and these values; 0 where there are none.

    Args:
        counts: coalesced, ``rows x rows``.
        num: columns of a row at most; of equal values the lower number is taken.
    """
    (first, second), values = counts.indices(), counts.values()
    order = values.sort(descending=True, stable=True).indices
    order = order[first[order].sort(stable=True).indices]
    first, second, values = first[order], second[order], values[order]
    starts = torch.bincount(first, minlength=len(counts)).cumsum(0).roll(1)
    starts[0] = 0
    place = torch.arange(len(first)) - starts[first]
    kept = place < num
    columns = torch.zeros(len(counts), num, dtype=torch.long)
    found = torch.zeros(len(counts), num)
    columns[first[kept], place[kept]] = second[kept]
    found[first[kept], place[kept]] = values[kept].float()
    return columns, found


def unrelated(counts: Tensor, num: int) -> Int[Tensor, "rows neighbours"]:
    """For each row some columns without a value, drawn at random; never 0 or the row itself.

    Those that were drawn in vain, of rows with values nearly everywhere, are 0 at the end.
    """
    rows = len(counts)
    taken = counts.indices()[0] * rows + counts.indices()[1]
    own = torch.arange(rows)[:, None]
    drawn = torch.zeros(rows, num, dtype=torch.long)
    for _ in range(DRAWS):
        new = torch.randint(1, max(2, rows), (rows, num))
        key = own * rows + new
        place = torch.searchsorted(taken, key).clamp(max=max(0, len(taken) - 1))
        is_taken = (taken[place] == key) if len(taken) else torch.zeros_like(key, dtype=torch.bool)
        drawn = torch.where((drawn == 0) & ~is_taken & (new != own), new, drawn)
    drawn[0] = 0
    return drawn.gather(1, (drawn == 0).long().sort(dim=1, stable=True).indices)
