"""DIMO: what occurs together and what items are like, kept apart and added up at the end.

Paper: Xiaokun Zhang, Bo Xu, Zhaochun Ren, Xiaochen Wang, Hongfei Lin, Fenglong Ma, "Disentangling
ID and Modality Effects for Session-based Recommendation", SIGIR 2024,
https://arxiv.org/abs/2404.12969. Original code: https://github.com/Zhang-xiaokun/DIMO.
Idea: users follow others, which ids tell, or their taste, which texts and pictures tell. So ids
and features are spread over a graph of co-occurrence and read by an attention each, and ids that
occur together are drawn together. Two losses keep the causes apart: a state is to be nearer to the
mean of its own items (its proxy) than to the other cause's state, and where the next item occurs
together with a past one its id is to fit better than its features, and the other way round where
it does not. Scores of both are added up.
Differs from the paper: its sessions are users' histories, and items within `max_distance` places
occur together. Features of texts and pictures are mapped linearly and added. Items that do not
occur with one, to contrast it with, are drawn at random, once, since hardly any pair of items ever
meets. Losses are means with weights of their own, where the paper adds up a batch of 50 and all
items with 1e-3 to the base 10.
Differs from the original code: it counts co-occurrence on the test part too
(`counted = "everything"`), and overwrites its table of texts by random numbers
(`features = "overwritten"`, which reads no features at all); both are settings here, to be
measured. Its two proxy losses share one of their maps; dropout is off after its first epoch.
"""

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
    Config,
    History,
    Items,
    Loss,
    Prefixes,
    Recommender,
    at_least,
    divides,
    probability,
)
from models._losses import full_softmax
from models._registry import register
from models.layers.dropout import Dropout
from models.layers.features import PooledFeatures
from models.layers.graph import most_related, normalised, spread_over, unrelated
from models.layers.transformer import SelfAttention, attention_mask, item_table, zero_padding

NUM_NEIGHBOURS = 10
"""Items that co-occur with one most often, and as many that do not."""


@dataclass(frozen=True, kw_only=True)
class DIMOConfig(Config):
    """Settings of DIMO; the sizes are its code's."""

    dim: int = 100
    """Width d of each cause's representations."""
    dropout: float = 0.3
    """On the tables before they are spread over the graph."""
    attention_dropout: float = 0.2
    """On attention probabilities."""
    num_heads: int = 4
    """Attention heads; must divide ``dim``."""
    num_layers: int = 4
    """How often the tables are spread over the graph; 0 leaves them as they are."""
    max_distance: int = 20
    """Places within which two items of a history occur together."""
    modality: Literal["both", "text", "image"] = "both"
    """What items' features are made of."""
    causes: Literal["both", "id", "modality"] = "both"
    """Ids, features or both."""
    features: Literal["mapped", "overwritten"] = "mapped"
    """Features, mapped; or, as the original code does, a table of random numbers that is learnt."""
    counted: Literal["training", "everything"] = "training"
    """Where co-occurrence is counted; ``everything`` is the original code's leak of test items."""
    cooccurrence_weight: float = 0.5
    """Of drawing ids together that occur together."""
    proxy_weight: float = 0.02
    """Of keeping states nearer to their proxies than to each other."""
    counterfactual_weight: float = 0.02
    """Of the next item's fit to the cause that it seems to have."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        probability("attention_dropout", self.attention_dropout)
        divides("num_heads", self.num_heads, "dim", self.dim)
        at_least("num_layers", self.num_layers, 0)
        at_least("max_distance", self.max_distance, 1)
        for key in ("cooccurrence_weight", "proxy_weight", "counterfactual_weight"):
            at_least(key, getattr(self, key), 0)

    def sources(self) -> tuple[str, ...]:
        """Causes that the model has."""
        return ("id", "modality") if self.causes == "both" else (self.causes,)

    def modalities(self) -> tuple[str, ...]:
        """Modalities that the model reads."""
        if self.causes == "id" or self.features == "overwritten":
            return ()
        return ("text", "image") if self.modality == "both" else (self.modality,)

    def needs(self) -> tuple[Need, ...]:
        """Pooled vectors, and ids unless features are the one cause."""
        pooled = tuple(Need(name, ("pooled",)) for name in self.modalities())
        return pooled if self.causes == "modality" else (Need(IDS), *pooled)

    def canonical(self) -> "DIMOConfig":
        """With what others switch off at its default."""
        same, default = self, DIMOConfig()
        if self.causes != "both":
            same = replace(same, proxy_weight=0.0, counterfactual_weight=0.0)
        if self.causes == "modality":
            same = replace(same, cooccurrence_weight=0.0)
        if self.causes == "id":
            same = replace(same, features=default.features)
        if not same.modalities():
            same = replace(same, modality=default.modality)
        if not (same.num_layers or same.cooccurrence_weight or same.counterfactual_weight):
            same = replace(same, counted=default.counted, max_distance=default.max_distance)
        return same


class Proxies(nn.Module):
    """Whether a cause's state is nearer to its proxy than to the other cause's state."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.maps = nn.ModuleDict(
            {name: nn.Linear(dim, dim) for name in ("state", "proxy", "own", "other")}
        )

    def forward(
        self,
        state: Float[Tensor, "targets dim"],
        proxy: Float[Tensor, "targets dim"],
        other: Float[Tensor, "targets dim"],
    ) -> Float[Tensor, ""]:
        """``-log(e^near / (e^near + e^far))``, a mean over targets."""
        maps = self.maps
        near = F.cosine_similarity(maps["state"](state), maps["proxy"](proxy))
        far = F.cosine_similarity(maps["own"](state), maps["other"](other))
        return F.softplus(far - near).mean()


@register("dimo")
class DIMO(Recommender):
    """Ids and features on a graph of co-occurrence, kept apart (:mod:`models.dimo`)."""

    config_type = DIMOConfig
    causal = False
    config: DIMOConfig
    near: Tensor
    related: Tensor
    weights: Tensor
    unrelated: Tensor

    def __init__(self, config: DIMOConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config.canonical()
        self.reads = settle(config.needs(), catalogue.available())
        sources = config.sources()
        has_table = {"id": True, "modality": config.features == "overwritten"}
        self.own_tables = nn.ModuleDict(
            {name: _table(catalogue, config.dim) for name in sources if has_table[name]}
        )
        self.maps = nn.ModuleDict(
            {name: PooledFeatures(catalogue, name, config.dim) for name in config.modalities()}
        )
        self.encoders = nn.ModuleDict(
            {
                name: SelfAttention(config.dim, config.num_heads, config.attention_dropout)
                for name in sources
            }
        )
        self.proxies = nn.ModuleDict()
        if self.config.proxy_weight:
            self.proxies.update({name: Proxies(config.dim) for name in sources})
        self.dropout = Dropout(config.dropout)
        self._count(catalogue)

    def _count(self, catalogue: Catalogue) -> None:
        """The graph, and which items occur with each most often, and which do not."""
        counts = catalogue.derivations().cooccurrence(
            max_distance=self.config.max_distance,
            inverse=False,
            held_out=self.config.counted == "everything",
        )
        related, weights = most_related(counts, NUM_NEIGHBOURS)
        self.register_buffer("near", normalised(counts, "rows"), persistent=False)
        self.register_buffer("related", related, persistent=False)
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("unrelated", unrelated(counts, NUM_NEIGHBOURS))  # drawn, so kept

    def samples(self) -> Prefixes:
        """Prefixes, since attention reads both sides."""
        return Prefixes()

    def tables(self) -> dict[str, Float[Tensor, "rows dim"]]:
        """Every item as each cause represents it, spread over the graph."""
        mapped = [of() for of in self.maps.values()]
        tables = {n: of for n, of in self.own_tables.items() if isinstance(of, nn.Embedding)}
        own: dict[str, Tensor] = {name: table.weight for name, table in tables.items()}
        if mapped:
            own["modality"] = sum(mapped[1:], start=mapped[0])
        return {name: self._spread(own[name]) for name in self.config.sources()}

    def _spread(self, table: Float[Tensor, "rows dim"]) -> Float[Tensor, "rows dim"]:
        table = self.dropout(table)
        for _ in range(self.config.num_layers):
            table = table + spread_over(self.near, table)
        return table

    def encode(
        self, history: History, tables: Mapping[str, Float[Tensor, "rows dim"]]
    ) -> Float[Tensor, "batch length width"]:
        """States of every position, cause beside cause, and behind them their proxies."""
        is_item = history.is_item
        allowed = attention_mask(is_item, causal=False)
        states, proxies = [], []
        for name, encoder in self.encoders.items():
            x = F.embedding(history.items, tables[name]) * is_item[:, :, None]
            states.append(encoder(x, allowed).float())
            mean = x.sum(dim=1) / is_item.sum(dim=1, keepdim=True).clamp(min=1)
            proxies.append(mean[:, None].expand_as(x).float())
        return torch.cat([*states, *proxies], dim=2)

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item, and what keeps the causes apart."""
        tables, targets = self.tables(), batch.targets()
        found = batch.states(lambda history: self.encode(history, tables)).chunk(2, dim=1)
        parts = {"cross_entropy": full_softmax(found[0], _beside(tables), targets)}
        of = self.config
        if of.cooccurrence_weight:
            parts["cooccurrence"] = of.cooccurrence_weight * self._together(tables["id"])
        names = of.sources()
        states, proxies = (dict(zip(names, x.chunk(len(names), 1), strict=True)) for x in found)
        if of.proxy_weight:
            parts["proxy"] = of.proxy_weight * self._apart(states, proxies)
        if of.counterfactual_weight:
            together = torch.cat(
                [self._occurs(group.history, group.targets) for group in batch.groups]
            )
            parts["counterfactual"] = of.counterfactual_weight * _fits(
                states, {name: table[targets] for name, table in tables.items()}, together
            )
        total = torch.stack(list(parts.values())).sum()
        return Loss(total, {name: part.detach() for name, part in parts.items()})

    def _together(self, ids: Float[Tensor, "rows dim"]) -> Float[Tensor, ""]:
        """Contrast of what co-occurs with an item and what does not, over items that have both."""
        unit = F.normalize(ids, dim=1)
        shares = self.weights / self.weights.sum(dim=1, keepdim=True).clamp(min=1e-9)
        positive = (F.embedding(self.related, ids) * shares[:, :, None]).sum(dim=1)
        near = F.cosine_similarity(ids, positive)
        far = torch.einsum("rd,rnd->rn", unit, F.embedding(self.unrelated, unit))
        far = far.masked_fill(self.unrelated == 0, -torch.inf)
        counts = (self.related[:, 0] > 0) & (self.unrelated[:, 0] > 0)
        every = torch.cat([near[:, None], far], dim=1)[counts].logsumexp(dim=1)
        return (every - near[counts]).sum() / counts.sum().clamp(min=1)

    def _apart(
        self, states: Mapping[str, Tensor], proxies: Mapping[str, Tensor]
    ) -> Float[Tensor, ""]:
        first, second = self.config.sources()
        return torch.stack(
            [
                self.proxies[first](states[first], proxies[first], states[second]),
                self.proxies[second](states[second], proxies[second], states[first]),
            ]
        ).sum()

    def _occurs(
        self, history: History, targets: Int[Tensor, "batch length"]
    ) -> Bool[Tensor, " targets"]:
        """Whether each target is among what occurs most often with an item of its history."""
        wanted = targets > 0
        known = self.related[history.items].flatten(1)
        return (known[wanted.nonzero()[:, 0]] == targets[wanted][:, None]).any(dim=1)

    def encode_items(self) -> Items:
        """Representations of the whole catalogue by cause."""
        return self.tables()

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Dot products of the last states with every item, added up over the causes."""
        tables = self.encode_items() if items is None else items
        state, _ = self.encode(history, tables)[:, -1].chunk(2, dim=1)
        return state @ _beside(tables)[1:].T


def _table(catalogue: Catalogue, dim: int) -> nn.Embedding:
    """As wide as the original code draws it: no norm lifts what is small."""
    table = item_table(catalogue.num_items, dim)
    nn.init.uniform_(table.weight, -(dim**-0.5), dim**-0.5)
    return table.apply(zero_padding)


def _beside(tables: Mapping[str, Tensor]) -> Float[Tensor, "rows width"]:
    return torch.cat(list(tables.values()), dim=1)


def _fits(
    states: Mapping[str, Tensor], wanted: Mapping[str, Tensor], together: Bool[Tensor, " targets"]
) -> Float[Tensor, ""]:
    """``-flag log(e^id / (e^id + e^modality))`` of the target's cosines, a mean over targets.

    The flag is 1 where the target occurs together with an item of the history, else -1.
    """
    fit = {name: F.cosine_similarity(states[name], wanted[name]) for name in states}
    rest = F.softplus(fit["modality"] - fit["id"])
    return torch.where(together, rest, -rest).mean()
