"""Attention by auto-correlation and within a band of frequencies, over histories laid on circles.

On a circle of ``m`` places, behind the newest item comes the oldest. A band of its frequencies is
kept by a circulant matrix, and the correlation of queries and keys at every lag is a sum over the
diagonals of one product. Histories are short, so that these few products cost less than Fourier
transforms, and histories of unequal length share a batch, each on a circle of its own.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models.layers.dropout import attend

TIE = 1e-5
"""Of the largest correlation, per place: lags whose correlations differ by less count as equal, and
the shorter one is taken. A band of one frequency has such; rounding is not to choose."""


@dataclass(frozen=True)
class Circles:
    """Histories on circles; places at padding are on none and hold zeros."""

    is_item: Bool[Tensor, "batch length"]
    sizes: Int[Tensor, " batch"]
    """Places on each history's circle."""
    lags: Int[Tensor, "batch length length"]
    """Places on the circle from the column's item on to the row's."""


def circles(is_item: Bool[Tensor, "batch length"], *, size: int | None) -> Circles:
    """Each history on a circle of ``size`` places, or of as many as it has items."""
    if size is None:
        sizes = is_item.sum(dim=1).clamp(min=1)
    else:
        sizes = torch.full_like(is_item[:, 0], size, dtype=torch.long)
    return Circles(is_item, sizes, _lags(sizes, is_item.shape[1]))


def _lags(sizes: Int[Tensor, " batch"], width: int) -> Int[Tensor, "batch width width"]:
    place = torch.arange(width, device=sizes.device)
    return (place[:, None] - place) % sizes[:, None, None]


def band(size: int, *, share: float, layer: int, num_layers: int) -> tuple[int, int]:
    """Frequencies of a circle that a layer keeps: the first one, and the first one beyond.

    Of all ``size // 2 + 1`` a window of the share slides from the highest, in the first layer, to
    the lowest, in the last. Where the share is no more than one over the number of layers, they
    divide all frequencies among them; so a single layer keeps all. There is one at least.

    >>> [band(50, share=0.6, layer=layer, num_layers=2) for layer in (0, 1)]
    [(10, 26), (0, 16)]
    """
    num = size // 2 + 1
    if share * num_layers <= 1:
        low, high = num * (num_layers - layer - 1) / num_layers, num - num * layer / num_layers
    else:
        step = math.floor(num * (1 - share) / max(1, num_layers - 1))
        low, high = num * (1 - share) - layer * step, num - layer * step
    first = math.floor(low + 1e-9)
    return first, max(first + 1, math.floor(high + 1e-9))


def band_kernels(
    max_size: int, *, share: float, layer: int, num_layers: int
) -> Float[Tensor, "sizes places"]:
    """For each size of a circle the column of the circulant matrix that keeps a layer's band."""
    kernels = torch.zeros(max_size + 1, max_size, dtype=torch.float64)
    for size in range(1, max_size + 1):
        first, beyond = band(size, share=share, layer=layer, num_layers=num_layers)
        kept = torch.zeros(size // 2 + 1, dtype=torch.complex128)
        kept[first:beyond] = 1
        kernels[size, :size] = torch.fft.irfft(kept, n=size)
    return kernels.float()


def circulant(
    columns: Float[Tensor, "batch places"], lags: Int[Tensor, "batch width width"]
) -> Float[Tensor, "batch width width"]:
    """Matrices with ``columns[lag]`` at every pair of places that are a lag apart."""
    return columns.gather(1, lags.flatten(1)).view(lags.shape)


class HybridAttention(nn.Module):
    """Values from a few lags at which the history resembles itself, and self-attention in a band.

    Args:
        dim: width.
        num_heads: of the self-attention; the lags are those of all heads together.
        dropout: on what self-attention reads.
        kernels: of this layer's band (:func:`band_kernels`).
        num_lags: how many lags are read at most.
        time_share: weight of the self-attention; 1 less it is that of the lags.
    """

    kernels: Tensor

    def __init__(
        self,
        dim: int,
        num_heads: int,
        dropout: float,
        *,
        kernels: Float[Tensor, "sizes places"],
        num_lags: int,
        time_share: float,
    ) -> None:
        super().__init__()
        self.num_heads, self.num_lags = num_heads, num_lags
        self.dropout, self.time_share = dropout, time_share
        self.into = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.register_buffer("kernels", kernels, persistent=False)

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        allowed: Bool[Tensor, "batch 1 length length"],
        on: Circles,
    ) -> Float[Tensor, "batch length dim"]:
        """What each position reads; queries and keys of both branches are those of the band."""
        inputs = self.into(x).float() * on.is_item[:, :, None]
        read = torch.zeros_like(x)
        if self.time_share < 1:
            query, key, value = inputs.chunk(3, dim=-1)
            lagged = self._weights(query, key, on).transpose(1, 2) @ value
            read = read + (1 - self.time_share) * lagged
        if self.time_share > 0:
            kept = circulant(self.kernels[on.sizes], on.lags) @ inputs
            read = read + self.time_share * self._attend(kept, allowed)
        return self.out(read)

    def _attend(
        self,
        inputs: Float[Tensor, "batch length width"],
        allowed: Bool[Tensor, "batch 1 length length"],
    ) -> Float[Tensor, "batch length dim"]:
        query, key, value = inputs.unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        read = attend(query, key, value, allowed=allowed, dropout=dropout)
        return read.transpose(1, 2).flatten(2)

    def _weights(
        self,
        query: Float[Tensor, "batch length dim"],
        key: Float[Tensor, "batch length dim"],
        on: Circles,
    ) -> Float[Tensor, "batch length length"]:
        """How much of the row's value goes to the column: the softmax weight of their lag."""
        correlation = self.correlation(query, key, on)
        place = torch.arange(correlation.shape[1], device=correlation.device)
        beyond = place >= on.sizes[:, None]
        correlation = correlation.masked_fill(beyond, -torch.inf)
        tie = TIE * correlation.detach().masked_fill(beyond, 0).abs().amax(dim=1, keepdim=True)
        num_lags = min(self.num_lags, correlation.shape[1])
        chosen = (correlation.detach() - tie * place).topk(num_lags, dim=1).indices
        shares = correlation.gather(1, chosen).softmax(dim=1)
        return circulant(torch.zeros_like(correlation).scatter(1, chosen, shares), on.lags)

    def correlation(
        self,
        query: Float[Tensor, "batch length dim"],
        key: Float[Tensor, "batch length dim"],
        on: Circles,
    ) -> Float[Tensor, "batch places"]:
        """Within the band, mean over channels of ``sum_s query[s + lag] * key[s]`` at every lag."""
        products = query @ key.transpose(1, 2) / query.shape[2]
        places = int(on.sizes.max())
        at_lags = products.new_zeros(len(products), places)
        at_lags = at_lags.scatter_add(1, on.lags.flatten(1), products.flatten(1))
        kept = circulant(self.kernels[on.sizes][:, :places], _lags(on.sizes, places))
        return (kept @ at_lags[:, :, None])[:, :, 0]
