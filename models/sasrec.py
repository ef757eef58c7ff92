"""SASRec: a causal Transformer over item ids.

Paper: Wang-Cheng Kang and Julian McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018,
https://arxiv.org/abs/1808.09781. Original code: https://github.com/kang205/SASRec.
Idea: a user's items, as embeddings plus position, pass through causal self-attention. The state at
the last item is compared with every item's embedding by dot product. The table of embeddings is
shared between input and output.
Differs from the paper: trained by exact cross-entropy over the whole catalogue (the stronger
baseline, and what the papers that cite SASRec run); the paper's binary cross-entropy against one
sampled item per position is `objective = "binary"`; blocks are post-norm with GELU and inner width
4d, where the paper normalises the query alone and uses ReLU with inner width d; 2 heads where the
paper takes 1.
Differs from the original code: embeddings are not scaled by the root of d; positions are counted
from the history's start, so that padding changes nothing.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from models._interface import (
    Batch,
    Catalogue,
    Group,
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

MAX_DRAWS = 20
"""Attempts to draw an item that a user does not have; of those who have nearly all, some fail."""


@dataclass(frozen=True, kw_only=True)
class SASRecConfig(EncoderConfig):
    """Settings of SASRec."""

    dropout: float = 0.5
    """On embeddings, attention probabilities and each block's outputs."""
    objective: Literal["softmax", "binary"] = "softmax"
    """Cross-entropy over the whole catalogue; or, as in the paper, binary cross-entropy of the next
    item and of one that the user does not have, drawn anew each time."""


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
        """Cross-entropy of the next item, over the catalogue or binary, at every position."""
        states, targets, table = batch.states(self.encode), batch.targets(), self.item_ids.weight
        if self.config.objective == "binary":
            others = torch.cat([_not_taken(group, len(table) - 1) for group in batch.groups])
            total = _binary(states, table[targets], table[others])
        else:
            total = full_softmax(states, table, targets)
        return Loss(total, {"cross_entropy": total.detach()})

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Dot product of the last state with every item's embedding."""
        return self.encode(history)[:, -1] @ self.item_ids.weight[1:].T


def _binary(
    states: Float[Tensor, "targets dim"],
    taken: Float[Tensor, "targets dim"],
    others: Float[Tensor, "targets dim"],
) -> Float[Tensor, ""]:
    """Mean of ``-log sigmoid(s . taken) - log(1 - sigmoid(s . other))``."""
    own, other = (states * taken).sum(dim=1), (states * others).sum(dim=1)
    return (F.softplus(-own) + F.softplus(other)).mean()


def _not_taken(group: Group, num_items: int) -> Int[Tensor, " targets"]:
    """For each target an item, drawn uniformly, that is not in its sequence."""
    known = torch.cat([group.history.items, group.targets], dim=1)
    known = known[(group.targets > 0).nonzero()[:, 0]]
    drawn = torch.zeros_like(known[:, 0])
    again = torch.ones_like(drawn, dtype=torch.bool)
    for _ in range(MAX_DRAWS):
        drawn = torch.where(again, torch.randint_like(drawn, 1, num_items + 1), drawn)
        again = (known == drawn[:, None]).any(dim=1)
    return drawn
