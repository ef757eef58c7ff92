"""TAME: item ids query fine-grained text and image features, which then enrich the ids.

Paper: "Enhancing Sequential Recommendation via Task-Aware Query-Based Multi-Modal Retrieval"
(authors anonymous in the version read), https://anonymous.4open.science/r/TAME-0463/.
Original code: announced at that address; not seen.
Idea: a few learned queries, made aware of the item's id by self-attention, read the item's text
tokens and image patches by cross-attention, so that only what helps the recommendation passes. The
vectors so retrieved are summed into one embedding per modality, and also choose how the id's
embedding is re-weighted. One Transformer per source encodes the history; scores add up.
Differs from the paper: keys and values are projected to d/h per head, since eq. 5 as printed
multiplies d/h-wide queries with d_t/h-wide keys; the network after eq. 5 is LayerNorm(E + FFN(E))
with GELU and inner width 4d, which the paper leaves open; position tables are one per source; in
eq. 16 another target of the same item is no negative. Temperature, dropout, norm
and initial weights are not given in the paper: the first three are settings here, for the last see
``_init_weights``. A modality that has pooled features alone is taken as one token per item, and the
run's tags say so. An item without a modality retrieves nothing: all such items share one vector.
Differs from the original code: not known.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from models._inputs import IDS, Need, settle
from models._interface import (
    Batch,
    Catalogue,
    History,
    Items,
    Loss,
    Modality,
    Recommender,
    TokenFeatures,
    at_least,
    divides,
    positive,
)
from models._losses import full_softmax, in_batch_contrast
from models._registry import register
from models.layers.retrieval import PackedTokens, attention_maps, in_chunks, retrieve
from models.layers.transformer import (
    EncoderConfig,
    PositionEmbedding,
    SelfAttention,
    SequenceEncoder,
    feed_forward,
    init_normal,
    item_table,
    zero_padding,
)


@dataclass(frozen=True, kw_only=True)
class TAMEConfig(EncoderConfig):
    """Settings of TAME."""

    text_queries: int = 2
    """N_q^t: learned queries to an item's text tokens, and experts that text brings."""
    image_queries: int = 2
    """N_q^v: learned queries to an item's image patches, and experts that images bring."""
    text_heads: int = 2
    """h^t: heads of the textual retriever, in self- and cross-attention; must divide ``dim``."""
    image_heads: int = 2
    """h^v: heads of the visual retriever, in self- and cross-attention; must divide ``dim``."""
    temperature: float = 0.07
    """tau of the contrastive loss (eq. 16)."""
    contrast_weight: float = 1.0
    """Weight of the contrastive loss (eq. 17 has 1); 0 leaves it out."""
    gate_activation: Literal["none", "softmax"] = "none"
    """What follows the linear gate over retrieved vectors (eq. 8 has nothing)."""
    use_retriever: bool = True
    """Off: an MLP on the pooled feature makes the vectors ("w/o modality retriever")."""
    use_enrichment: bool = True
    """Off: ids enter their encoder as they are ("w/o ID enrichment")."""
    use_text: bool = True
    """Off: text goes with its retriever, encoder, score term and experts ("w/o text")."""
    use_image: bool = True
    """Off: images go likewise ("w/o vision")."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        for key in ("text_queries", "image_queries"):
            at_least(key, getattr(self, key), 1)
        for key in ("text_heads", "image_heads"):
            divides(key, getattr(self, key), "dim", self.dim)
        positive("temperature", self.temperature)
        at_least("contrast_weight", self.contrast_weight, 0)
        if not (self.use_text or self.use_image):
            raise ValueError("`use_image` cannot be False with `use_text` False: TAME needs one.")

    def canonical(self) -> "TAMEConfig":
        """Level what a modality that is off, an MLP for a retriever or no contrast leaves unused.

        Counts become 1, which divides every width.
        """
        unused: dict[str, Any] = {}
        for name, is_used in (("text", self.use_text), ("image", self.use_image)):
            if not is_used:
                unused |= {f"{name}_queries": 1, f"{name}_heads": 1}
            if not self.use_retriever:
                unused[f"{name}_heads"] = 1
        if not self.contrast_weight:
            unused["temperature"] = TAMEConfig.temperature
        return dataclasses.replace(self, **unused)

    def needs(self) -> tuple[Need, ...]:
        """Ids, and of each modality in use tokens, or pooled vectors as one token per item."""
        forms = ("tokens", "pooled") if self.use_retriever else ("pooled", "tokens")
        return (Need(IDS), *(Need(name, forms) for name in self.modalities()))

    def modalities(self) -> dict[str, tuple[int, int]]:
        """Modality in use -> its numbers of queries and heads."""
        both = {
            "text": (self.text_queries, self.text_heads),
            "image": (self.image_queries, self.image_heads),
        }
        used = {"text": self.use_text, "image": self.use_image}
        return {name: sizes for name, sizes in both.items() if used[name]}


class CrossAttention(nn.Module):
    """Multi-head attention of an item's queries over its own tokens (eq. 5)."""

    def __init__(self, dim: int, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(width, dim, bias=False)  # a key's bias shifts all logits alike
        self.value = nn.Linear(width, dim)
        self.out = nn.Linear(dim, dim)

    def forward(
        self, queries: Float[Tensor, "rows queries dim"], tokens: PackedTokens
    ) -> Float[Tensor, "rows queries dim"]:
        """What each query reads; zeros, before the output projection, where there is no token."""
        read = retrieve(
            self.query(queries),
            self.key.weight,
            self.value.weight,
            tokens,
            heads=self.num_heads,
        )
        # Attention adds up to 1, so the values' bias is added once to whatever was read.
        return self.out(read + self.value.bias * tokens.is_present[:, None, None])

    def of_one(self, tokens: PackedTokens) -> Float[Tensor, "rows 1 dim"]:
        """What any query reads where items have one token at most: attention has no choice."""
        values = in_chunks(lambda packed: self.value(packed.float()), tokens.values)
        read = values.new_zeros(len(tokens.is_present), values.shape[1])
        return self.out(read.masked_scatter(tokens.is_present[:, None], values))[:, None]

    def maps(
        self, queries: Float[Tensor, "some queries dim"], tokens: list[Tensor]
    ) -> list[Float[Tensor, "queries heads tokens"]]:
        """Which tokens each query reads, for some items with their tokens."""
        return attention_maps(self.query(queries), self.key.weight, tokens, heads=self.num_heads)


class Retriever(nn.Module):
    """ID-aware queries that read an item's tokens (eq. 2-6)."""

    def __init__(self, dim: int, features: TokenFeatures, num_queries: int, num_heads: int) -> None:
        super().__init__()
        self.tokens = PackedTokens(features)
        self.queries = nn.Parameter(torch.empty(num_queries, dim))
        self.self_attention = SelfAttention(dim, num_heads, dropout=0.0)
        self.cross_attention = CrossAttention(dim, features.width, num_heads)
        self.feed_forward = feed_forward(dim, 4 * dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, ids: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows queries dim"]:
        """Vectors retrieved for the whole catalogue."""
        if self.tokens.max_length == 1:  # all queries read the same: compute it once
            retrieved = self.cross_attention.of_one(self.tokens)
        else:
            retrieved = self.cross_attention(in_chunks(self._id_aware, ids), self.tokens)
        return in_chunks(self._finished, retrieved).expand(-1, len(self.queries), -1)

    def _id_aware(self, ids: Float[Tensor, "items dim"]) -> Float[Tensor, "items queries dim"]:
        """Self-attention over [queries; id]; the id's own output is dropped (eq. 3-4)."""
        queries = self.queries.expand(len(ids), -1, -1)
        return self.self_attention(torch.cat([queries, ids[:, None]], dim=1))[:, :-1]

    def _finished(
        self, retrieved: Float[Tensor, "items some dim"]
    ) -> Float[Tensor, "items some dim"]:
        """Position-wise network, residual and LayerNorm (eq. 6)."""
        return self.norm(retrieved + self.feed_forward(retrieved))

    def maps(
        self, items: Int[Tensor, " some"], ids: Float[Tensor, "some dim"]
    ) -> list[Float[Tensor, "queries heads tokens"]]:
        """Which of its tokens each query of an item reads; empty where it has none."""
        tokens = [self.tokens.of(item) for item in items.tolist()]
        return self.cross_attention.maps(self._id_aware(ids), tokens)


class PooledVectors(nn.Module):
    """The retriever's stand-in: an MLP from the pooled feature to as many vectors."""

    def __init__(self, dim: int, pooled: Float[Tensor, "rows width"], num_queries: int) -> None:
        super().__init__()
        self.register_buffer("pooled", pooled, persistent=False)
        self.num_queries = num_queries
        self.mlp = nn.Sequential(
            nn.Linear(pooled.shape[1], 4 * dim), nn.GELU(), nn.Linear(4 * dim, num_queries * dim)
        )
        self.norm = nn.LayerNorm(dim)

    pooled: Tensor

    def forward(self, ids: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows queries dim"]:
        """Vectors for the whole catalogue; ids play no part."""
        return self.norm(self.mlp(self.pooled.float()).unflatten(1, (self.num_queries, -1)))


class Gate(nn.Module):
    """Adaptive weighted sum of an item's retrieved vectors (eq. 7-8)."""

    def __init__(self, dim: int, num_queries: int, activation: str) -> None:
        super().__init__()
        self.weights = nn.Linear(num_queries * dim, num_queries)
        self.activation: nn.Module = nn.Softmax(-1) if activation == "softmax" else nn.Identity()

    def forward(self, vectors: Float[Tensor, "rows queries dim"]) -> Float[Tensor, "rows dim"]:
        """One vector per item."""
        gates = self.activation(self.weights(vectors.flatten(1)))
        return torch.einsum("nq,nqd->nd", gates, vectors)


class Enrichment(nn.Module):
    """Experts that re-weight the id's embedding, gated by the retrieved vectors (eq. 10-12).

    An expert is an element-wise weight, so the gated mixture of experts is one weight per item and
    dimension, the same at every place of a history where the item stands.
    """

    def __init__(self, dim: int, num_experts: int) -> None:
        super().__init__()
        self.experts = nn.Parameter(torch.empty(num_experts, dim))
        self.gate = nn.Linear(num_experts * dim, num_experts)

    def forward(self, vectors: Float[Tensor, "rows queries dim"]) -> Float[Tensor, "rows dim"]:
        """Weights on the dimensions of each item's id embedding."""
        return torch.softmax(self.gate(vectors.flatten(1)), dim=-1) @ self.experts


@register("tame")
class TAME(Recommender):
    """Task-aware query-based multi-modal retrieval (:mod:`models.tame`)."""

    config_type = TAMEConfig
    config: TAMEConfig

    def __init__(self, config: TAMEConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        sizes = config.modalities()
        self.reads = settle(config.needs(), catalogue.available())
        features = {name: catalogue.modality(name) for name in sizes}
        self.item_ids = item_table(catalogue.num_items, config.dim)
        self.vectors = nn.ModuleDict(
            {name: _vectors(config, features[name], *size) for name, size in sizes.items()}
        )
        self.gates = nn.ModuleDict(
            {
                name: Gate(config.dim, size[0], config.gate_activation)
                for name, size in sizes.items()
            }
        )
        num_experts = sum(num_queries for num_queries, _ in sizes.values())
        self.enrichment = Enrichment(config.dim, num_experts) if config.use_enrichment else None
        sources = ("id", *sizes)
        self.positions = nn.ModuleDict(
            {name: PositionEmbedding(config.max_length, config.dim) for name in sources}
        )
        self.encoders = nn.ModuleDict(
            {name: SequenceEncoder(config.encoder_shape()) for name in sources}
        )
        self._forms = {name: _form(config, features[name]) for name in sizes}
        self._init_weights()

    def _init_weights(self) -> None:
        """Ids and encoders as SASRec's; retrievers wide, gates near zero.

        Gates near zero let a modality's scores start near zero, as those of ids do. From gates of
        the usual size the first steps shrink all candidates of a modality to one vector, and
        training stays there for long.
        """
        self.apply(init_normal)
        self.apply(zero_padding)
        for vectors in self.vectors.values():
            vectors.apply(_init_wide)
            if isinstance(vectors, Retriever):
                nn.init.normal_(vectors.queries)
        for gate in self.gates.values():
            assert isinstance(gate, Gate), "gates are gates"
            nn.init.normal_(gate.weights.weight, std=1e-3)
        if self.enrichment is not None:
            nn.init.normal_(self.enrichment.experts, mean=1.0, std=0.02)

    def input_forms(self) -> Mapping[str, str]:
        """Modality -> ``tokens``, ``pooled (one token)`` or ``pooled``."""
        return self._forms

    def inert_settings(self) -> Mapping[str, str]:
        """Heads of a modality whose items have one token at most: attention has no choice."""
        single = [
            name
            for name, vectors in self.vectors.items()
            if isinstance(vectors, Retriever) and vectors.tokens.max_length <= 1
        ]
        why = "has one token per item here, so attention has nothing to choose from"
        return {f"{name}_heads": f"`{name}` {why}" for name in single}

    def encode_items(self) -> Items:
        """Per source the candidates' embeddings, and the weights that enrich ids in histories."""
        ids = self.item_ids.weight
        vectors = {name: module(ids) for name, module in self.vectors.items()}
        tables = {name: self.gates[name](v) for name, v in vectors.items()}
        items: dict[str, Tensor] = {"id": ids, **tables}
        if self.enrichment is not None:
            items["enrichment"] = self.enrichment(torch.cat(list(vectors.values()), dim=1))
        return items

    def attention(
        self, items: Int[Tensor, " some"]
    ) -> Mapping[str, list[Float[Tensor, "queries heads tokens"]]]:
        """What each query of an item reads of its tokens (eq. 5), by modality."""
        ids = self.item_ids(items)
        return {
            name: vectors.maps(items, ids)
            for name, vectors in self.vectors.items()
            if isinstance(vectors, Retriever)
        }

    def encode(self, history: History, items: Items) -> Float[Tensor, "batch length width"]:
        """States of every position, sources side by side (eq. 9, 10, 13)."""
        is_item = history.is_item
        states = []
        for name, encoder in self.encoders.items():
            x = items[name][history.items] + self.positions[name](is_item)
            if name == "id" and "enrichment" in items:
                x = items["enrichment"][history.items] * x
            states.append(encoder(x, is_item))
        return torch.cat(states, dim=-1)

    def _candidates(self, items: Items) -> Float[Tensor, "rows width"]:
        """Every item's embeddings side by side: one dot product is the sum of eq. 14."""
        return torch.cat([items[name] for name in self.encoders], dim=-1)

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy over the catalogue (eq. 15) plus contrast in id space (eq. 16)."""
        items = self.encode_items()
        targets = batch.targets()
        states = batch.states(lambda history: self.encode(history, items))
        prediction = full_softmax(states, self._candidates(items), targets)
        if not self.config.contrast_weight:
            return Loss(prediction, {"cross_entropy": prediction.detach()})
        contrast = in_batch_contrast(
            states[:, : self.config.dim],
            items["id"],
            targets,
            temperature=self.config.temperature,
        )
        total = prediction + self.config.contrast_weight * contrast
        parts = {"cross_entropy": prediction.detach(), "contrast": contrast.detach()}
        return Loss(total, parts)

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Sum over sources of state times embedding (eq. 14)."""
        items = self.encode_items() if items is None else items
        return self.encode(history, items)[:, -1] @ self._candidates(items)[1:].T


def _init_wide(module: nn.Module) -> None:
    """Xavier weights, so that attention can tell tokens apart from the start."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)


def _vectors(
    config: TAMEConfig, modality: Modality, num_queries: int, num_heads: int
) -> Retriever | PooledVectors:
    if not config.use_retriever:
        return PooledVectors(config.dim, _pooled(modality), num_queries)
    return Retriever(config.dim, _tokens(modality), num_queries, num_heads)


def _form(config: TAMEConfig, modality: Modality) -> str:
    if not config.use_retriever:
        return "pooled"
    return "tokens" if modality.tokens is not None else "pooled (one token)"


def _tokens(modality: Modality) -> TokenFeatures:
    """Token features, or the pooled ones as one token per item.

    Raises:
        ValueError: no item has the modality.
    """
    if modality.tokens is not None:
        if not int(modality.tokens.lengths.sum()):
            raise ValueError(f"no item has `{modality.name}` features.")
        return modality.tokens
    assert modality.pooled is not None
    present = torch.arange(len(modality.pooled)) > 0
    if modality.missing is not None:
        present &= ~modality.missing
    if not bool(present.any()):
        raise ValueError(f"no item has `{modality.name}` features.")
    every = bool(present[1:].all())
    # A slice keeps the features in their memory-mapped file; picking rows would copy them.
    values = modality.pooled[1:] if every else modality.pooled[present]
    return TokenFeatures(values, present.long())


def _pooled(modality: Modality) -> Float[Tensor, "rows width"]:
    """Pooled features, or the mean of each item's tokens where there are none."""
    if modality.pooled is not None:
        return modality.pooled
    assert modality.tokens is not None
    lengths = modality.tokens.lengths.long()
    owner = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    total = torch.zeros(len(lengths), modality.tokens.width)
    total.index_add_(0, owner, modality.tokens.values.float())
    return total / lengths.clamp(min=1)[:, None]
