"""DeCoRec: modality first, ids second, and retrieval across modalities.

Paper: Zhaoqi Chen, Wanni Xu, Yunfeng Zhang, Yawei Hou, Zhenyu Wen, Cong Wang, "DeCoRec: Decoupled
Collaborative Refinement for Multi-Modal Sequential Recommendations", MM 2025,
https://doi.org/10.1145/3746027.3755475. Original code: https://github.com/KIKIENAO/decorec.
Idea: ids learn fast and modality features slowly, so training them together lets the ids lock the
model. Stage 1 trains adapters of text and image features and one shared encoder; stage 2 freezes
the adapters and adds item ids, enriched by what co-occurs with them, and an embedding of the
interest cluster that an item's features belong to. Each modality's state retrieves the next item
among the text and the image representations of all items, so that one may find the other.
Differs from the paper: the gate of eq. 2 reads E_l and S E_l, since a row of S has as many numbers
as there are items and is no feature of fixed size; E_l is S^(l-1) E. The gate learns for the ids,
whose enrichment is trained through; clusters are made of enriched features, and k-means passes no
gradient, so there its strength is a setting. alpha scales the other modality's positive
probability, not its logit (eq. 14 as printed rewards a negative logit for being scaled); it enters
eq. 15 as log alpha. Scores (eq. 16-18) are normalised for each user alone. An item without a
modality has the adapter's answer to zeros there. The paper's d_h < d is a setting; sizes, rates and
initial weights are those of its code.
Differs from the original code: its optimiser never trains the tables of ids and interests, and is
made anew each epoch; here each parameter is in one group and moments are kept. Its score divides by
a sum over the whole batch. Its gate is fixed, its ids are one table per modality, its interest
embedding is a table alone: all three are settings here.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from models._inputs import IDS as ID_INPUT
from models._inputs import Need, settle
from models._interface import (
    Batch,
    Catalogue,
    Clustered,
    History,
    Items,
    Loss,
    Recommender,
    Stage,
    at_least,
    positive,
)
from models._losses import chunked_mean
from models._registry import register
from models.layers.graph import normalised, spread_over
from models.layers.transformer import (
    EncoderConfig,
    SequenceEncoder,
    init_normal,
    item_table,
    zero_padding,
)

_OF_STAGE_2 = (
    "freeze_adapters",
    "use_cooccurrence",
    "cooccurrence_norm",
    "cooccurrence_layers",
    "gate",
    "use_clusters",
    "cluster_ratio",
    "num_clusters",
    "cluster_gate",
    "interest",
    "id_tables",
    "id_rate",
)
"""Settings that nothing before stage 2 depends on."""
IDS = "ids"
"""Name of the only source of an id-only model."""
PARTS = ("id", "modality")


@dataclass(frozen=True, kw_only=True)
class DeCoRecConfig(EncoderConfig):
    """Settings of DeCoRec; the defaults are the paper's and its code's."""

    dim: int = 300
    """Width d of item and user representations."""
    dropout: float = 0.5
    """On the encoder's input, on attention probabilities and on each block's outputs."""
    num_layers: int = 1
    """Blocks of the encoder that all modalities share."""
    num_heads: int = 4
    """Attention heads of the encoder; must divide ``dim``."""
    adapter: Literal["mlp", "linear"] = "mlp"
    """Linear-ReLU-linear (eq. 8), or one linear map."""
    adapter_hidden: int = 300
    """Width d_h inside the adapter."""
    fusion: Literal["phased", "joint", "modality", "id"] = "phased"
    """Modality and then ids in two stages, both at once, or one of them alone."""
    freeze_adapters: bool = True
    """Whether the adapters keep still in stage 2."""
    retrieval: Literal["cross", "intra", "text", "image"] = "cross"
    """Candidates of a modality's state: of all modalities, of its own; or one modality alone."""
    scoring: Literal["both", "text", "image"] = "both"
    """Modality whose states and representations rank; training is on all that ``retrieval`` has."""
    temperature: float = 2.0
    """tau of eq. 12."""
    alpha: float = 1.0
    """Weight of the other modality's positive (eq. 14) and score (eq. 17), in [0, 1]."""
    use_cooccurrence: bool = True
    """Whether ids are enriched by the ids that co-occur with them (eq. 3)."""
    cooccurrence_norm: Literal["symmetric", "rows_and_columns"] = "symmetric"
    """D^-1/2 S D^-1/2, or the original code's D^-1 S D^-1."""
    cooccurrence_layers: int = 2
    """|L|: how far co-occurrence reaches."""
    gate: Literal["learned", "fixed"] = "learned"
    """Strength mu of the enrichment of ids: eq. 2, or 1 throughout."""
    use_clusters: bool = True
    """Whether items have an embedding of their interest cluster (eq. 6)."""
    cluster_ratio: float = 0.1
    """Clusters per item, for each modality."""
    num_clusters: int = 0
    """Clusters of each modality; 0 takes ``cluster_ratio``."""
    cluster_gate: float = 0.01
    """Strength mu of the enrichment of the features that are clustered, in [0, 1]."""
    interest: Literal["mlp", "table"] = "mlp"
    """A table of clusters followed by an MLP, or the table alone."""
    id_tables: Literal["shared", "per_modality"] = "shared"
    """One table of ids, or one for each modality."""
    id_rate: float = 0.1
    """Factor on the learning rate of the tables of ids in stage 2."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        at_least("adapter_hidden", self.adapter_hidden, 1)
        at_least("cooccurrence_layers", self.cooccurrence_layers, 1)
        at_least("num_clusters", self.num_clusters, 0)
        positive("temperature", self.temperature)
        positive("cluster_ratio", self.cluster_ratio)
        positive("id_rate", self.id_rate)
        _share("alpha", self.alpha)
        _share("cluster_ratio", self.cluster_ratio)
        _share("cluster_gate", self.cluster_gate)
        if self.scoring not in ("both", *self.modalities()):
            raise ValueError(
                f"`scoring` cannot be {self.scoring}: `retrieval` = {self.retrieval} and `fusion` "
                f"= {self.fusion} train no such modality."
            )

    def modalities(self) -> tuple[str, ...]:
        """Modalities that the model reads."""
        if self.fusion == "id":
            return ()
        return (self.retrieval,) if self.retrieval in ("text", "image") else ("text", "image")

    def canonical(self) -> "DeCoRecConfig":
        """Without ids nothing depends on how they would be used."""
        return self._of_modality() if self.fusion == "modality" else self

    def first_stage(self) -> "DeCoRecConfig | None":
        """Stage 1 is the training of modality alone."""
        return self._of_modality() if self.fusion == "phased" else None

    def _of_modality(self) -> "DeCoRecConfig":
        default = DeCoRecConfig()
        later = {name: getattr(default, name) for name in _OF_STAGE_2}
        return dataclasses.replace(self, **{**later, "fusion": "modality"})

    def needs(self) -> tuple[Need, ...]:
        """Pooled vectors of what it reads; ids but in the training of modality alone."""
        ids = () if self.fusion == "modality" else (Need(ID_INPUT),)
        return (*ids, *(Need(name, ("pooled",)) for name in self.modalities()))

    def clusters_of(self, num_items: int) -> int:
        """Number k of clusters of each modality."""
        wanted = self.num_clusters or round(self.cluster_ratio * num_items)
        return min(max(1, wanted), num_items)


def _share(key: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"`{key}` cannot be {value}: it must be in [0, 1].")


class Adapter(nn.Module):
    """Pooled features of one modality into the space of behaviour (eq. 8)."""

    def __init__(self, pooled: Float[Tensor, "rows width"], config: DeCoRecConfig) -> None:
        super().__init__()
        self.register_buffer("pooled", pooled, persistent=False)
        width, inner = pooled.shape[1], config.adapter_hidden
        self.map: nn.Module = nn.Linear(width, config.dim)
        if config.adapter == "mlp":
            self.map = nn.Sequential(
                nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, config.dim)
            )

    pooled: Tensor

    def forward(self) -> Float[Tensor, "rows dim"]:
        """All items' features, adapted."""
        return self.map(self.pooled.float())


class Ids(nn.Module):
    """A table of ids, enriched by what co-occurs with them (eq. 2-3)."""

    def __init__(self, config: DeCoRecConfig, num_items: int, near: Tensor | None) -> None:
        super().__init__()
        self.table = item_table(num_items, config.dim)
        self.register_buffer("near", near, persistent=False)
        self.num_layers = config.cooccurrence_layers
        is_gated = near is not None and config.gate == "learned"
        self.gates = nn.ModuleList(
            nn.Linear(2 * config.dim, 1) for _ in range(self.num_layers if is_gated else 0)
        )

    near: Tensor | None

    def forward(self) -> Float[Tensor, "rows dim"]:
        """``E + 1/|L| sum_l mu_l S E_l`` with ``E_1 = E`` and ``E_(l+1) = S E_l``."""
        own = self.table.weight
        if self.near is None:
            return own
        added, layer = torch.zeros_like(own), own
        for index in range(self.num_layers):
            spread = spread_over(self.near, layer)
            added = added + self._strength(index, layer, spread) * spread
            layer = spread
        return own + added / self.num_layers

    def _strength(self, index: int, layer: Tensor, spread: Tensor) -> Tensor | float:
        """Strength mu of a layer (eq. 2), one number per item."""
        if not self.gates:
            return 1.0
        return torch.sigmoid(self.gates[index](torch.cat([layer, spread], dim=1)))


class Interest(nn.Module):
    """An embedding of the cluster that an item's features belong to (eq. 4-6)."""

    def __init__(
        self, config: DeCoRecConfig, clusters: Int[Tensor, " items"], num_clusters: int
    ) -> None:
        super().__init__()
        rows = torch.cat([clusters.new_zeros(1), clusters + 1])  # padding is in no cluster
        self.register_buffer("clusters", rows)
        self.table = item_table(num_clusters, config.dim)
        self.mlp: nn.Module = nn.Identity()
        if config.interest == "mlp":
            self.mlp = nn.Sequential(
                nn.Linear(config.dim, config.dim), nn.ReLU(), nn.Linear(config.dim, config.dim)
            )

    clusters: Tensor

    def forward(self) -> Float[Tensor, "rows dim"]:
        """Every item's interest embedding."""
        return self.mlp(self.table.weight)[self.clusters]


@register("decorec")
class DeCoRec(Recommender):
    """Two-stage fusion with retrieval across modalities (:mod:`models.decorec`)."""

    config_type = DeCoRecConfig
    config: DeCoRecConfig

    def __init__(self, config: DeCoRecConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.sources = config.modalities() or (IDS,)
        self.reads = settle(config.needs(), catalogue.available())
        features = {name: catalogue.pooled(name) for name in config.modalities()}
        self.adapters = nn.ModuleDict({name: Adapter(x, config) for name, x in features.items()})
        self.encoder = SequenceEncoder(config.encoder_shape())
        self.output_norm = nn.LayerNorm(config.dim)
        self.apply(init_normal)
        # What follows draws its weights last: stage 1 starts alike whatever stage 2 will be.
        self.ids, self.interests = nn.ModuleDict(), nn.ModuleDict()
        self.has_ids = config.fusion != "modality"
        """Whether ids and interests count; in stage 1 they do not."""
        if self.has_ids:
            self._add_ids(catalogue, features)
        self._adapted: dict[str, Tensor] | None = None

    def _add_ids(self, catalogue: Catalogue, features: Mapping[str, Tensor]) -> None:
        config = self.config
        near = None
        if config.use_cooccurrence or (config.use_clusters and config.cluster_gate and features):
            near = normalised(
                catalogue.derivations().cooccurrence(max_distance=config.max_length),
                config.cooccurrence_norm,
            )
        tables = ("shared",) if config.id_tables == "shared" else self.sources
        spread = near if config.use_cooccurrence else None
        self.ids = nn.ModuleDict({n: Ids(config, catalogue.num_items, spread) for n in tables})
        if config.use_clusters:
            seed = int(torch.randint(2**31, ()))
            for name, own in features.items():
                enriched = _enriched(own, near, config)
                self.interests[name] = self._interest(catalogue, enriched, seed)
        for added in (self.ids, self.interests):
            added.apply(init_normal)
            added.apply(zero_padding)

    def _interest(self, catalogue: Catalogue, features: Tensor, seed: int) -> Interest:
        num_clusters = self.config.clusters_of(catalogue.num_items)
        clusters = catalogue.derivations().clusters(features[1:], num_clusters, seed=seed)
        return Interest(self.config, clusters, num_clusters)

    def stages(self) -> tuple[Stage, ...]:
        """Modality, then fusion with the adapters frozen; one stage where nothing is phased."""
        if self.config.fusion != "phased":
            return (Stage(name=self.config.fusion),)
        own = ("ids.*", *(("interests.*",) if self.interests else ()))
        frozen = ("adapters.*",) if self.config.freeze_adapters else ()
        rates = {"ids.*.table.weight": self.config.id_rate}
        return (
            Stage(name="modality", frozen=own),
            Stage(name="fusion", frozen=frozen, rates=rates),
        )

    def start_epoch(self, stage: Stage, epoch: int) -> None:
        """Switch ids on or off; frozen adapters are asked once per epoch."""
        self.has_ids = bool(self.ids) and stage.name != "modality"
        self._adapted = None
        if "adapters.*" in stage.frozen:
            with torch.no_grad():
                self._adapted = {name: adapter() for name, adapter in self.adapters.items()}

    def tables(self, parts_used: tuple[str, ...] = PARTS) -> dict[str, Float[Tensor, "rows dim"]]:
        """Every item as each source represents it (eq. 10), or as some of its parts do."""
        parts: dict[str, list[Tensor]] = {name: [] for name in self.sources}
        if "modality" in parts_used:
            for name in self.adapters:
                parts[name].append(self._features(name))
        if self.has_ids and "id" in parts_used:
            shared = self.ids["shared"]() if "shared" in self.ids else None
            for name in self.sources:
                parts[name].append(self.ids[name]() if shared is None else shared)
            for name, interest in self.interests.items():
                parts[name].append(interest())
        return {name: sum(found[1:], start=found[0]) for name, found in parts.items()}

    def _features(self, name: str) -> Tensor:
        if self.training and self._adapted is not None:
            return self._adapted[name]
        return self.adapters[name]()

    def encode(
        self, history: History, tables: Mapping[str, Tensor]
    ) -> Float[Tensor, "batch length width"]:
        """States of every position, source beside source (eq. 9, 11)."""
        is_item = history.is_item
        inputs = torch.cat([F.embedding(history.items, table) for table in tables.values()])
        states = self.output_norm(self.encoder(inputs, is_item.repeat(len(tables), 1)))
        return torch.cat(states.chunk(len(tables)), dim=-1)

    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """Ids with interests, and adapters; the encoder is shared. In stage 1 there are no ids."""
        if not (self.has_ids and self.adapters):
            return {}
        own = ("ids.*", *(("interests.*",) if self.interests else ()))
        return {"id": own, "modality": ("adapters.*",)}

    def part_loss(self, batch: Batch, part: str) -> Loss:
        """The loss where items are their ids and interests alone, or their features alone."""
        return self._loss(batch, self.tables((part,)))

    def clustered(self) -> Mapping[str, Clustered]:
        """Items of each modality without and with the embedding of their interest cluster."""
        if not self.has_ids:
            return {}
        after = self.tables()
        return {
            name: Clustered(
                clusters=interest.clusters[1:] - 1,
                before=(after[name] - interest())[1:],
                after=after[name][1:],
            )
            for name, interest in self.interests.items()
            if isinstance(interest, Interest)
        }

    def loss(self, batch: Batch) -> Loss:
        """Retrieval of the next item by every source's state, summed (eq. 15)."""
        return self._loss(batch, self.tables())

    def _loss(self, batch: Batch, tables: Mapping[str, Tensor]) -> Loss:
        states = batch.states(lambda history: self.encode(history, tables))
        stacked = torch.stack(list(tables.values()), dim=1)
        wanted = chunked_mean(self._retrieve, states, stacked, batch.targets())
        parts = dict(zip(tables, wanted.detach(), strict=True))
        return Loss(wanted.sum(), parts)

    def _retrieve(
        self,
        states: Float[Tensor, "targets width"],
        tables: Float[Tensor, "rows sources dim"],
        targets: Int[Tensor, " targets"],
    ) -> Float[Tensor, " sources"]:
        """Sum over targets of each source's loss."""
        logits = self._logits(states, tables[1:])
        num_sources = logits.shape[1]
        index = (targets - 1)[:, None, None, None].expand(-1, num_sources, num_sources, 1)
        positive = logits.gather(3, index).squeeze(3) + self._log_weights(logits)
        if self.config.retrieval == "cross":
            every = logits.flatten(2).logsumexp(dim=2)
        else:
            every = logits.diagonal(dim1=1, dim2=2).logsumexp(dim=1)
        return (every - positive.logsumexp(dim=2)).sum(dim=0)

    def _logits(
        self, states: Float[Tensor, "targets width"], items: Float[Tensor, "items sources dim"]
    ) -> Float[Tensor, "targets sources sources items"]:
        """Every source's state against every source's representation of each item (eq. 12)."""
        num_items, num_sources, dim = items.shape
        whole = items.transpose(0, 1).reshape(num_sources * num_items, dim)
        own = states.unflatten(1, (num_sources, dim)) / self.config.temperature
        return (own @ whole.T).float().unflatten(2, (num_sources, num_items))

    def _log_weights(self, logits: Tensor) -> Float[Tensor, "sources sources"]:
        """Logarithm of each representation's weight: 1 for its own, alpha or 0 else (eq. 14)."""
        weight = self.config.alpha if self.config.retrieval == "cross" else 0.0
        others = math.log(weight) if weight else -math.inf
        own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
        return torch.where(own, 0.0, others)

    def encode_items(self) -> Items:
        """Representations of the whole catalogue by source."""
        return self.tables()

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Probabilities of both modalities' retrieval, added up (eq. 16-18)."""
        tables = self.tables() if items is None else items
        if self.config.scoring != "both":
            tables = {self.config.scoring: tables[self.config.scoring]}
        states = self.encode(history, tables)[:, -1]
        logits = self._logits(states, torch.stack([table[1:] for table in tables.values()], dim=1))
        if self.config.retrieval == "cross":
            found = logits.flatten(2).softmax(dim=2).view_as(logits)
            weights = self._log_weights(logits).exp()
            return torch.einsum("bstn,st->bn", found, weights)
        return logits.diagonal(dim1=1, dim2=2).softmax(dim=1).sum(dim=2)


def _enriched(
    features: Float[Tensor, "rows width"], near: Tensor | None, config: DeCoRecConfig
) -> Float[Tensor, "rows width"]:
    """Features with those of co-occurring items mixed in (eq. 3), to be clustered."""
    own = features.float()
    if near is None or not config.cluster_gate:
        return own
    added, layer = torch.zeros_like(own), own
    for _ in range(config.cooccurrence_layers):
        layer = spread_over(near, layer)
        added = added + config.cluster_gate * layer
    return own + added / config.cooccurrence_layers
