"""The Transformer over a user's history, as the sequential recommenders use it.

Positions are counted from the start of the history (its oldest item is position 0), wherever the
padding lies. So a prefix's state is the same whether the prefix stands alone or inside its
sequence, which is what lets a causal model train on all prefixes in one pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models._interface import Config, at_least, divides
from models.layers.dropout import Dropout, attend

Norm = Literal["post", "pre"]


@dataclass(frozen=True, kw_only=True)
class EncoderShape:
    """Sizes and form of a :class:`SequenceEncoder`."""

    dim: int
    num_layers: int
    num_heads: int
    inner_dim: int
    dropout: float
    """On the input, on attention probabilities and on each block's two outputs."""
    norm: Norm = "post"
    causal: bool = True


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(Config):
    """Settings of a model whose sources are encoded by a :class:`SequenceEncoder` each."""

    num_layers: int = 2
    """Blocks of each sequence encoder."""
    num_heads: int = 2
    """Attention heads of each sequence encoder; must divide ``dim``."""
    inner_dim: int = 256
    """Width inside the position-wise networks."""
    norm: Norm = "post"
    """LayerNorm after each residual sum, or before each sub-layer."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        at_least("num_layers", self.num_layers, 1)
        at_least("inner_dim", self.inner_dim, 1)
        divides("num_heads", self.num_heads, "dim", self.dim)

    def encoder_shape(self) -> EncoderShape:
        """Sizes and form of the encoders."""
        return EncoderShape(
            dim=self.dim,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            inner_dim=self.inner_dim,
            dropout=self.dropout,
            norm=self.norm,
        )


def positions(is_item: Bool[Tensor, "batch length"]) -> Int[Tensor, "batch length"]:
    """Position of each item counted from its history's start; 0 at padding."""
    return (is_item.long().cumsum(dim=1) - 1).clamp(min=0)


def attention_mask(
    is_item: Bool[Tensor, "batch length"], *, causal: bool
) -> Bool[Tensor, "batch 1 length length"]:
    """Which key each query may read: items alone, none later than itself if causal.

    Every position may read itself, so that no row of the softmax is empty.
    """
    length = is_item.shape[1]
    allowed = is_item[:, None, None, :].expand(-1, 1, length, -1)
    if causal:
        allowed = allowed & is_item.new_ones(length, length).tril()
    return allowed | torch.eye(length, dtype=torch.bool, device=is_item.device)


class SelfAttention(nn.Module):
    """Multi-head scaled dot-product self-attention."""

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.into = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        allowed: Bool[Tensor, "batch 1 length length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Each position reads the allowed others (all, where no mask is given)."""
        batch, length, dim = x.shape
        heads = self.into(x).view(batch, length, 3, self.num_heads, dim // self.num_heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        read = attend(query, key, value, allowed=allowed, dropout=dropout)
        return self.out(read.transpose(1, 2).reshape(batch, length, dim))


def feed_forward(dim: int, inner_dim: int) -> nn.Sequential:
    """Position-wise network: linear, GELU, linear."""
    return nn.Sequential(nn.Linear(dim, inner_dim), nn.GELU(), nn.Linear(inner_dim, dim))


class Block(nn.Module):
    """Attention and feed-forward network, each with dropout, residual and LayerNorm.

    The attention is plain self-attention unless another is given.
    """

    def __init__(self, shape: EncoderShape, attention: nn.Module | None = None) -> None:
        super().__init__()
        self.is_pre_norm = shape.norm == "pre"
        self.attention = attention or SelfAttention(shape.dim, shape.num_heads, shape.dropout)
        self.feed_forward = feed_forward(shape.dim, shape.inner_dim)
        self.attention_norm = nn.LayerNorm(shape.dim)
        self.feed_forward_norm = nn.LayerNorm(shape.dim)
        self.dropout = Dropout(shape.dropout)

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        allowed: Bool[Tensor, "batch 1 length length"],
        *more: object,
        newest: bool = False,
    ) -> Float[Tensor, "batch places dim"]:
        """One layer of the encoder.

        Args:
            x: states of every position.
            allowed: which positions each may read.
            more: for attention that takes more than a mask.
            newest: whether the newest position's state alone is wanted.
        """
        read = self.attention(self.attention_norm(x) if self.is_pre_norm else x, allowed, *more)
        if newest:
            x, read = x[:, -1:], read[:, -1:]
        x = x + self.dropout(read)
        if self.is_pre_norm:
            return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        x = self.attention_norm(x)
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))


class SequenceEncoder(nn.Module):
    """LayerNorm and dropout on the input, then Transformer blocks.

    The input already carries its position embeddings, since some models put something between.

    Args:
        shape: sizes and form.
        attention: makes the attention of the block of a number, counted from 0; plain
            self-attention where it is not given.
    """

    def __init__(
        self, shape: EncoderShape, attention: Callable[[int], nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.causal = shape.causal
        self.input_norm = nn.LayerNorm(shape.dim)
        self.dropout = Dropout(shape.dropout)
        self.blocks = nn.ModuleList(
            Block(shape, attention(number) if attention else None)
            for number in range(shape.num_layers)
        )
        self.output_norm = nn.LayerNorm(shape.dim) if shape.norm == "pre" else nn.Identity()

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        is_item: Bool[Tensor, "batch length"],
        *more: object,
        newest: bool = False,
    ) -> Float[Tensor, "batch places dim"]:
        """States of every position, those at padding mean nothing; or of the newest one alone."""
        allowed = attention_mask(is_item, causal=self.causal)
        x = self.dropout(self.input_norm(x))
        last = len(self.blocks) - 1
        for number, block in enumerate(self.blocks):
            x = block(x, allowed, *more, newest=newest and number == last)
        return self.output_norm(x)


class PositionEmbedding(nn.Module):
    """A learned vector per position, counted from the history's start (:func:`positions`)."""

    def __init__(self, max_length: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Embedding(max_length, dim)

    def forward(self, is_item: Bool[Tensor, "batch length"]) -> Float[Tensor, "batch length dim"]:
        """The vectors of a batch's positions.

        Raises:
            ValueError: a history is longer than the limit the table was made for.
        """
        index = positions(is_item)
        limit = self.table.num_embeddings
        if index.shape[1] > limit and int(index.max()) >= limit:
            raise ValueError(
                f"a history of {int(index.max()) + 1} items exceeds the limit {limit}."
            )
        return self.table(index)


def init_normal(module: nn.Module) -> None:
    """Weights from normal(0, 0.02), biases 0, LayerNorm at identity; for ``Module.apply``."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.LayerNorm):
        module.reset_parameters()


def item_table(num_items: int, dim: int) -> nn.Embedding:
    """Embedding table with row 0 for padding, which stays zero (see :func:`zero_padding`)."""
    return nn.Embedding(num_items + 1, dim, padding_idx=0)


def zero_padding(module: nn.Module) -> None:
    """Zero the padding rows again after a re-draw of all weights; for ``Module.apply``."""
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()
