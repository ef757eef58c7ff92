"""Tokens of a few items at a time, padded to the longest of them."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models._interface import Catalogue, TokenFeatures
from models.layers.features import has_modality


class Padded(NamedTuple):
    """Tokens of some items side by side, first token first."""

    values: Float[Tensor, "items tokens width"]
    is_token: Bool[Tensor, "items tokens"]


class PaddedTokens(nn.Module):
    """A modality's tokens, or its pooled vectors as one token per item; stored as they are."""

    values: Tensor
    lengths: Tensor
    starts: Tensor

    def __init__(self, catalogue: Catalogue, name: str, form: str) -> None:
        super().__init__()
        tokens = catalogue.modality(name).tokens
        if form == "pooled":
            pooled = catalogue.pooled(name)
            tokens = TokenFeatures(pooled, torch.ones(len(pooled), dtype=torch.long))
        assert tokens is not None, "the form was settled"
        lengths = tokens.lengths.long()
        starts = lengths.cumsum(0) - lengths
        self.register_buffer("values", tokens.values, persistent=False)
        self.register_buffer("starts", starts, persistent=False)
        shown = lengths * has_modality(catalogue, name)
        self.register_buffer("lengths", shown, persistent=False)

    @property
    def width(self) -> int:
        """Features per token."""
        return int(self.values.shape[1])

    def forward(self, rows: Int[Tensor, " items"]) -> Padded:
        """Tokens of some items; at least one place each, which may be padding."""
        lengths = self.lengths[rows]
        place = torch.arange(max(1, int(lengths.max())), device=rows.device)
        is_token = place < lengths[:, None]
        index = torch.where(is_token, self.starts[rows][:, None] + place, 0)
        return Padded(self.values[index].float() * is_token[:, :, None], is_token)
