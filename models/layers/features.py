"""Item features on their way into a model."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models._interface import Catalogue


def has_modality(catalogue: Catalogue, name: str) -> Bool[Tensor, " rows"]:
    """The items that have a modality; padding is none."""
    missing = catalogue.modality(name).missing
    present = torch.arange(catalogue.num_items + 1) > 0
    return present if missing is None else present & ~missing


class PooledFeatures(nn.Module):
    """One modality's pooled vectors, taken to a model's width by a linear map.

    Padding and items without the modality have zeros.
    """

    def __init__(self, catalogue: Catalogue, name: str, dim: int) -> None:
        super().__init__()
        pooled = catalogue.pooled(name)
        self.register_buffer("pooled", pooled, persistent=False)
        self.register_buffer("is_present", has_modality(catalogue, name), persistent=False)
        self.map = nn.Linear(pooled.shape[1], dim)

    pooled: Tensor
    is_present: Tensor

    def forward(self) -> Float[Tensor, "rows dim"]:
        """Of every item."""
        return self.map(self.pooled.float()) * self.is_present[:, None]
