"""What texts and pictures have in common on their way to features."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor


@dataclass(frozen=True)
class States:
    """What the encoder makes of some items, in single precision on the CPU."""

    tokens: Float[Tensor, "packed width"]
    """The items' tokens one after another, without padding."""
    pooled: Float[Tensor, "batch width"]
    layers: Float[Tensor, "batch layers width"] | None = None
    """None unless asked for."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What there is to encode, known before it begins."""

    order: Int32[np.ndarray, " present"]
    """The items that have the modality, in the order they are encoded in."""
    lengths: Int32[np.ndarray, " rows"]
    """Tokens that each item will have; 0 for padding and where there is nothing to encode."""
    width: int
    num_layers: int
    """Vectors per item of the form ``layers``: one for the embedding, one for each layer."""
    num_cut: int = 0
    """Texts that are longer than the limit."""


class Tower(ABC):
    """An encoder with the inputs of one data set."""

    plan: Plan

    @abstractmethod
    def encode(self, items: Sequence[int]) -> States:
        """States of some items, encoded together.

        Raises:
            DataError: a file of theirs cannot be read.
        """

    @abstractmethod
    def words(self) -> list[str]:
        """What each token stands for: those of all items one after another, in their order."""

    @abstractmethod
    def preprocessing(self) -> Mapping[str, Any]:
        """From text or picture to what the model reads, for the manifest; plain JSON."""


def class_states(
    hidden: Sequence[Float[Tensor, "batch tokens width"]], at: Tensor
) -> Float[Tensor, "batch layers width"]:
    """The states of one token per item, after the embedding and after each layer."""
    rows = torch.arange(len(at), device=at.device)
    return torch.stack([states[rows, at] for states in hidden], dim=1)
