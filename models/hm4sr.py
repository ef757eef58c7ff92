"""HM4SR: two levels of experts, one over modalities and one over time, with auxiliary tasks.

Paper: Shengzhe Zhang, Liyi Chen, Dazhong Shen, Chao Wang and Hui Xiong, "Hierarchical Time-Aware
Mixture of Experts for Multi-Modal Sequential Recommendation", WWW 2025,
https://arxiv.org/abs/2501.14269. Original code: https://github.com/SStarCCat/HM4SR.
Idea: experts over an item's id, text and image together give each of them what it lacks; gates of
each choose. Experts that weigh the channels are then chosen by when the item was taken: how long
after the one before, and at what time. Ids, texts and images have an encoder each, and the three
states are compared with the item's three plain embeddings. Beside the next item the model tells
items' categories (CP), brings the ids' state near the target's id (IDCL), and the states of texts
and images near what they are when some places hold nothing but their time (PCL).
Differs from the paper: trained in one pass over each sequence, since all its parts are causal; the
auxiliary tasks count as they would over all prefixes, but which places hold their time alone is
drawn once per sequence, each with the probability `placeholder_share`, where the original draws a
fixed number for each prefix. A pair of the same target is no negative. Time is in days since 2000
(`clock = "seconds"` is the original's, whose waves turn thousands of times a day), and intervals
beyond ten years count as ten. The ids' share of their experts starts at 0.001 and not at 0, where
their gate would not train. An item without a modality has zeros there; one without categories does
not count in CP. Where a data set has no categories, the model runs as hm4sr-without-categories.
Differs from the original code: its temporal experts are in no list of parameters, so that they stay
as drawn and are not kept; here they train (`temporal_experts = "released"` leaves them as drawn).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from models._inputs import CATEGORIES, IDS, TIMESTAMPS, WITHOUT, Need, settle
from models._interface import (
    Batch,
    Catalogue,
    Group,
    History,
    Items,
    Loss,
    Recommender,
    at_least,
    positive,
    probability,
)
from models._losses import full_softmax, in_batch_contrast, matched_contrast
from models._registry import register
from models.layers.clock import ClockEmbedding
from models.layers.features import PooledFeatures
from models.layers.transformer import (
    EncoderConfig,
    PositionEmbedding,
    SequenceEncoder,
    init_normal,
    item_table,
    positions,
    zero_padding,
)

MODALITIES = ("text", "image")
STREAMS = ("id", *MODALITIES)
FIRST_SHARES = (0.001, 1.0, 1.0)
"""Of what the experts give to ids, texts and images, where training begins."""


@dataclass(frozen=True, kw_only=True)
class HM4SRConfig(EncoderConfig):
    """Settings of HM4SR; the defaults are the original code's."""

    dropout: float = 0.5
    """On the encoders' input, on attention probabilities and on each block's outputs."""
    num_experts: int = 4
    """Experts over an item's id, text and image."""
    num_temporal_experts: int = 4
    """Experts chosen by time."""
    use_interactive: bool = True
    """Off: ids, texts and images enter as they are ("w/o Interactive MoE")."""
    use_temporal: bool = True
    """Off: time chooses no experts ("w/o Temporal MoE")."""
    temporal_experts: Literal["trained", "released"] = "trained"
    """Experts of time train; or stay as they were drawn, as in the original code."""
    interval_scale: int = 100
    """Embeddings of intervals per doubling of the interval."""
    clock: Literal["days", "seconds"] = "days"
    """Unit of the absolute time; the original takes seconds."""
    contrast_weight: float = 1.0
    """Weight of the contrast of ids (IDCL); 0 leaves it out."""
    temperature: float = 0.2
    """Of the contrast of ids."""
    category_weight: float = 1.0
    """Weight of the prediction of categories (CP); 0 leaves it out."""
    placeholder_weight: float = 1.0
    """Weight of the contrast with placeholders (PCL); 0 leaves it out."""
    placeholder_share: float = 0.3
    """beta: probability of a place to hold its time alone, in (0, 1)."""
    placeholder_temperature: float = 1.0
    """Of the contrast with placeholders."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        at_least("num_experts", self.num_experts, 2)
        at_least("num_temporal_experts", self.num_temporal_experts, 2)
        at_least("interval_scale", self.interval_scale, 1)
        for key in ("contrast_weight", "category_weight", "placeholder_weight"):
            at_least(key, getattr(self, key), 0)
        for key in ("temperature", "placeholder_temperature", "placeholder_share"):
            positive(key, getattr(self, key))
        probability("placeholder_share", self.placeholder_share)

    @property
    def reads_time(self) -> bool:
        """Whether anything depends on clock times."""
        return self.use_temporal or self.placeholder_weight > 0

    def needs(self) -> tuple[Need, ...]:
        """Ids, pooled vectors, clock times where anything reads them, categories if there are."""
        modalities = (Need(name, ("pooled",)) for name in MODALITIES)
        time = (Need(TIMESTAMPS),) if self.reads_time else ()
        told = (Need(CATEGORIES, degraded=(WITHOUT,)),) if self.category_weight else ()
        return (Need(IDS), *modalities, *time, *told)

    def canonical(self) -> "HM4SRConfig":
        """With what is off at its defaults."""
        unused: list[str] = []
        if not self.use_interactive:
            unused += ["num_experts"]
        if not self.use_temporal:
            unused += ["num_temporal_experts", "temporal_experts"]
        if not self.reads_time:
            unused += ["interval_scale", "clock"]
        if not self.contrast_weight:
            unused += ["temperature"]
        if not self.placeholder_weight:
            unused += ["placeholder_share", "placeholder_temperature"]
        defaults: dict[str, Any] = {name: getattr(HM4SRConfig, name) for name in unused}
        return replace(self, **defaults)


class InteractiveExperts(nn.Module):
    """Experts that read all streams of a place; each stream takes its part by a gate of its own."""

    def __init__(self, dim: int, num_experts: int) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.experts = nn.Linear(len(STREAMS) * dim, num_experts * len(STREAMS) * dim)
        self.gates = nn.ModuleList(nn.Linear(dim, num_experts) for _ in STREAMS)
        self.shares = nn.Parameter(torch.tensor(FIRST_SHARES))

    def forward(
        self, x: Float[Tensor, "batch length streams dim"]
    ) -> Float[Tensor, "batch length streams dim"]:
        """Streams with what they took added."""
        given = self.experts(x.flatten(2)).unflatten(2, (self.num_experts, *x.shape[2:]))
        logits = [gate(x[:, :, place]) for place, gate in enumerate(self.gates)]
        weights = torch.stack(logits, dim=2).softmax(dim=-1)
        taken = torch.einsum("blsk,blksd->blsd", weights, given)
        return x + self.shares[:, None] * taken


class TemporalExperts(nn.Module):
    """Weights of all streams' channels, mixed by when the item was taken."""

    weights: Tensor

    def __init__(self, dim: int, num_experts: int, *, trains: bool) -> None:
        super().__init__()
        self.route = nn.Linear(2 * dim, num_experts)
        drawn = 0.1 * torch.randn(num_experts, len(STREAMS), dim)
        if trains:
            self.weights = nn.Parameter(drawn)
        else:
            self.register_buffer("weights", drawn)

    def forward(
        self,
        x: Float[Tensor, "batch length streams dim"],
        time: Float[Tensor, "batch length width"],
    ) -> Float[Tensor, "batch length streams dim"]:
        """Streams, weighed."""
        shares = self.route(time).softmax(dim=-1)
        return x * torch.einsum("blk,ksd->blsd", shares, self.weights)


class Encoded(NamedTuple):
    """States of some histories."""

    plain: Float[Tensor, "batch length streams dim"]
    replaced: Float[Tensor, "batch length modalities dim"]
    """Those of texts and images with placeholders; the plain ones where there are none."""


@register("hm4sr")
class HM4SR(Recommender):
    """Hierarchical time-aware experts (:mod:`models.hm4sr`)."""

    config_type = HM4SRConfig
    config: HM4SRConfig

    def __init__(self, config: HM4SRConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.reads = settle(config.needs(), catalogue.available())
        dim = config.dim
        self.item_ids = item_table(catalogue.num_items, dim)
        self.features = nn.ModuleDict(
            {name: PooledFeatures(catalogue, name, dim) for name in MODALITIES}
        )
        self.positions = PositionEmbedding(config.max_length, dim)
        self.encoders = nn.ModuleDict(
            {name: SequenceEncoder(config.encoder_shape()) for name in STREAMS}
        )
        self.clock = self.placeholders = self.temporal = self.interactive = None
        if config.reads_time:
            self.clock = ClockEmbedding(
                dim, scale=config.interval_scale, in_days=config.clock == "days"
            )
        if config.placeholder_weight:
            self.placeholders = nn.ModuleList(nn.Linear(2 * dim, dim) for _ in MODALITIES)
        self._add_categories(catalogue)
        self.apply(init_normal)
        self.apply(zero_padding)
        if config.use_interactive:
            self.interactive = InteractiveExperts(dim, config.num_experts)
        if config.use_temporal:
            trains = config.temporal_experts == "trained"
            self.temporal = TemporalExperts(dim, config.num_temporal_experts, trains=trains)

    def _add_categories(self, catalogue: Catalogue) -> None:
        self.tell_categories = None
        if CATEGORIES not in self.reads.others:
            return
        assert catalogue.categories is not None, "they were among what it has"
        known = catalogue.categories.multi_hot()
        self.register_buffer("categories", known, persistent=False)
        self.tell_categories = nn.Linear(len(STREAMS) * self.config.dim, known.shape[1])

    categories: Tensor

    def inert_settings(self) -> Mapping[str, str]:
        """The weight of categories where there are none."""
        if self.tell_categories is not None or not self.config.category_weight:
            return {}
        return {"category_weight": "the data set has no categories"}

    def encode_items(self) -> Items:
        """Every item's id, text and image at the model's width."""
        features = {name: features() for name, features in self.features.items()}
        return {"id": self.item_ids.weight, **features}

    def encode(
        self, history: History, table: Float[Tensor, "rows width"], *, replaces: bool = False
    ) -> Encoded:
        """States of every position, by stream.

        Args:
            history: what was taken.
            table: every item's embeddings, streams side by side.
            replaces: also encode texts and images with placeholders.
        """
        is_item = history.is_item
        x = F.embedding(history.items, table).unflatten(2, (len(STREAMS), -1))
        x = x + self.positions(is_item)[:, :, None]
        if self.interactive is not None:
            x = self.interactive(x)
        time = None
        if self.clock is not None:
            assert history.timestamps is not None, "the data set has clock times"
            time = self.clock(history.timestamps, is_item)
        if self.temporal is not None:
            x = self.temporal(x, time)
        encoders = self.encoders.values()
        states = [encode(x[:, :, place], is_item) for place, encode in enumerate(encoders)]
        plain = torch.stack(states, dim=2)
        if not replaces:
            return Encoded(plain, plain[:, :, 1:])
        assert time is not None, "placeholders hold times"
        return Encoded(plain, self._replaced(x, time, is_item))

    def _replaced(
        self,
        x: Float[Tensor, "batch length streams dim"],
        time: Float[Tensor, "batch length width"],
        is_item: Bool[Tensor, "batch length"],
    ) -> Float[Tensor, "batch length modalities dim"]:
        """States of texts and images where some places hold their time alone."""
        assert self.placeholders is not None, "the contrast with placeholders is on"
        states = []
        for place, (name, fill) in enumerate(zip(MODALITIES, self.placeholders, strict=True)):
            chosen = self._chosen(is_item)[:, :, None]
            stream = torch.where(chosen, fill(time).to(x.dtype), x[:, :, 1 + place])
            states.append(self.encoders[name](stream, is_item))
        return torch.stack(states, dim=2)

    def _chosen(self, is_item: Bool[Tensor, "batch length"]) -> Bool[Tensor, "batch length"]:
        """Places of placeholders: at random in training, else at regular distances."""
        place = positions(is_item)
        share = self.config.placeholder_share
        if not self.training:
            return place % max(1, round(1 / share)) == 0
        limit = self.config.max_length  # drawn by place, so that padding shifts nothing
        drawn = torch.rand(len(place), limit, device=place.device)
        return drawn.gather(1, place.clamp(max=limit - 1)) < share

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item, and the auxiliary tasks."""
        of, targets = self.config, batch.targets()
        table = torch.cat(list(self.encode_items().values()), dim=1)
        replaces = of.placeholder_weight > 0
        encoded = [self.encode(g.history, table, replaces=replaces) for g in batch.groups]
        found = [g.targets > 0 for g in batch.groups]
        states = torch.cat([e.plain[at] for e, at in zip(encoded, found, strict=True)])
        parts = {"cross_entropy": full_softmax(states.flatten(1), table, targets)}
        if of.contrast_weight:
            parts["contrast"] = of.contrast_weight * in_batch_contrast(
                states[:, 0], table[:, : of.dim], targets, temperature=of.temperature
            )
        if self.tell_categories is not None:
            parts["categories"] = of.category_weight * self._category_loss(batch, table)
        if replaces:
            replaced = [e.replaced[at] for e, at in zip(encoded, found, strict=True)]
            parts["placeholders"] = of.placeholder_weight * self._placeholder_loss(
                torch.cat(replaced), states[:, 1:], targets
            )
        total = torch.stack(list(parts.values())).sum()
        return Loss(total, {name: part.detach() for name, part in parts.items()})

    def _placeholder_loss(
        self,
        replaced: Float[Tensor, "targets modalities dim"],
        states: Float[Tensor, "targets modalities dim"],
        targets: Int[Tensor, " targets"],
    ) -> Tensor:
        """Contrast of the states with placeholders with those without, mean over modalities."""
        tau = self.config.placeholder_temperature
        pairs = zip(replaced.unbind(1), states.unbind(1), strict=True)
        each = [matched_contrast(one, other, targets, temperature=tau) for one, other in pairs]
        return torch.stack(each).mean()

    def _category_loss(self, batch: Batch, table: Float[Tensor, "rows width"]) -> Tensor:
        """Binary cross-entropy of categories, mean over the items of all targets' histories."""
        assert self.tell_categories is not None, "there are categories"
        logits = self.tell_categories(table).float()
        wrong = F.binary_cross_entropy_with_logits(
            logits, self.categories.float(), reduction="none"
        ).mean(dim=1)
        counts = torch.cat([_times_in_histories(group).flatten() for group in batch.groups])
        items = torch.cat([group.history.items.flatten() for group in batch.groups])
        weights = counts * self.categories.any(dim=1)[items]
        return (weights * wrong[items]).sum() / weights.sum().clamp(min=1)

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Sum over ids, texts and images of state times embedding."""
        items = self.encode_items() if items is None else items
        table = torch.cat(list(items.values()), dim=1)
        return self.encode(history, table).plain[:, -1].flatten(1) @ table[1:].T


def _times_in_histories(group: Group) -> Float[Tensor, "batch length"]:
    """Of each item: how many targets it stands before."""
    is_target = (group.targets > 0).float()
    return is_target.flip(1).cumsum(dim=1).flip(1) * group.history.is_item
