"""A mixture of whitening experts, which takes pooled features to the width of a model.

Each expert shifts the features by a learned vector and maps them linearly; a gate, noisy in
training, weighs the experts for each item. The mixture is dense: every expert counts.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models._interface import Catalogue, at_least, positive, probability
from models.layers.dropout import Dropout
from models.layers.transformer import EncoderConfig

LEAST_NOISE = 0.01
"""Standard deviation of a gate's noise at least, in training."""


@dataclass(frozen=True, kw_only=True)
class MixtureConfig(EncoderConfig):
    """Settings of a model whose features pass a mixture of experts; UniSRec's by default."""

    dim: int = 300
    """Width d of item and user representations."""
    dropout: float = 0.5
    """On the encoder's input, on attention probabilities and on each block's outputs."""
    num_experts: int = 8
    """Experts of the mixture; 1 has no gate."""
    expert: Literal["whitening", "linear"] = "whitening"
    """A learned shift and a linear map, or a linear map with a bias behind it."""
    adaptor_dropout: float = 0.2
    """On the features that enter the experts."""
    gate_noise: bool = True
    """Whether gates are noisy in training."""
    temperature: float = 0.07
    """Of the softmax over cosines."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        at_least("num_experts", self.num_experts, 1)
        probability("adaptor_dropout", self.adaptor_dropout)
        positive("temperature", self.temperature)

    def canonical(self) -> "MixtureConfig":
        """A single expert has no gate whose noise could count."""
        return self if self.num_experts > 1 else replace(self, gate_noise=True)


class Mixed(NamedTuple):
    """What the experts make of every item, before their shifts."""

    values: Float[Tensor, "rows dim"]
    gates: Float[Tensor, "rows experts"]


class ExpertMixture(nn.Module):
    """``sum_g gate_g(x) W_g (Drop(x) - b_g)`` over the experts ``g``, for every item.

    The gates are ``softmax(x U + eps * (softplus(x V) + 0.01))``, eps normal in training and 0
    else. A linear expert adds its ``b_g`` behind the map.

    Args:
        features: of the items.
        config: sizes and form.
        num_places: how many shifts each expert has, for those that depend on the place.
    """

    features: Tensor

    def __init__(
        self,
        features: Float[Tensor, "rows width"],
        config: MixtureConfig,
        *,
        num_places: int = 1,
    ) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("features", features, persistent=False)
        width, num = features.shape[1], config.num_experts
        self.maps = nn.Parameter(torch.empty(num, width, config.dim))
        shifted = width if config.expert == "whitening" else config.dim
        self.shifts = nn.Parameter(torch.zeros(num_places, num, shifted))
        self.dropout = Dropout(config.adaptor_dropout)
        if num > 1:
            self.gate = nn.Parameter(torch.zeros(width, num))
            self.noise = nn.Parameter(torch.zeros(width, num)) if config.gate_noise else None
        nn.init.normal_(self.maps, std=0.02)

    def forward(self) -> Mixed:
        """Mixed maps of all items' features and the gates; noise and dropout are drawn anew."""
        return self._mixed(self._mapped())

    def moved(self) -> Float[Tensor, "places experts dim"]:
        """What each expert's shift at each place adds to what it makes of the features."""
        if self.config.expert == "linear":
            return self.shifts
        return -torch.einsum("pgw,gwd->pgd", self.shifts, self.maps).float()

    def tables(self, num: int) -> list[Float[Tensor, "rows dim"]]:
        """What the mixture of one place makes of every item, some times with noise of its own."""
        mapped, moved = self._mapped(), self.moved()[0]
        drawn = (self._mixed(mapped) for _ in range(num))
        return [mixed.values + mixed.gates @ moved for mixed in drawn]

    def _mapped(self) -> Float[Tensor, "rows experts dim"]:
        num, width, dim = self.maps.shape
        x = self.dropout(self.features.float())
        return (x @ self.maps.transpose(0, 1).reshape(width, num * dim)).unflatten(1, (num, dim))

    def _mixed(self, mapped: Float[Tensor, "rows experts dim"]) -> Mixed:
        gates = self._gates(self.features.float())
        return Mixed(torch.einsum("rg,rgd->rd", gates, mapped).float(), gates)

    def _gates(self, x: Float[Tensor, "rows width"]) -> Float[Tensor, "rows experts"]:
        if self.config.num_experts == 1:
            return x.new_ones(len(x), 1)
        logits = (x @ self.gate).float()
        if self.noise is not None:
            drawn = torch.randn_like(logits) if self.training else torch.zeros_like(logits)
            logits = logits + drawn * (F.softplus((x @ self.noise).float()) + LEAST_NOISE)
        return logits.softmax(dim=1)


def mixture_of(
    catalogue: Catalogue, name: str, config: MixtureConfig, *, num_places: int = 1
) -> ExpertMixture:
    """The mixture over a modality's pooled features.

    Raises:
        MissingInputError: the data set lacks them.
    """
    return ExpertMixture(catalogue.pooled(name), config, num_places=num_places)
