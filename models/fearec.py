"""FEARec: attention in bands of frequencies and by auto-correlation, with a contrast of twins.

Paper: Xinyu Du et al., "Frequency Enhanced Hybrid Attention Network for Sequential Recommendation",
SIGIR 2023, https://arxiv.org/abs/2304.09184. Original code: https://github.com/sudaada/FEARec.
Idea: self-attention smooths, so that what recurs fast is lost. Here each layer keeps a band of a
history's frequencies, high ones first and low ones last; within it self-attention reads items, and
auto-correlation finds the lags at which the history resembles itself and reads values from there.
Another history that the same item follows must end near the own one, in time and in frequency.
Differs from the paper: a history lies on a circle of its own items, where the paper transforms it
with the padding behind it (`circle = "limit"`, with padding held at zero); for histories as long as
the limit both are the same. Lags are each history's own in training as in evaluation, where the
original shares them over a batch in training. As many lags are read as for a history of the limit,
if there are so many places. Dropout is one figure. Every part of the paper is on by default, the
regularisation of frequencies too, which the original's script leaves out.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from models._interface import (
    Batch,
    Catalogue,
    History,
    Items,
    Loss,
    Prefixes,
    Recommender,
    at_least,
    positive,
)
from models._losses import full_softmax, pair_contrast
from models._registry import register
from models.layers.frequency import HybridAttention, band_kernels, circles
from models.layers.transformer import (
    EncoderConfig,
    PositionEmbedding,
    SequenceEncoder,
    init_normal,
    item_table,
    zero_padding,
)


@dataclass(frozen=True, kw_only=True)
class FEARecConfig(EncoderConfig):
    """Settings of FEARec."""

    dropout: float = 0.5
    """On embeddings, attention probabilities and each block's outputs."""
    band_share: float = 0.6
    """Share of the frequencies that each layer keeps (alpha), in (0, 1]; 1 keeps all, and less than
    one over the number of layers counts as that."""
    time_share: float = 0.1
    """Weight of self-attention against auto-correlation (gamma), in [0, 1]."""
    lag_factor: float = 1.0
    """Lags that auto-correlation reads, over the logarithm of the history limit."""
    contrast_weight: float = 0.1
    """Weight of the contrast of twins (lambda 1)."""
    frequency_weight: float = 0.1
    """Weight of the distance between the spectra of twins (lambda 2)."""
    temperature: float = 1.0
    """Of the contrast."""
    circle: Literal["history", "limit"] = "history"
    """Places on a history's circle: its items, or as many as the history limit."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        for key in ("band_share", "lag_factor", "temperature"):
            positive(key, getattr(self, key))
        for key in ("time_share", "contrast_weight", "frequency_weight"):
            at_least(key, getattr(self, key), 0)
        for key in ("band_share", "time_share"):
            if getattr(self, key) > 1:
                raise ValueError(f"`{key}` cannot be {getattr(self, key)}: it is at most 1.")

    @property
    def has_twins(self) -> bool:
        """Whether anything in the loss compares twins."""
        return self.contrast_weight > 0 or self.frequency_weight > 0

    def num_lags(self) -> int:
        """Lags that auto-correlation reads at most."""
        return max(1, math.floor(self.lag_factor * math.log(self.max_length)))

    def canonical(self) -> "FEARecConfig":
        """With what a weight of 0 or 1 switches off at its default."""
        same = replace(self, band_share=max(self.band_share, 1 / self.num_layers))
        if not self.contrast_weight:
            same = replace(same, temperature=1.0)
        if self.time_share == 1:
            same = replace(same, lag_factor=1.0)
        if self.time_share == 0:
            same = replace(same, num_heads=1)
        return same


@register("fearec")
class FEARec(Recommender):
    """Hybrid attention in time and frequency over item ids (:mod:`models.fearec`)."""

    config_type = FEARecConfig
    causal = False
    config: FEARecConfig

    def __init__(self, config: FEARecConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.item_ids = item_table(catalogue.num_items, config.dim)
        self.positions = PositionEmbedding(config.max_length, config.dim)
        self.encoder = SequenceEncoder(config.encoder_shape(), self._attention)
        self.apply(init_normal)
        self.apply(zero_padding)

    def _attention(self, layer: int) -> HybridAttention:
        of = self.config
        kernels = band_kernels(
            of.max_length, share=of.band_share, layer=layer, num_layers=of.num_layers
        )
        return HybridAttention(
            of.dim,
            of.num_heads,
            of.dropout,
            kernels=kernels,
            num_lags=of.num_lags(),
            time_share=of.time_share,
        )

    def samples(self) -> Prefixes:
        """Prefixes, since later items reach earlier states; with twins where they are compared."""
        return Prefixes(twins=self.config.has_twins)

    def encode(
        self, history: History, *, newest: bool = False
    ) -> Float[Tensor, "batch places dim"]:
        """States of every place, or of the newest alone; those at padding mean nothing."""
        is_item = history.is_item
        size = self.config.max_length if self.config.circle == "limit" else None
        x = self.item_ids(history.items) + self.positions(is_item)
        return self.encoder(x, is_item, circles(is_item, size=size), newest=newest)

    def _newest(self, history: History) -> Float[Tensor, "batch dim"]:
        return self.encode(history, newest=True)[:, -1]

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item, the contrast of twins and the distance of spectra."""
        states = batch.newest(self._newest)
        entropy = full_softmax(states, self.item_ids.weight, batch.targets())
        parts = {"cross_entropy": entropy}
        if self.config.has_twins:
            assert batch.twins is not None, "samples() asked for twins"
            again, twins = batch.newest(self._newest), batch.twins.newest(self._newest)
            parts |= self._alignment(again, twins)
        total = torch.stack(list(parts.values())).sum()
        return Loss(total, {name: part.detach() for name, part in parts.items()})

    def _alignment(
        self, again: Float[Tensor, "targets dim"], twins: Float[Tensor, "targets dim"]
    ) -> dict[str, Tensor]:
        """Weighted losses that bring states of the same target together."""
        of, parts = self.config, {}
        if of.contrast_weight:
            contrast = pair_contrast(again, twins, temperature=of.temperature)
            parts["contrast"] = of.contrast_weight * contrast
        if of.frequency_weight:
            apart = torch.fft.rfft((again - twins).float(), dim=1, norm="ortho").abs()
            parts["frequency"] = of.frequency_weight * apart.mean()
        return parts

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Dot product of the last state with every item's embedding."""
        return self._newest(history) @ self.item_ids.weight[1:].T
