"""IISAN: side networks within and between modalities, over frozen encoders' layers.

Paper: Junchen Fu, Xuri Ge, Xin Xin, Alexandros Karatzoglou, Ioannis Arapakis, Jie Wang and Joemon
M. Jose, "IISAN: Efficiently Adapting Multimodal Representation for Sequential Recommendation with
Decoupled PEFT", SIGIR 2024, https://arxiv.org/abs/2404.02059. Original code:
https://github.com/GAIR-Lab/IISAN.
Idea: an encoder of texts or pictures is adapted without running it. The class token's states after
its layers are computed once; a side network of small adapters goes through them in the encoder's
place, one within texts, one within pictures and one between both, and training touches nothing
else. What the three end with is an item's representation; there are no ids.
Differs from the paper: the candidates of a step are its batch's targets, where the paper also takes
each user's first item. A user's other items are negatives, since they stay in the ranking here;
`seen = "spared"` spares those before the target, where the original spares all of them and leaves
them out of its ranking. `loss = "full_softmax"` is the loss of the other models here. Where
encoders differ in depth or width, the last sites meet and the wider states are narrowed, as the
paper's extension (IISAN-Versa, arXiv 2411.02992) does. Learning rates are two (`adapter_rate`),
where the original has four. An item without a modality has zeros there. Pooled vectors in the place
of a modality's layers are a single site, and the run is called iisan-pooled, iisan-text-pooled or
iisan-image-pooled: it is not the paper's model.
Differs from the original code: its gates fall into groups of the optimiser by their names, its
padding has probability 1 in the loss, its paths for a single network are unfinished; none of these
is taken over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

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
from models._losses import full_softmax
from models._registry import register
from models.layers.in_batch import candidates_of, debiased_softmax, log_shares, rows_of
from models.layers.retrieval import in_chunks
from models.layers.side import InterNetwork, IntraNetwork, Layers, sites_of
from models.layers.transformer import (
    EncoderConfig,
    PositionEmbedding,
    SequenceEncoder,
    init_normal,
)

MODALITIES = ("text", "image")


@dataclass(frozen=True, kw_only=True)
class IISANConfig(EncoderConfig):
    """Settings of IISAN; the defaults are the paper's and its code's."""

    dropout: float = 0.1
    """On the user encoder's input, on attention probabilities and on each block's outputs."""
    bottleneck: int = 64
    """Inner width of the adapters."""
    networks: Literal["both", "intra", "inter"] = "both"
    """Side networks within each modality, between them, or all three."""
    gate: Literal["gated", "additive"] = "gated"
    """At each site shares that are learned, or a plain sum."""
    layers: Layers = "even"
    """Layers that are read: every second one, all, or the upper half."""
    loss: Literal["in_batch", "full_softmax"] = "in_batch"
    """Debiased softmax over the batch's targets, or softmax over the whole catalogue."""
    seen: Literal["negatives", "spared"] = "negatives"
    """Whether items of the history before a target count against it in training. The original
    spares them, and leaves them out of its ranking (`eval.exclude_seen`)."""
    adapter_rate: float = 0.5
    """Factor on the learning rate of the side networks and their heads."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        at_least("bottleneck", self.bottleneck, 1)
        positive("adapter_rate", self.adapter_rate)

    def canonical(self) -> "IISANConfig":
        """Over the whole catalogue nothing is spared."""
        return replace(self, seen="negatives") if self.loss == "full_softmax" else self

    def needs(self) -> tuple[Need, ...]:
        """The states of every layer; pooled vectors make it another model."""
        return tuple(Need(name, ("layers",), degraded=("pooled",)) for name in MODALITIES)


class States(nn.Module):
    """One modality's states at the sites that are read, for any items."""

    states: Tensor

    def __init__(self, catalogue: Catalogue, name: str, form: str, layers: Layers) -> None:
        super().__init__()
        is_deep = form == "layers"
        states = catalogue.layers(name) if is_deep else catalogue.pooled(name)[:, None]
        self.register_buffer("states", states, persistent=False)
        self.sites = sites_of(states.shape[1], layers)
        self.width = int(states.shape[2])

    def forward(self, rows: Int[Tensor, " items"]) -> Float[Tensor, "items sites width"]:
        """Of some items; read from where they are stored."""
        return self.states[rows][:, self.sites].float()


@register("iisan")
class IISAN(Recommender):
    """Intra- and inter-modal side networks (:mod:`models.iisan`)."""

    config_type = IISANConfig
    config: IISANConfig

    def __init__(self, config: IISANConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.num_items = catalogue.num_items
        self.reads = settle(config.needs(), catalogue.available())
        self.states = nn.ModuleDict(
            {
                name: States(catalogue, name, form, config.layers)
                for name, form in self.reads.forms.items()
            }
        )
        self.side, self.heads = nn.ModuleDict(), nn.ModuleDict()
        self._add_networks(*self.states.values())
        self.fuse = nn.Linear(len(self.side) * config.dim, config.dim)
        self.positions = PositionEmbedding(config.max_length, config.dim)
        self.encoder = SequenceEncoder(config.encoder_shape())
        self.positions.apply(init_normal)
        self.encoder.apply(init_normal)
        if config.loss == "in_batch":
            self.register_buffer("log_shares", log_shares(catalogue), persistent=False)

    log_shares: Tensor

    def _add_networks(self, *states: nn.Module) -> None:
        of, is_gated = self.config, self.config.gate == "gated"
        towers = {n: s for n, s in zip(MODALITIES, states, strict=True) if isinstance(s, States)}
        widths = {name: tower.width for name, tower in towers.items()}
        depths = {name: len(tower.sites) for name, tower in towers.items()}
        if of.networks != "inter":
            for name, width in widths.items():
                self.side[name] = IntraNetwork(
                    width, depths[name], of.bottleneck, is_gated=is_gated
                )
        if of.networks != "intra":
            widths["inter"] = min(widths.values())
            self.side["inter"] = InterNetwork(
                (widths["text"], widths["image"]),
                min(depths.values()),
                of.bottleneck,
                is_gated=is_gated,
            )
        for name in self.side:
            width = widths[name]
            self.heads[name] = nn.Sequential(nn.Linear(width, width), nn.Linear(width, of.dim))

    def stages(self) -> tuple[Stage, ...]:
        """One stage; side networks at a rate of their own."""
        rate = self.config.adapter_rate
        return (Stage(name="joint", rates={"side.*": rate, "heads.*": rate}),)

    def inert_settings(self) -> Mapping[str, str]:
        """The choice of layers, where neither modality has more than one state."""
        if "layers" in self.reads.forms.values():
            return {}
        return {"layers": "the data set has one vector of each modality"}

    def represented(self, rows: Int[Tensor, " items"]) -> Float[Tensor, "items dim"]:
        """Some items, by their states alone."""
        states = {name: tower(rows) for name, tower in self.states.items()}
        ends = {
            name: network(*states.values()) if name == "inter" else network(states[name])
            for name, network in self.side.items()
        }
        return self.fuse(torch.cat([self.heads[name](end) for name, end in ends.items()], dim=1))

    def encode_items(self) -> Items:
        """Representations of the whole catalogue."""
        rows = torch.arange(self.num_items + 1, device=self.fuse.weight.device)
        return {"items": in_chunks(self.represented, rows)}

    def encode(
        self,
        history: History,
        items: Float[Tensor, "rows dim"],
        rows: Int[Tensor, " some"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """States of every position.

        Args:
            history: what was taken.
            items: representations of the catalogue, or of some items.
            rows: which items those are, ascending, where they are some.
        """
        is_item = history.is_item
        place = history.items if rows is None else torch.searchsorted(rows, history.items)
        return self.encoder(items[place] + self.positions(is_item), is_item)

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item, at every position."""
        if self.config.loss == "full_softmax":
            items = self.encode_items()["items"]
            states = batch.states(lambda history: self.encode(history, items))
            total = full_softmax(states, items, batch.targets())
            return Loss(total, {"cross_entropy": total.detach()})
        among = candidates_of(batch, self.log_shares, spares_seen=self.config.seen == "spared")
        rows = rows_of(batch, among)
        items = in_chunks(self.represented, rows)
        states = batch.states(lambda history: self.encode(history, items, rows))
        total = debiased_softmax(states, items[torch.searchsorted(rows, among.items)], among)
        return Loss(total, {"cross_entropy": total.detach()})

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Dot product of the last state with every item's representation."""
        table = (self.encode_items() if items is None else items)["items"]
        return self.encode(history, table)[:, -1] @ table[1:].T
