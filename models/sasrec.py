"""SASRec: a causal Transformer over item ids.

Paper: Wang-Cheng Kang and Julian McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018,
https://arxiv.org/abs/1808.09781. Original code: https://github.com/kang205/SASRec.
Idea: a user's items, as embeddings plus position, pass through causal self-attention. The state at
the last item is compared with every item's embedding by dot product. The table of embeddings is
shared between input and output.
Differs from the paper: trained by exact cross-entropy over the whole catalogue where the paper
takes binary cross-entropy against one sampled negative per position (the stronger baseline, and
what the papers that cite SASRec run); blocks are post-norm with GELU and inner width 4d, where the
paper normalises the query alone and uses ReLU with inner width d; 2 heads where the paper takes 1.
Differs from the original code: embeddings are not scaled by the root of d; positions are counted
from the history's start, so that padding changes nothing.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from models._interface import (
    Batch,
    Catalogue,
    History,
    Items,
    Loss,
    Recommender,
)
from models._losses import full_softmax
from models._registry import register
from models.layers.transformer import (
    EncoderConfig,
    PositionEmbedding,
    SequenceEncoder,
    init_normal,
    item_table,
    zero_padding,
)


@dataclass(frozen=True, kw_only=True)
class SASRecConfig(EncoderConfig):
    """Settings of SASRec."""

    dropout: float = 0.5
    """On embeddings, attention probabilities and each block's outputs."""


@register("sasrec")
class SASRec(Recommender):
    """Causal self-attention over item ids (:mod:`models.sasrec`)."""

    config_type = SASRecConfig
    config: SASRecConfig

    def __init__(self, config: SASRecConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.item_ids = item_table(catalogue.num_items, config.dim)
        self.positions = PositionEmbedding(config.max_length, config.dim)
        self.encoder = SequenceEncoder(config.encoder_shape())
        self.apply(init_normal)
        self.apply(zero_padding)

    def encode(self, history: History) -> Float[Tensor, "batch length dim"]:
        """States of every position."""
        is_item = history.is_item
        return self.encoder(self.item_ids(history.items) + self.positions(is_item), is_item)

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item against the whole catalogue, at every position."""
        total = full_softmax(batch.states(self.encode), self.item_ids.weight, batch.targets())
        return Loss(total, {"cross_entropy": total.detach()})

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Dot product of the last state with every item's embedding."""
        return self.encode(history)[:, -1] @ self.item_ids.weight[1:].T
