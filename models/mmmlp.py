"""MMMLP: ids, texts and images of a history mixed by multilayer perceptrons alone.

Paper: Jiahao Liang, Xiangyu Zhao, Muyang Li, Zijian Zhang, Wanyu Wang, Haochen Liu and Zitao Liu,
"MMMLP: Multi-modal Multilayer Perceptron for Sequential Recommendations", WWW 2023,
https://doi.org/10.1145/3543507.3583378. Original code:
https://github.com/Applied-Machine-Learning-Lab/MMMLP.
Idea: in place of attention, one perceptron mixes the places of a history and another its channels,
in turn, which takes time linear in its length. Ids, texts and images have mixers of their own; the
three streams are then joined and mixed, and the newest place's state is compared with every item's
id embedding by dot product.
Differs from the paper: texts and images enter as pooled vectors of an encoder through a linear map,
where the paper mixes the patches of pixels (its code reads ready vectors, too). Places are counted
from the newest item and padding is held at zero, where the original mixes its padding in. An item
without a modality has zeros in that stream. The paper's text was not at hand, only its abstract,
its code and what others tell of them: the joining mixer is a block over all three streams' channels
before the linear map (`fusion = "linear"` is the code's, without it); depth and dropout, which
neither gives, are ours and untuned.
Differs from the original code: it cannot run as published. Its layers share one block's weights,
and of texts and images each layer starts from the same input, so that they have one layer whatever
its number says; `mixing = "released"` is that, and here each layer has weights of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
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
)
from models._losses import full_softmax
from models._registry import register
from models.layers.features import PooledFeatures
from models.layers.mixing import MixerBlock
from models.layers.transformer import init_normal, item_table, zero_padding


@dataclass(frozen=True, kw_only=True)
class MMMLPConfig(Config):
    """Settings of MMMLP."""

    dim: int = 128
    """Width d of item and user representations."""
    dropout: float = 0.5
    """Inside and behind every perceptron of the mixers."""
    num_layers: int = 2
    """Mixer blocks of each stream."""
    expansion: int = 4
    """Inner width of the mixers' perceptrons over their outer width."""
    mixing: Literal["stacked", "released"] = "stacked"
    """Every layer with weights of its own; or, as in the original code, one block's weights for
    all layers of ids and a single layer of texts and images."""
    fusion: Literal["mixer", "linear"] = "mixer"
    """A mixer block over the joined streams before the linear map, or that map alone."""
    use_text: bool = True
    """Off: texts go with their stream."""
    use_image: bool = True
    """Off: images go with their stream."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        at_least("num_layers", self.num_layers, 1)
        at_least("expansion", self.expansion, 1)

    def modalities(self) -> tuple[str, ...]:
        """Modalities in use."""
        used = {"text": self.use_text, "image": self.use_image}
        return tuple(name for name, is_used in used.items() if is_used)

    def needs(self) -> tuple[Need, ...]:
        """Ids and pooled vectors."""
        return (Need(IDS), *(Need(name, ("pooled",)) for name in self.modalities()))

    def canonical(self) -> "MMMLPConfig":
        """A single layer shares its weights with no other."""
        return replace(self, mixing="stacked") if self.num_layers == 1 else self


class Stream(nn.Module):
    """LayerNorm, then mixer blocks over one kind of input."""

    def __init__(self, config: MMMLPConfig, *, is_id: bool) -> None:
        super().__init__()
        is_stacked = config.mixing == "stacked"
        self.repeats = config.num_layers if is_id and not is_stacked else 1
        self.norm = nn.LayerNorm(config.dim)
        self.blocks = nn.ModuleList(
            MixerBlock(config.max_length, config.dim, config.dropout, expansion=config.expansion)
            for _ in range(config.num_layers if is_stacked else 1)
        )

    def forward(
        self, x: Float[Tensor, "batch length dim"], is_item: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length dim"]:
        """Every place with what it took from the others."""
        x = self.norm(x)
        for _ in range(self.repeats):
            for block in self.blocks:
                x = block(x, is_item)
        return x


@register("mmmlp")
class MMMLP(Recommender):
    """Mixers over ids, texts and images (:mod:`models.mmmlp`)."""

    config_type = MMMLPConfig
    causal = False
    config: MMMLPConfig

    def __init__(self, config: MMMLPConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.reads = settle(config.needs(), catalogue.available())
        names = config.modalities()
        width = (1 + len(names)) * config.dim
        self.item_ids = item_table(catalogue.num_items, config.dim)
        self.features = nn.ModuleDict(
            {name: PooledFeatures(catalogue, name, config.dim) for name in names}
        )
        self.streams = nn.ModuleDict(
            {name: Stream(config, is_id=name == "id") for name in ("id", *names)}
        )
        self.joint = None
        if config.fusion == "mixer":
            self.joint = MixerBlock(
                config.max_length, width, config.dropout, expansion=config.expansion
            )
        self.fuse = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, config.dim), nn.LayerNorm(config.dim)
        )
        self.apply(init_normal)
        self.apply(zero_padding)

    def samples(self) -> Prefixes:
        """Prefixes, since later items reach earlier states."""
        return Prefixes()

    def encode_items(self) -> Items:
        """Every item's texts and images at the model's width."""
        return {name: features() for name, features in self.features.items()}

    def encode(
        self, history: History, items: Items, *, newest: bool = False
    ) -> Float[Tensor, "batch places dim"]:
        """States of every place, or of the newest alone; those at padding mean nothing."""
        places = history.items[:, -self.config.max_length :]
        is_item = places != 0
        inputs: Mapping[str, Tensor] = {"id": self.item_ids.weight, **items}
        mixed = [
            stream(F.embedding(places, inputs[name]), is_item)
            for name, stream in self.streams.items()
        ]
        x = torch.cat(mixed, dim=-1)
        if self.joint is not None:
            x = self.joint(x, is_item, newest=newest)
        return self.fuse(x[:, -1:] if newest else x)

    def _newest(self, history: History, items: Items) -> Float[Tensor, "batch dim"]:
        return self.encode(history, items, newest=True)[:, -1]

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item against the whole catalogue."""
        items = self.encode_items()
        states = batch.newest(lambda history: self._newest(history, items))
        total = full_softmax(states, self.item_ids.weight, batch.targets())
        return Loss(total, {"cross_entropy": total.detach()})

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Dot product of the newest place's state with every item's id embedding."""
        items = self.encode_items() if items is None else items
        return self._newest(history, items) @ self.item_ids.weight[1:].T
