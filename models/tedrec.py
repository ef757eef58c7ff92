"""TedRec: texts and ids of a whole sequence fused in the frequency domain.

Paper: Lanling Xu, Zhen Tian, Bingqian Li, Junjie Zhang, Daoyuan Wang, Hongyu Wang, Jinpeng Wang,
Sheng Chen, Wayne Xin Zhao, "Sequence-level Semantic Representation Fusion for Recommender Systems",
CIKM 2024, https://arxiv.org/abs/2402.18166. Original code: https://github.com/RUCAIBox/TedRec.
Idea: item by item, a text and an id are fused without a look at the sequence that they stand in. A
product of the two sequences' spectra is a convolution, so that each place reads texts and ids of
all others; a learned filter of the ids' spectrum stands beside it, and a gate weighs both. Texts
come through a mixture of experts whose shifts depend on the place. A causal Transformer follows;
its last state is compared with the ids' embeddings by cosine.
Differs from the paper: nothing known in the equations. Places behind a history's end, up to the
history limit, which the spectra are of, hold zeros.
Differs from the original code: there these places hold an embedding that is not zero and the
experts' answer to no text, which the convolution spreads over the whole sequence. Gate noise and
dropout of the features are drawn once per item and step, the latter for all experts. Images may be
added to the texts by experts of their own, of which the code has nothing.
"""

import math
from dataclasses import dataclass

import torch
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
    Prefixes,
    Recommender,
)
from models._losses import cosine_softmax, cosines
from models._registry import register
from models.layers.mixture import ExpertMixture, Mixed, MixtureConfig, mixture_of
from models.layers.transformer import (
    PositionEmbedding,
    SequenceEncoder,
    init_normal,
    item_table,
    positions,
    zero_padding,
)


@dataclass(frozen=True, kw_only=True)
class TedRecConfig(MixtureConfig):
    """Settings of TedRec; the defaults are its code's."""

    use_image: bool = False
    """Whether images are added to texts, by experts of their own."""
    use_filter: bool = True
    """Whether the ids' spectrum is filtered beside the product of both."""
    use_product: bool = True
    """Whether the spectra of texts and ids are multiplied; else texts are added to what is there.
    """

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        if not (self.use_filter or self.use_product):
            raise ValueError(
                "`use_filter` and `use_product` cannot both be false: no ids are read."
            )

    def modalities(self) -> tuple[str, ...]:
        """Modalities that the model reads."""
        return ("text", "image") if self.use_image else ("text",)

    def needs(self) -> tuple[Need, ...]:
        """Ids and pooled vectors."""
        return (Need(IDS), *(Need(name, ("pooled",)) for name in self.modalities()))


class Fusion(nn.Module):
    """Two sequences fused by their spectra over as many places as a history may have.

    ``2 (g_a * a + g_m * m)``, where ``a`` is the ids' sequence filtered, ``m`` the convolution of
    texts and ids on a circle, and each ``g`` a gate of one number per place.
    """

    def __init__(self, config: TedRecConfig) -> None:
        super().__init__()
        self.length, self.config = config.max_length, config
        num = self.length // 2 + 1
        if config.use_filter:
            self.filter = nn.Parameter(0.02 * torch.randn(num, config.dim, 2))
            self.filtered_gate = nn.Linear(config.dim, 1)
        self.product_gate = nn.Linear(config.dim, 1)

    def forward(
        self, texts: Float[Tensor, "batch places dim"], ids: Float[Tensor, "batch places dim"]
    ) -> Float[Tensor, "batch places dim"]:
        """Of the circle's first places; there and beyond both hold zeros behind their history."""
        places = ids.shape[1]
        size = min(self.length, 2 * places - 1)  # on a smaller circle the first places meet alike
        spectrum = torch.fft.rfft(ids, n=size, dim=1)
        other = texts
        if self.config.use_product:
            product = spectrum * torch.fft.rfft(texts, n=size, dim=1)
            other = torch.fft.irfft(product, n=size, dim=1)[:, :places] / math.sqrt(self.length)
        fused = torch.sigmoid(self.product_gate(other)) * other
        if self.config.use_filter:
            kernel = torch.fft.rfft(self._kernel(places, size), dim=0)
            own = torch.fft.irfft(spectrum * kernel, n=size, dim=1)[:, :places]
            fused = fused + torch.sigmoid(self.filtered_gate(own)) * own
        return 2 * fused

    def _kernel(self, places: int, size: int) -> Float[Tensor, "size dim"]:
        """The filter in time, at those lags by which places of a circle of this size differ."""
        lags = torch.fft.irfft(torch.view_as_complex(self.filter), n=self.length, dim=0)
        if size == self.length:
            return lags
        return torch.cat([lags[:places], lags[self.length - places + 1 :]])


@register("tedrec")
class TedRec(Recommender):
    """Texts and ids fused in the frequency domain (:mod:`models.tedrec`)."""

    config_type = TedRecConfig
    causal = False
    config: TedRecConfig

    def __init__(self, config: TedRecConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.reads = settle(config.needs(), catalogue.available())
        self.item_ids = item_table(catalogue.num_items, config.dim)
        self.adaptors = nn.ModuleDict(
            {
                name: mixture_of(catalogue, name, config, num_places=config.max_length)
                for name in config.modalities()
            }
        )
        self.fusion = Fusion(config)
        self.positions = PositionEmbedding(config.max_length, config.dim)
        self.encoder = SequenceEncoder(config.encoder_shape())
        self.apply(init_normal)
        self.apply(zero_padding)

    def samples(self) -> Prefixes:
        """Prefixes, since a spectrum is of the whole history."""
        return Prefixes()

    def tables(self) -> list[Mixed]:
        """What each modality's experts make of every item, before the shifts of places."""
        return [mixture() for mixture in self.adaptors.values()]

    def encode(
        self, history: History, tables: list[Mixed], *, newest: bool = False
    ) -> Float[Tensor, "batch places dim"]:
        """States of every place, or of the newest alone; those at padding mean nothing."""
        is_item = history.is_item
        x = self._fused(history, tables) + self.positions(is_item)
        return self.encoder(x, is_item, newest=newest)

    def _newest(self, history: History, tables: list[Mixed]) -> Float[Tensor, "batch dim"]:
        return self.encode(history, tables, newest=True)[:, -1]

    def _fused(self, history: History, tables: list[Mixed]) -> Float[Tensor, "batch length dim"]:
        """Histories moved to the circle's first places, fused there, and moved back."""
        width = history.items.shape[1]
        padding = (~history.is_item).sum(dim=1, keepdim=True)
        place = torch.arange(min(width, self.config.max_length), device=padding.device)
        items = history.items.gather(1, (place + padding).clamp(max=width - 1))
        items = torch.where(place + padding < width, items, 0)
        with torch.autocast(items.device.type, enabled=False):
            fused = self.fusion(self._texts(items, tables), self.item_ids(items))
        back = positions(history.is_item)[:, :, None].expand(-1, -1, self.config.dim)
        return fused.gather(1, back)

    def _texts(self, items: Tensor, tables: list[Mixed]) -> Float[Tensor, "batch places dim"]:
        """Texts (and images) at their places; zeros behind a history's end."""
        found = []
        mixtures = (m for m in self.adaptors.values() if isinstance(m, ExpertMixture))
        for mixture, mixed in zip(mixtures, tables, strict=True):
            gates = F.embedding(items, mixed.gates)
            moved = torch.einsum("bpg,pgd->bpd", gates, mixture.moved()[: items.shape[1]])
            found.append(F.embedding(items, mixed.values) + moved)
        return sum(found[1:], start=found[0]) * (items > 0)[:, :, None]

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item by cosines."""
        tables = self.tables()
        states = batch.newest(lambda history: self._newest(history, tables))
        total = cosine_softmax(
            states, self.item_ids.weight, batch.targets(), temperature=self.config.temperature
        )
        return Loss(total, {"cross_entropy": total.detach()})

    def encode_items(self) -> Items:
        """What the experts make of the whole catalogue."""
        names = self.config.modalities()
        return {
            f"{name}.{field}": value
            for name, mixed in zip(names, self.tables(), strict=True)
            for field, value in mixed._asdict().items()
        }

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Cosine of the last state with every item's embedding."""
        known = self.encode_items() if items is None else items
        tables = [
            Mixed(known[f"{name}.values"], known[f"{name}.gates"])
            for name in self.config.modalities()
        ]
        return cosines(self._newest(history, tables), self.item_ids.weight)
