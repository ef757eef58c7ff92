"""MISSRec: interests, found as clusters of texts and pictures, read beside the items themselves.

Paper: Jinpeng Wang, Ziyun Zeng, Yunxiao Wang, Yuting Wang, Xingyu Lu, Tianxiang Li, Jun Yuan,
Rui Zhang, Hai-Tao Zheng, Shu-Tao Xia, "MISSRec: Pre-training and Transferring Multi-modal
Interest-aware Sequence Representation for Recommendation", MM 2023,
https://arxiv.org/abs/2308.11175. Original code: https://github.com/gimpong/MM23-MISSRec.
Idea: a history repeats itself, and what repeats are interests. Adapted texts and pictures of all
items are clustered anew before each epoch; the clusters that a user's items belong to, each once,
pass an encoder. A decoder reads the items with a look at these interests. How much a candidate's
text and its picture count is decided for each user, by how well each fits the user's state.
Differs from the paper: no pre-training on other domains, so that its contrasts are not there and
nothing is frozen. Clusters are by k-means, as in its code, where the paper finds density peaks.
Interests are kept apart by the mean square of the cosines between a user's interests; the paper's
own form was not at hand.
Differs from the original code: what it calls so grows with the length of the sum of a user's
interests and is added up over the batch, so that its weight depends on the batch
(`regulariser = "released"`; slots of padding, which it counts too, are left out). A text or
picture that is missing is left out of input, clusters and scores, where the original takes the
adaptor's bias for it. Clusters have a few rounds of Lloyd's, from random starts, where the
original takes mini-batches.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models._inputs import IDS, Need, settle
from models._interface import (
    Batch,
    Catalogue,
    History,
    Items,
    Loss,
    Prefixes,
    Recommender,
    Stage,
    at_least,
    positive,
)
from models._losses import chunked_mean
from models._registry import register
from models.layers.dropout import Dropout
from models.layers.features import PooledFeatures
from models.layers.transformer import (
    Block,
    EncoderConfig,
    EncoderShape,
    PositionEmbedding,
    attention_mask,
    init_normal,
    item_table,
    zero_padding,
)

ROUNDS = 5
"""Of k-means before each epoch."""


@dataclass(frozen=True, kw_only=True)
class MISSRecConfig(EncoderConfig):
    """Settings of MISSRec; the defaults are its code's."""

    dim: int = 300
    """Width d of item and user representations."""
    dropout: float = 0.5
    """On the decoder's input, on attention probabilities and on each block's outputs."""
    num_layers: int = 1
    """Blocks of the encoder of interests, and of the decoder."""
    num_heads: int = 4
    """Attention heads; must divide ``dim``."""
    temperature: float = 0.07
    """Of the softmax over cosines."""
    modality: Literal["both", "text", "image"] = "both"
    """What is read of an item beside its id."""
    use_ids: bool = True
    """Whether items' ids are added to their features, and a third of a score is theirs."""
    use_interests: bool = True
    """Whether the decoder reads interests."""
    cluster_ratio: float = 0.5
    """Clusters per text and picture, in (0, 1]."""
    fusion: Literal["adaptive", "static"] = "adaptive"
    """Weights of a candidate's text and picture: by their fit to the user, or equal."""
    regulariser: Literal["orthogonal", "released"] = "orthogonal"
    """Mean squared cosine of a user's interests, or the original code's sum over the batch."""
    regulariser_weight: float = 1e-4
    """Of it in the loss (gamma)."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        positive("temperature", self.temperature)
        positive("cluster_ratio", self.cluster_ratio)
        at_least("regulariser_weight", self.regulariser_weight, 0)
        if self.cluster_ratio > 1:
            raise ValueError(f"`cluster_ratio` cannot be {self.cluster_ratio}: it is at most 1.")

    def modalities(self) -> tuple[str, ...]:
        """Modalities that the model reads."""
        return ("text", "image") if self.modality == "both" else (self.modality,)

    def needs(self) -> tuple[Need, ...]:
        """Pooled vectors, and ids where they are added."""
        pooled = tuple(Need(name, ("pooled",)) for name in self.modalities())
        return (Need(IDS), *pooled) if self.use_ids else pooled

    def canonical(self) -> "MISSRecConfig":
        """With what others switch off at its default."""
        same = self
        if not self.use_interests:
            same = replace(same, cluster_ratio=0.5, regulariser_weight=1e-4)
        if not (self.use_interests and self.regulariser_weight):
            same = replace(same, regulariser="orthogonal")
        return same if self.modality == "both" else replace(same, fusion="adaptive")


class Decoder(nn.Module):
    """Items, each with a look at all others and at the user's interests."""

    def __init__(self, shape: EncoderShape, *, reads_interests: bool) -> None:
        super().__init__()
        self.reads_interests = reads_interests
        self.input_norm = nn.LayerNorm(shape.dim)
        self.dropout = Dropout(shape.dropout)
        self.blocks = nn.ModuleList(
            self._block(shape) if reads_interests else Block(shape) for _ in range(shape.num_layers)
        )
        self.output_norm = nn.LayerNorm(shape.dim)

    @staticmethod
    def _block(shape: EncoderShape) -> nn.Module:
        block = nn.TransformerDecoderLayer(
            shape.dim,
            shape.num_heads,
            shape.inner_dim,
            shape.dropout,
            activation=F.gelu,
            batch_first=True,
            norm_first=shape.norm == "pre",
        )
        for attention in (block.self_attn, block.multihead_attn):
            nn.init.normal_(attention.in_proj_weight, std=0.02)
        return block

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        is_item: Bool[Tensor, "batch length"],
        memory: Float[Tensor, "batch interests dim"],
        is_interest: Bool[Tensor, "batch interests"],
    ) -> Float[Tensor, "batch length dim"]:
        """States of every position; those at padding mean nothing."""
        x = self.dropout(self.input_norm(x))
        for block in self.blocks:
            if self.reads_interests:
                masks = {"tgt_key_padding_mask": ~is_item, "memory_key_padding_mask": ~is_interest}
                x = block(x, memory, **masks)
            else:
                x = block(x, attention_mask(is_item, causal=False))
        return self.output_norm(x)


class Interests(nn.Module):
    """Clusters of adapted features, and an encoder of those that a user's items belong to."""

    clusters: Tensor
    centroids: Tensor

    def __init__(self, shape: EncoderShape, num_clusters: int, rows: int, sources: int) -> None:
        super().__init__()
        self.register_buffer("clusters", torch.zeros(rows, sources, dtype=torch.long))
        self.register_buffer("centroids", torch.zeros(num_clusters + 1, shape.dim))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.num_layers))
        self.output_norm = nn.LayerNorm(shape.dim)

    @torch.no_grad()
    def renew(
        self,
        vectors: Float[Tensor, "vectors dim"],
        found: Int[Tensor, " vectors"],
        present: Bool[Tensor, "rows sources"],
    ) -> None:
        """Take new clusters (counted from 0) of what is present, row by row."""
        self.clusters.zero_()
        self.clusters[present] = found.to(present.device) + 1
        sums = torch.zeros_like(self.centroids)
        sums.index_add_(0, self.clusters[present], vectors)
        counts = torch.bincount(self.clusters[present], minlength=len(sums)).clamp(min=1)
        self.centroids.copy_(sums / counts[:, None])

    def of(self, items: Int[Tensor, "batch length"]) -> Int[Tensor, "batch interests"]:
        """Each user's clusters, counted from 1, each once; 0 where there are no more."""
        ids = self.clusters[items].flatten(1).sort(dim=1, descending=True).values
        again = F.pad(ids[:, 1:] == ids[:, :-1], (1, 0))
        ids = ids.masked_fill(again, 0).sort(dim=1, descending=True).values
        return ids[:, : max(1, int((ids > 0).sum(dim=1).max()))]

    def forward(
        self, ids: Int[Tensor, "batch interests"]
    ) -> tuple[Float[Tensor, "batch interests dim"], Bool[Tensor, "batch interests"]]:
        """Encoded interests, and which of them are some; a user without any has a zero vector."""
        is_interest = ids > 0
        is_interest[:, 0] = True
        x = F.embedding(ids, self.centroids)
        for block in self.blocks:
            x = block(x, attention_mask(is_interest, causal=False))
        return self.output_norm(x), is_interest


@register("missrec")
class MISSRec(Recommender):
    """A decoder of items that reads interests (:mod:`models.missrec`)."""

    config_type = MISSRecConfig
    causal = False
    config: MISSRecConfig

    def __init__(self, config: MISSRecConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.reads = settle(config.needs(), catalogue.available())
        shape = replace(config.encoder_shape(), causal=False)
        self.adaptors = nn.ModuleDict(
            {name: PooledFeatures(catalogue, name, config.dim) for name in config.modalities()}
        )
        self.item_ids = item_table(catalogue.num_items, config.dim) if config.use_ids else None
        self.positions = PositionEmbedding(config.max_length, config.dim)
        self.decoder = Decoder(shape, reads_interests=config.use_interests)
        self.interests: Interests | None = None
        present = self._present()
        if config.use_interests:
            num = math.ceil(config.cluster_ratio * int(present.sum()))
            self.interests = Interests(shape, num, *present.shape)
        adapts = config.fusion == "adaptive" and len(self.adaptors) > 1
        self.preference = nn.Parameter(torch.zeros(())) if adapts else None
        self.apply(init_normal)
        self.apply(zero_padding)
        self.derived = catalogue.derivations()
        self._cluster()

    def samples(self) -> Prefixes:
        """Prefixes, since the decoder reads both sides."""
        return Prefixes()

    def start_epoch(self, stage: Stage, epoch: int) -> None:
        """Cluster what the adaptors now make of the features."""
        self._cluster()

    @torch.no_grad()
    def _cluster(self) -> None:
        seed = int(torch.randint(2**31, ()))
        if self.interests is not None:
            present = self._present()
            vectors = torch.stack(list(self._adapted().values()), dim=1)[present]
            num = len(self.interests.centroids) - 1
            found = self.derived.clusters(vectors, num, seed=seed, rounds=ROUNDS)
            self.interests.renew(vectors, found, present)

    def _adaptors(self) -> dict[str, PooledFeatures]:
        return {name: of for name, of in self.adaptors.items() if isinstance(of, PooledFeatures)}

    def _adapted(self) -> dict[str, Float[Tensor, "rows dim"]]:
        return {name: adaptor() for name, adaptor in self._adaptors().items()}

    def _present(self) -> Bool[Tensor, "rows sources"]:
        """Which items have which modality."""
        return torch.stack([adaptor.is_present for adaptor in self._adaptors().values()], dim=1)

    def tables(self) -> dict[str, Float[Tensor, "rows dim"]]:
        """Every item as its features and its id represent it."""
        own = {} if self.item_ids is None else {"id": self.item_ids.weight}
        return {**self._adapted(), **own}

    def encode(
        self,
        history: History,
        tables: Mapping[str, Float[Tensor, "rows dim"]],
        penalties: list[Tensor] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """States of every position; each user's penalty is added to a list, where one is given."""
        is_item = history.is_item
        every = list(tables.values())
        x = F.embedding(history.items, sum(every[1:], start=every[0])) + self.positions(is_item)
        memory, is_interest = x, is_item
        if self.interests is not None:
            memory, is_interest = self.interests(self.interests.of(history.items))
            if penalties is not None:
                penalties.append(self._penalty(memory.float(), is_interest))
        return self.decoder(x, is_item, memory, is_interest)

    def _penalty(
        self,
        memory: Float[Tensor, "batch interests dim"],
        is_interest: Bool[Tensor, "batch interests"],
    ) -> Float[Tensor, " batch"]:
        """What the regulariser says of each user's interests."""
        known = memory * is_interest[:, :, None]
        if self.config.regulariser == "released":
            share = is_interest.float().mean(dim=1)
            return share**2 * known.sum(dim=1).square().sum(dim=1) / self.config.dim
        cosine = F.normalize(known, dim=2) @ F.normalize(known, dim=2).transpose(1, 2)
        num = is_interest.sum(dim=1)
        apart = cosine.square().sum(dim=(1, 2)) - num  # an interest's own cosine is 1
        return apart / (num * (num - 1)).clamp(min=1)

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item, and the regulariser."""
        tables, penalties = self.tables(), list[Tensor]()
        states = batch.states(lambda history: self.encode(history, tables, penalties))
        stacked = torch.stack(list(tables.values()), dim=1)
        parts = {"cross_entropy": chunked_mean(self._entropy, states, stacked, batch.targets())}
        if penalties and self.config.regulariser_weight:
            every = torch.cat(penalties)
            whole = every.sum() if self.config.regulariser == "released" else every.mean()
            parts["regulariser"] = self.config.regulariser_weight * whole
        total = torch.stack(list(parts.values())).sum()
        return Loss(total, {name: part.detach() for name, part in parts.items()})

    def _entropy(
        self,
        states: Float[Tensor, "targets dim"],
        tables: Float[Tensor, "rows sources dim"],
        targets: Int[Tensor, " targets"],
    ) -> Float[Tensor, ""]:
        logits = self._fit(states, tables) / self.config.temperature
        return F.cross_entropy(logits, targets - 1, reduction="sum")

    def _fit(
        self, states: Float[Tensor, "batch dim"], tables: Float[Tensor, "rows sources dim"]
    ) -> Float[Tensor, "batch items"]:
        """How well every item fits: cosines with what it has, weighed for each user."""
        items = F.normalize(tables[1:].float(), dim=2)
        cosine = F.normalize(states, dim=1) @ items.flatten(0, 1).T
        cosine = cosine.float().unflatten(1, items.shape[:2])
        present = self._present()[1:]
        of_features = cosine[:, :, : present.shape[1]]
        logits = torch.zeros_like(of_features)
        if self.preference is not None:
            logits = self.preference * of_features
        lacks_all = ~present.any(dim=1, keepdim=True)  # then all cosines are zero
        weights = logits.masked_fill(~(present | lacks_all), -torch.inf).softmax(dim=2)
        fit = (weights * of_features).sum(dim=2)
        return fit if self.item_ids is None else (cosine[:, :, -1] + 2 * fit) / 3

    def encode_items(self) -> Items:
        """Representations of the whole catalogue."""
        return self.tables()

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """How well every item fits the last state."""
        tables = dict(self.encode_items() if items is None else items)
        stacked = torch.stack(list(tables.values()), dim=1)
        return self._fit(self.encode(history, tables)[:, -1], stacked)
