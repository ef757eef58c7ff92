"""UniSRec: texts instead of ids, brought to a sequence encoder by a mixture of whitening experts.

Paper: Yupeng Hou, Shanlei Mu, Wayne Xin Zhao, Yaliang Li, Bolin Ding, Ji-Rong Wen, "Towards
Universal Sequence Representation Learning for Recommender Systems", KDD 2022,
https://arxiv.org/abs/2206.05941. Original code: https://github.com/RUCAIBox/UniSRec.
Idea: what language models say of items lies in a narrow cone, and differs from domain to domain.
Experts that each shift and map an item's text (parametric whitening) are mixed by a gate, and a
causal Transformer reads a user's items so represented. Its last state is compared with all items by
cosine. Where ids are known they are added (the paper's transductive setting).
Differs from the paper: no pre-training on other domains, so that nothing is frozen and neither of
its two contrasts is there; text and ids together are the default, `use_ids` set to false is text
alone. Images may be added through a mixture of their own, which the paper has not.
Differs from the original code: gate noise is drawn once per step for what histories read and once
for what is compared with, dropout of the features once for both and for all experts, where the
original draws them for every place and expert.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models._inputs import IDS, Need, settle
from models._interface import (
    Batch,
    Catalogue,
    History,
    Items,
    Loss,
    Recommender,
)
from models._losses import cosine_softmax, cosines
from models._registry import register
from models.layers.mixture import ExpertMixture, MixtureConfig, mixture_of
from models.layers.transformer import (
    PositionEmbedding,
    SequenceEncoder,
    init_normal,
    item_table,
    zero_padding,
)

PARTS = ("id", "modality")


@dataclass(frozen=True, kw_only=True)
class UniSRecConfig(MixtureConfig):
    """Settings of UniSRec; the defaults are its code's."""

    use_ids: bool = True
    """Whether items' ids are added to what the experts make of their features."""
    use_image: bool = False
    """Whether images are added, by experts of their own."""

    def modalities(self) -> tuple[str, ...]:
        """Modalities that the model reads."""
        return ("text", "image") if self.use_image else ("text",)

    def needs(self) -> tuple[Need, ...]:
        """Pooled vectors, and ids where they are added."""
        pooled = tuple(Need(name, ("pooled",)) for name in self.modalities())
        return (Need(IDS), *pooled) if self.use_ids else pooled


@register("unisrec")
class UniSRec(Recommender):
    """Mixtures of experts over pooled features, and ids (:mod:`models.unisrec`)."""

    config_type = UniSRecConfig
    config: UniSRecConfig

    def __init__(self, config: UniSRecConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.reads = settle(config.needs(), catalogue.available())
        self.adaptors = nn.ModuleDict(
            {name: mixture_of(catalogue, name, config) for name in config.modalities()}
        )
        self.positions = PositionEmbedding(config.max_length, config.dim)
        self.encoder = SequenceEncoder(config.encoder_shape())
        self.item_ids = item_table(catalogue.num_items, config.dim) if config.use_ids else None
        self.apply(init_normal)
        self.apply(zero_padding)

    def tables(
        self, num: int = 1, parts: tuple[str, ...] = PARTS
    ) -> list[Float[Tensor, "rows dim"]]:
        """Every item as its features, its id or both represent it.

        Some such tables, which differ in training, since each has noise of its own.
        """
        found: list[list[Tensor]] = []
        if "modality" in parts:
            mixtures = (m for m in self.adaptors.values() if isinstance(m, ExpertMixture))
            found += [mixture.tables(num) for mixture in mixtures]
        if "id" in parts and self.item_ids is not None:
            found.append([self.item_ids.weight] * num)
        return [sum(of[1:], start=of[0]) for of in zip(*found, strict=True)]

    def encode(
        self, history: History, table: Float[Tensor, "rows dim"]
    ) -> Float[Tensor, "batch length dim"]:
        """States of every position."""
        is_item = history.is_item
        return self.encoder(F.embedding(history.items, table) + self.positions(is_item), is_item)

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item by cosines, at every position."""
        return self._loss(batch, PARTS)

    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """Ids and experts; positions and encoder are shared."""
        if self.item_ids is None:
            return {}
        return {"id": ("item_ids.*",), "modality": ("adaptors.*",)}

    def part_loss(self, batch: Batch, part: str) -> Loss:
        """The loss where items are their ids alone, or their features alone."""
        return self._loss(batch, (part,))

    def _loss(self, batch: Batch, parts: tuple[str, ...]) -> Loss:
        read, compared = self.tables(2, parts)
        states = batch.states(lambda history: self.encode(history, read))
        temperature = self.config.temperature
        total = cosine_softmax(states, compared, batch.targets(), temperature=temperature)
        return Loss(total, {"cross_entropy": total.detach()})

    def encode_items(self) -> Items:
        """Representations of the whole catalogue."""
        return {"items": self.tables()[0]}

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Cosine of the last state with every item."""
        table = (self.encode_items() if items is None else items)["items"]
        return cosines(self.encode(history, table)[:, -1], table)
