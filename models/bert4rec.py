"""BERT4Rec: a bidirectional Transformer that tells hidden items from those around them.

Paper: Fei Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder
Representations from Transformer", CIKM 2019, https://arxiv.org/abs/1904.06690. Original code:
https://github.com/FeiSun/BERT4Rec.
Idea: some items of a user's sequence are hidden behind a mask, and self-attention that reads both
sides tells what they are (the Cloze task). To recommend, a mask is put behind the history, and what
is told there is the next item. Since that is a harder place than one in the middle, some training
sequences have their last item hidden and no other.
Differs from the paper: Adam at a constant rate in place of warm-up and linear decay; each item is
hidden with a probability, and at least one of a sequence, where the original draws a fixed number;
which ones is drawn anew each epoch, where the original draws ten masks per sequence beforehand. A
sequence comes `copies` times per epoch, so that an epoch has about as many targets as other models'
and patience means the same. The whole training sequence is masked, its last item included. The mask
is no candidate.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models._interface import (
    HIDDEN,
    Batch,
    Catalogue,
    History,
    Items,
    Loss,
    Masked,
    Recommender,
    at_least,
    positive,
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
class BERT4RecConfig(EncoderConfig):
    """Settings of BERT4Rec."""

    mask_ratio: float = 0.2
    """Probability of each item of a training sequence to be hidden, in (0, 1]."""
    last_ratio: float = 0.1
    """Probability of a training sequence to have its last item hidden and no other, in [0, 1]."""
    copies: int = 5
    """How often each training sequence comes per epoch, each time with other items hidden."""
    use_positions: bool = True
    """Whether places in the sequence are told apart."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        positive("mask_ratio", self.mask_ratio)
        at_least("last_ratio", self.last_ratio, 0)
        for key in ("mask_ratio", "last_ratio"):
            if getattr(self, key) > 1:
                raise ValueError(f"`{key}` cannot be {getattr(self, key)}: it is at most 1.")
        at_least("copies", self.copies, 1)

    def canonical(self) -> "BERT4RecConfig":
        """Where the last item alone is ever hidden, the probability of others says nothing."""
        return replace(self, mask_ratio=0.2) if self.last_ratio == 1 else self


class Told(nn.Module):
    """From states to what is compared with items: linear, GELU, LayerNorm."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, states: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Of each state alone."""
        return self.norm(F.gelu(self.linear(states)))


@register("bert4rec")
class BERT4Rec(Recommender):
    """Bidirectional self-attention over item ids with masks (:mod:`models.bert4rec`)."""

    config_type = BERT4RecConfig
    causal = False
    config: BERT4RecConfig

    def __init__(self, config: BERT4RecConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.item_ids = item_table(catalogue.num_items, config.dim)
        self.mask = nn.Parameter(torch.empty(config.dim))
        self.positions = None
        if config.use_positions:  # one more than a history has, for the mask behind it
            self.positions = PositionEmbedding(config.max_length + 1, config.dim)
        self.encoder = SequenceEncoder(replace(config.encoder_shape(), causal=False))
        self.told = Told(config.dim)
        self.item_bias = nn.Parameter(torch.zeros(catalogue.num_items))
        self.apply(init_normal)
        self.apply(zero_padding)
        nn.init.normal_(self.mask, std=0.02)

    def samples(self) -> Masked:
        """Whole sequences with hidden items."""
        of = self.config
        return Masked(ratio=of.mask_ratio, last_ratio=of.last_ratio, copies=of.copies)

    def encode(self, history: History) -> Float[Tensor, "batch length dim"]:
        """What is told at every position, hidden or not."""
        is_item, is_hidden = history.is_item, history.items == HIDDEN
        x = self.item_ids(history.items.clamp(min=0))
        x = torch.where(is_hidden[:, :, None], self.mask, x)
        if self.positions is not None:
            x = x + self.positions(is_item)
        return self.told(self.encoder(x, is_item))

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the hidden items against the whole catalogue."""
        states = F.pad(batch.states(self.encode), (0, 1), value=1.0)
        bias = F.pad(self.item_bias, (1, 0))[:, None]
        items = torch.cat([self.item_ids.weight, bias], dim=1)
        total = full_softmax(states, items, batch.targets())
        return Loss(total, {"cross_entropy": total.detach()})

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """What is told of a mask behind the newest items, compared with every item's embedding."""
        newest = history.items[:, -self.config.max_length :]
        told = self.encode(History(F.pad(newest, (0, 1), value=HIDDEN)))[:, -1]
        return torch.addmm(self.item_bias, told, self.item_ids.weight[1:].T)
