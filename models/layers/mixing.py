"""Mixing by multilayer perceptrons, over the places of a history and over channels.

Places are counted from the newest item, so that the weights of a place mean the same whatever the
history's length. Padding holds zeros, which a linear map does not see: of a batch no wider than its
longest history the weights of the places beyond are left out, with equal results.
"""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models.layers.dropout import Dropout


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
        self.dropout = Dropout(dropout)
        self.channel_norm = nn.LayerNorm(dim)
        self.channels = nn.Sequential(
            nn.Linear(dim, expansion * dim),
            nn.GELU(),
            Dropout(dropout),
            nn.Linear(expansion * dim, dim),
            Dropout(dropout),
        )

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        is_item: Bool[Tensor, "batch length"],
        *,
        newest: bool = False,
    ) -> Float[Tensor, "batch places dim"]:
        """Every place, or the newest alone, reads all items; what stands at padding is not read."""
        width = x.shape[1]
        wanted = 1 if newest else width
        seen = (self.place_norm(x) * is_item[:, :, None]).transpose(1, 2)
        inner = F.linear(seen, self.places_in.weight[:, -width:], self.places_in.bias)
        inner = self.dropout(F.gelu(inner))
        mixed = F.linear(inner, self.places_out.weight[-wanted:])
        x = x[:, -wanted:] + self.dropout(mixed).transpose(1, 2)
        return x + self.channels(self.channel_norm(x))
