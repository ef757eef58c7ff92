"""VQ-Rec: texts become discrete codes, and items are sums of what is learnt for their codes.

Paper: Yupeng Hou, Zhankui He, Julian McAuley, Wayne Xin Zhao, "Learning Vector-Quantized Item
Representation for Transferable Sequential Recommenders", WWW 2023,
https://arxiv.org/abs/2210.12316. Original code: https://github.com/RUCAIBox/VQ-Rec.
Idea: where an item is a map of its text, texts that read alike are recommended alike, whatever
users do. So a text's vector is cut into parts, each is replaced by the number of its nearest
centroid (optimised product quantisation), and these numbers index tables of embeddings that are
learnt from behaviour. Their mean is the item; a causal Transformer reads a user's items, and its
last state is compared with all items by cosine.
Differs from the paper: no pre-training on other domains, so that neither its contrast with
semi-synthetic negatives nor the permutation that moves a learnt table to a new domain is there:
between tables that are drawn at random there is nothing to move. A catalogue with fewer items than
centroids has as many centroids as the power of two below.
Differs from the original code: its fine-tuning leaves encoder and positions frozen even where
nothing was pre-trained (`train_encoder` set to false), and passes the permutation through a
rounding without gradient, which leaves a random one that sends several codes to one
(`codes = "remapped"`). Both are settings here, to be measured.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from models._inputs import Need, settle
from models._interface import (
    Batch,
    Catalogue,
    History,
    Items,
    Loss,
    Recommender,
    Stage,
    at_least,
    positive,
)
from models._losses import cosine_softmax, cosines
from models._registry import register
from models.layers.transformer import (
    EncoderConfig,
    PositionEmbedding,
    SequenceEncoder,
    init_normal,
    item_table,
    zero_padding,
)

MAX_CENTROIDS = 256
"""Of each codebook; a code is a byte."""
SINKHORN_ROUNDS = 3
"""Of the original code's permutation."""


@dataclass(frozen=True, kw_only=True)
class VQRecConfig(EncoderConfig):
    """Settings of VQ-Rec; the defaults are its code's."""

    dim: int = 300
    """Width d of item and user representations."""
    dropout: float = 0.5
    """On the encoder's input, on attention probabilities and on each block's outputs."""
    num_codebooks: int = 32
    """Parts that a text's vector is cut into, each of which gets a code."""
    num_centroids: int = 256
    """Codes of each part, where there are as many items: a power of two, 256 at most."""
    rotate: bool = True
    """Whether vectors are turned before they are cut, so that codes tell more of them (OPQ)."""
    codes: Literal["quantised", "random", "remapped"] = "quantised"
    """Of the text; drawn at random; or of the text, and each then sent to another at random, some
    to the same (the original code's permutation)."""
    train_encoder: bool = True
    """Whether encoder and positions are trained, or stay as they were drawn."""
    temperature: float = 0.07
    """Of the softmax over cosines."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        at_least("num_codebooks", self.num_codebooks, 1)
        positive("temperature", self.temperature)
        if self.num_centroids not in {2**bits for bits in range(1, 9)}:
            raise ValueError(
                f"`num_centroids` cannot be {self.num_centroids}: "
                f"it must be a power of two from 2 to {MAX_CENTROIDS}."
            )

    def needs(self) -> tuple[Need, ...]:
        """Pooled texts, unless their codes are drawn at random."""
        return () if self.codes == "random" else (Need("text", ("pooled",)),)

    def canonical(self) -> "VQRecConfig":
        """Random codes are the same whichever way texts would be turned."""
        return replace(self, rotate=True) if self.codes == "random" else self


@register("vqrec")
class VQRec(Recommender):
    """Embeddings of codes of pooled texts (:mod:`models.vqrec`)."""

    config_type = VQRecConfig
    config: VQRecConfig
    codes: Tensor

    def __init__(self, config: VQRecConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.reads = settle(config.needs(), catalogue.available())
        self.num_centroids = _centroids(config, catalogue)
        num_codes = config.num_codebooks * self.num_centroids
        self.code_table = item_table(num_codes, config.dim)
        self.positions = PositionEmbedding(config.max_length, config.dim)
        self.encoder = SequenceEncoder(config.encoder_shape())
        self.apply(init_normal)
        self.apply(zero_padding)
        is_drawn = config.codes != "quantised"  # what was drawn is kept with the weights
        self.register_buffer("codes", self._rows(catalogue), persistent=is_drawn)

    def _rows(self, catalogue: Catalogue) -> Int[Tensor, "rows codebooks"]:
        """Each item's rows of the table of codes; padding has row 0 throughout."""
        config, num = self.config, self.num_centroids
        shape = catalogue.num_items, config.num_codebooks
        if config.codes == "random":
            codes = torch.randint(num, shape)
        else:
            codes = catalogue.derivations().product_codes(
                catalogue.pooled("text")[1:],
                num_codebooks=config.num_codebooks,
                num_centroids=num,
                rotate=config.rotate,
            )
        if config.codes == "remapped":
            maps = torch.stack([dead_permutation(num) for _ in range(config.num_codebooks)])
            codes = maps.gather(1, codes.T).T
        rows = 1 + codes + num * torch.arange(config.num_codebooks)
        return F.pad(rows, (0, 0, 1, 0))

    def stages(self) -> tuple[Stage, ...]:
        """One, in which the encoder may be frozen."""
        frozen = () if self.config.train_encoder else ("encoder.*", "positions.*")
        return (Stage(name="joint", frozen=frozen),)

    def table(self) -> Float[Tensor, "rows dim"]:
        """Every item as the mean of its codes' embeddings."""
        return F.embedding_bag(self.codes, self.code_table.weight, mode="mean")

    def encode(
        self, history: History, table: Float[Tensor, "rows dim"]
    ) -> Float[Tensor, "batch length dim"]:
        """States of every position."""
        is_item = history.is_item
        return self.encoder(F.embedding(history.items, table) + self.positions(is_item), is_item)

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item by cosines, at every position."""
        table = self.table()
        states = batch.states(lambda history: self.encode(history, table))
        temperature = self.config.temperature
        total = cosine_softmax(states, table, batch.targets(), temperature=temperature)
        return Loss(total, {"cross_entropy": total.detach()})

    def encode_items(self) -> Items:
        """Representations of the whole catalogue."""
        return {"items": self.table()}

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Cosine of the last state with every item."""
        table = (self.encode_items() if items is None else items)["items"]
        return cosines(self.encode(history, table)[:, -1], table)


def _centroids(config: VQRecConfig, catalogue: Catalogue) -> int:
    """Of each codebook: a power of two, no more than items that occur in training.

    Raises:
        ValueError: fewer than two items do.
    """
    occurring = int((catalogue.derivations().popularity()[1:] > 0).sum())
    at_least("items in training", occurring, 2)
    return min(config.num_centroids, 2 ** (occurring.bit_length() - 1))


def dead_permutation(num: int) -> Int[Tensor, " num"]:
    """Where the original code's permutation of as many codes sends each: some to the same.

    A matrix of Gumbel noise, its rows and columns made to add up to one in turns, and of each row
    the place of the largest entry; no gradient ever changes it.
    """
    logits = -(-torch.rand(num, num).clamp(1e-10, 1 - 1e-7).log()).log()
    for _ in range(SINKHORN_ROUNDS):
        logits = logits.log_softmax(dim=1).log_softmax(dim=0)
    return logits.argmax(dim=1)
