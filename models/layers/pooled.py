"""Pooled features of a modality, as models hold them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models._interface import Catalogue


def pooled_features(catalogue: Catalogue, name: str, *, model: str) -> Float[Tensor, "rows width"]:
    """One vector per item of a modality.

    Args:
        catalogue: all items.
        name: of the modality.
        model: what the model is called, for messages.

    Raises:
        ValueError: the data set lacks the modality, or has tokens of it alone.
    """
    pooled = catalogue.modality(name).pooled
    if pooled is None:
        raise ValueError(f"the data set has `{name}` tokens alone; {model} needs pooled vectors.")
    return pooled


class PooledMap(nn.Module):
    """A linear map of a modality's pooled features; zeros where an item lacks it."""

    features: Tensor
    present: Tensor

    def __init__(self, catalogue: Catalogue, name: str, dim: int, *, model: str) -> None:
        super().__init__()
        features = pooled_features(catalogue, name, model=model)
        missing = catalogue.modality(name).missing
        present = torch.ones(len(features), dtype=torch.bool) if missing is None else ~missing
        present[0] = False
        self.register_buffer("features", features, persistent=False)
        self.register_buffer("present", present, persistent=False)
        self.linear = nn.Linear(features.shape[1], dim)

    def forward(self) -> Float[Tensor, "rows dim"]:
        """All items' features, mapped."""
        return self.linear(self.features.float()) * self.present[:, None]
