"""NextItNet: dilated causal convolutions over item ids.

Paper: Fajie Yuan et al., "A Simple Convolutional Generative Network for Next Item Recommendation",
WSDM 2019, https://arxiv.org/abs/1808.05163. Original code:
https://github.com/fajieyuan/WSDM2019-nextitnet.
Idea: a stack of convolutions, none of which looks ahead, reads a user's items. Gaps between what a
filter reads grow from layer to layer and begin anew (dilation), so that few layers see far, and
residual connections let many of them train. The state at each item tells the next one.
Differs from the paper: input and output share the table of embeddings, behind a linear map, where
the paper learns a softmax layer of its own (`tied` set to false); dropout on what enters and on the
last states, off by default, where the paper has none; 5 repeats of dilations 1 and 4 as in RecBole,
where the paper takes those that suit the data. Padding is kept at zero between layers: a history's
state is the same whatever padding stands before it.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models._interface import (
    Batch,
    Catalogue,
    Config,
    History,
    Items,
    Loss,
    Recommender,
    at_least,
)
from models._losses import full_softmax
from models._registry import register
from models.layers.dropout import Dropout
from models.layers.transformer import init_normal, item_table, zero_padding


@dataclass(frozen=True, kw_only=True)
class NextItNetConfig(Config):
    """Settings of NextItNet."""

    dropout: float = 0.0
    """On the embeddings that enter and on the states that leave."""
    kernel: int = 3
    """Items that a filter reads."""
    dilations: tuple[int, ...] = (1, 4)
    """Of consecutive residual blocks: items from one that a filter reads to the next."""
    repeats: int = 5
    """How often the blocks of all dilations stand one behind the other."""
    block: Literal["pair", "bottleneck"] = "pair"
    """Two convolutions of full width, the second of twice the dilation (the paper's block b), or
    one of half the width between two maps (its block a)."""
    use_residual: bool = True
    """Whether a block's input is added to its output."""
    tied: bool = True
    """Items are compared with by the embeddings that they enter with, or by others."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        at_least("kernel", self.kernel, 2)
        at_least("repeats", self.repeats, 1)
        if not self.dilations:
            raise ValueError("`dilations` cannot be empty: there must be a block.")
        for dilation in self.dilations:
            at_least("dilations", dilation, 1)
        if self.block == "bottleneck" and self.dim % 2:
            raise ValueError(f"`block` cannot be bottleneck: it halves `dim` = {self.dim}.")


class CausalConvolution(nn.Module):
    """A convolution over a history's items that reads the present one and earlier ones alone."""

    def __init__(self, dim: int, *, kernel: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.taps = nn.Parameter(torch.empty(kernel, dim, dim))
        self.bias = nn.Parameter(torch.zeros(dim))
        nn.init.normal_(self.taps, std=0.02)

    def forward(self, x: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch length dim"]:
        """Tap ``k`` reads ``k`` dilations back; taps that reach beyond every history read 0."""
        length = x.shape[1]
        total = x @ self.taps[0] + self.bias
        for back in range(self.dilation, length, self.dilation):
            tap = back // self.dilation
            if tap == len(self.taps):
                break
            earlier = x[:, : length - back] @ self.taps[tap]
            total = total + F.pad(earlier, (0, 0, back, 0))
        return total


class PairBlock(nn.Module):
    """Two convolutions of full width, each with LayerNorm and ReLU behind it."""

    def __init__(self, dim: int, *, kernel: int, dilation: int) -> None:
        super().__init__()
        self.first = CausalConvolution(dim, kernel=kernel, dilation=dilation)
        self.first_norm = nn.LayerNorm(dim)
        self.second = CausalConvolution(dim, kernel=kernel, dilation=2 * dilation)
        self.second_norm = nn.LayerNorm(dim)

    def forward(
        self, x: Float[Tensor, "batch length dim"], is_item: Bool[Tensor, "batch length 1"]
    ) -> Float[Tensor, "batch length dim"]:
        """What is added to the block's input."""
        x = F.relu(self.first_norm(self.first(x))) * is_item
        return F.relu(self.second_norm(self.second(x)))


class BottleneckBlock(nn.Module):
    """A convolution of half the width between two maps, each with LayerNorm and ReLU before it."""

    def __init__(self, dim: int, *, kernel: int, dilation: int) -> None:
        super().__init__()
        self.into_norm = nn.LayerNorm(dim)
        self.into = nn.Linear(dim, dim // 2)
        self.norm = nn.LayerNorm(dim // 2)
        self.convolution = CausalConvolution(dim // 2, kernel=kernel, dilation=dilation)
        self.out_norm = nn.LayerNorm(dim // 2)
        self.out = nn.Linear(dim // 2, dim)

    def forward(
        self, x: Float[Tensor, "batch length dim"], is_item: Bool[Tensor, "batch length 1"]
    ) -> Float[Tensor, "batch length dim"]:
        """What is added to the block's input."""
        x = self.into(F.relu(self.into_norm(x)))
        x = self.convolution(F.relu(self.norm(x)) * is_item)
        return self.out(F.relu(self.out_norm(x)))


BLOCKS = {"pair": PairBlock, "bottleneck": BottleneckBlock}


@register("nextitnet")
class NextItNet(Recommender):
    """Dilated causal convolutions over item ids (:mod:`models.nextitnet`)."""

    config_type = NextItNetConfig
    config: NextItNetConfig

    def __init__(self, config: NextItNetConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.item_ids = item_table(catalogue.num_items, config.dim)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            BLOCKS[config.block](config.dim, kernel=config.kernel, dilation=dilation)
            for dilation in config.dilations * config.repeats
        )
        self.output = nn.Linear(config.dim, config.dim)
        self.output_ids = None if config.tied else item_table(catalogue.num_items, config.dim)
        self.apply(init_normal)
        self.apply(zero_padding)
        self.output.reset_parameters()  # as small as embeddings it would leave no state to learn by

    def candidates(self) -> Float[Tensor, "rows dim"]:
        """What states are compared with; row 0 is padding."""
        return (self.output_ids or self.item_ids).weight

    def encode(self, history: History) -> Float[Tensor, "batch length dim"]:
        """States of every position."""
        is_item = history.is_item[:, :, None]
        x = self.dropout(self.item_ids(history.items))
        for block in self.blocks:
            found = block(x, is_item)
            x = (x + found if self.config.use_residual else found) * is_item
        return self.output(self.dropout(x))

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item against the whole catalogue, at every position."""
        total = full_softmax(batch.states(self.encode), self.candidates(), batch.targets())
        return Loss(total, {"cross_entropy": total.detach()})

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Dot product of the last state with every item's embedding."""
        return self.encode(history)[:, -1] @ self.candidates()[1:].T
