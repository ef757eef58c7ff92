"""Mixing by multilayer perceptrons, over the places of a history and over channels.

Places are counted from the newest item, so that the weights of a place mean the same whatever the
history's length. Padding holds zeros, which a linear map does not see: of a batch no wider than its
longest history the weights of the places beyond are left out, with equal results.
"""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class MixerBlock(nn.Module):
    """Over places, then over channels: each LayerNorm, linear, GELU, linear, with a residual.

    Args:
        length: places at most.
        dim: channels.
        dropout: inside and behind both.
        expansion: inner width over the outer one, of both.
    """

    def __init__(self, length: int, dim: int, dropout: float, *, expansion: int = 4) -> None:
        super().__init__()
        self.place_norm = nn.LayerNorm(dim)
        self.places_in = nn.Linear(length, expansion * length)
        # A bias would shift a place's channels alike, which the LayerNorms that follow take away.
        self.places_out = nn.Linear(expansion * length, length, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.channel_norm = nn.LayerNorm(dim)
        self.channels = nn.Sequential(
            nn.Linear(dim, expansion * dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(expansion * dim, dim),
            nn.Dropout(dropout),
        )

    def forward(
        self, x: Float[Tensor, "batch length dim"], is_item: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length dim"]:
        """Every place reads all items; what stands at padding is not read."""
        width = x.shape[1]
        seen = (self.place_norm(x) * is_item[:, :, None]).transpose(1, 2)
        inner = F.linear(seen, self.places_in.weight[:, -width:], self.places_in.bias)
        inner = self.dropout(F.gelu(inner))
        mixed = F.linear(inner, self.places_out.weight[-width:])
        x = x + self.dropout(mixed).transpose(1, 2)
        return x + self.channels(self.channel_norm(x))
