"""Dropout that is quick on a CPU, too, and attention with it.

On a CPU torch draws a number per element to decide what is dropped, one after the other where the
processor is not Intel's: as long as everything else in a model of perceptrons. A quarter of a
64-bit number decides as well, and alike on every processor. On a GPU it is torch's own.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

BITS = 16
"""Random bits that decide about one element."""
LEVELS = 2**BITS


class Dropout(nn.Module):
    """In training, :func:`drop`; else nothing.

    Args:
        share: of the elements that become 0, in [0, 1).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Some elements 0, the others scaled so that the mean is kept."""
        return drop(x, self.share) if self.training else x

    def extra_repr(self) -> str:
        """The share."""
        return f"share={self.share}"


def drop(x: Float[Tensor, "*shape"], share: float) -> Float[Tensor, "*shape"]:
    """Each element 0 with a probability, else scaled by one over the probability to be kept.

    Args:
        x: of any shape.
        share: probability to become 0, in [0, 1); on a CPU to the nearest 1/65,536.
    """
    if not share:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, share)
    kept = min(max(round(LEVELS * (1 - share)), 1), LEVELS - 1)
    # The factor is that of the rounded probability, so that the mean is kept exactly.
    return (x * (_random_levels(x.shape) < kept - LEVELS // 2)).mul_(LEVELS / kept)


def _random_levels(shape: torch.Size) -> Tensor:
    """Numbers that take each of the ``LEVELS`` values of 16 signed bits with equal probability."""
    num = math.prod(shape)
    words = torch.empty(-(-num * BITS // 64), dtype=torch.int64)
    words.random_(torch.iinfo(torch.int64).min, None)  # all 64 bits
    return words.view(torch.int16)[:num].view(shape)


def attend(
    query: Float[Tensor, "batch heads length width"],
    key: Float[Tensor, "batch heads length width"],
    value: Float[Tensor, "batch heads length width"],
    *,
    allowed: Bool[Tensor, "batch 1 length length"] | None,
    dropout: float,
) -> Float[Tensor, "batch heads length width"]:
    """Scaled dot-product attention.

    Args:
        query: of each position.
        key: of each position.
        value: of each position.
        allowed: which keys a query may read, one at least; None allows all.
        dropout: share of the attention weights that become 0.
    """
    if not dropout or query.device.type != "cpu":
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=allowed, dropout_p=dropout
        )
    logits = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if allowed is not None:
        logits = logits.masked_fill(~allowed, -torch.inf)
    return drop(logits.softmax(dim=-1), dropout) @ value
