"""ODMT: tokens of an item's text and picture mixed with its id, and three students that teach.

Paper: Wei Ji, Xiangyan Liu, An Zhang, Yinwei Wei, Yongxin Ni and Xiang Wang, "Online
Distillation-enhanced Multi-modal Transformer for Sequential Recommendation", MM 2023,
https://arxiv.org/abs/2308.04067. Original code: https://github.com/xyliugo/ODMT.
Idea: an item's text tokens, image patches and id pass a transformer together, in which the id reads
everything and nothing but the id reads the id. Its three ends, of text, image and id, are encoded
over a user's history by an encoder each, and each tells the next item. In training the id's branch
teaches those of text and image, and all three together teach the id's; at the end they vote.
Differs from the paper: the candidates of a step are its batch's targets, where the paper also takes
each user's first item. A user's other items are negatives, since they stay in the ranking here;
`seen = "spared"` spares those before the target, where the original spares all of them and leaves
them out of its ranking. The blocks are this zoo's (GELU, biases in attention). Ids start at random,
since they are not as wide as the features; no decay of weights unless it is set. An item without a
modality has zeros as that branch's end. Pooled vectors in place of tokens make three tokens of an
item, and the run is called odmt-pooled.
Differs from the original code: its teachers take gradients from their students; here they are
detached (`teachers = "released"` is the original's). Its default mask lets all tokens read the id,
its scripts' does not (`id_mask`). Its number of heads follows its number of layers by a slip.
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
    Recommender,
    Stage,
    at_least,
    divides,
    positive,
)
from models._registry import register
from models.layers.dropout import Dropout
from models.layers.in_batch import candidates_of, log_shares, logits_among, rows_of
from models.layers.retrieval import in_chunks
from models.layers.tokens import PaddedTokens
from models.layers.transformer import (
    Block,
    EncoderConfig,
    EncoderShape,
    PositionEmbedding,
    SequenceEncoder,
    init_normal,
    item_table,
    zero_padding,
)

MODALITIES = ("text", "image")
BRANCHES = (*MODALITIES, "id")
MAX_ITEMS = 1024
"""Items whose tokens are mixed at once; beyond it they are mixed again in the backward pass."""


@dataclass(frozen=True, kw_only=True)
class ODMTConfig(EncoderConfig):
    """Settings of ODMT."""

    dropout: float = 0.1
    """On tokens, on encoders' inputs, on attention probabilities and on blocks' outputs."""
    mixing_layers: int = 2
    """Blocks over an item's tokens."""
    mixing_heads: int = 2
    """Attention heads of those; must divide ``dim``."""
    use_mixing: bool = True
    """Off: first tokens and ids go to their branches unmixed ("w/o IMT")."""
    id_mask: bool = True
    """Whether the id is hidden from the tokens of text and image."""
    seen: Literal["negatives", "spared"] = "negatives"
    """Whether items of the history before a target count against it in training. The original
    spares them, and leaves them out of its ranking (`eval.exclude_seen`)."""
    distillation_weight: float = 1.0
    """Weight of what branches teach one another; 0 leaves it out."""
    distillation_temperature: float = 0.3
    """tau: of teachers' and students' logits."""
    ramp_epochs: int = 20
    """alpha: epochs over which the weight rises to its full; 0 has it at once."""
    teachers: Literal["detached", "released"] = "detached"
    """Whether students leave their teachers alone; the original's do not."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        at_least("mixing_layers", self.mixing_layers, 1)
        divides("mixing_heads", self.mixing_heads, "dim", self.dim)
        at_least("distillation_weight", self.distillation_weight, 0)
        positive("distillation_temperature", self.distillation_temperature)
        at_least("ramp_epochs", self.ramp_epochs, 0)

    def needs(self) -> tuple[Need, ...]:
        """Ids and tokens; pooled vectors make it another model."""
        return (Need(IDS), *(Need(n, ("tokens",), degraded=("pooled",)) for n in MODALITIES))

    def canonical(self) -> "ODMTConfig":
        """With what is off at its defaults."""
        same = self
        if not self.use_mixing:
            same = replace(same, mixing_layers=2, mixing_heads=1, id_mask=True)
        if not self.distillation_weight:
            same = replace(same, distillation_temperature=0.3, ramp_epochs=20, teachers="detached")
        return same

    def mixing_shape(self) -> EncoderShape:
        """Of the blocks over an item's tokens."""
        return EncoderShape(
            dim=self.dim,
            num_layers=self.mixing_layers,
            num_heads=self.mixing_heads,
            inner_dim=4 * self.dim,
            dropout=self.dropout,
            norm=self.norm,
        )


class ItemMixer(nn.Module):
    """An item's text, image and id tokens, mixed; ends with one vector of each."""

    def __init__(self, config: ODMTConfig, catalogue: Catalogue, forms: Mapping[str, str]) -> None:
        super().__init__()
        self.hides_id = config.id_mask
        self.item_ids = item_table(catalogue.num_items, config.dim)
        self.tokens = nn.ModuleDict(
            {name: PaddedTokens(catalogue, name, form) for name, form in forms.items()}
        )
        widths = {name: t.width for name, t in self.tokens.items() if isinstance(t, PaddedTokens)}
        self.into = nn.ModuleDict({n: nn.Linear(w, config.dim) for n, w in widths.items()})
        self.dropout = Dropout(config.dropout)
        num_blocks = config.mixing_layers if config.use_mixing else 0
        self.blocks = nn.ModuleList(Block(config.mixing_shape()) for _ in range(num_blocks))
        self.heads = nn.ModuleDict({name: _head(config.dim) for name in BRANCHES})

    def forward(self, rows: Int[Tensor, " items"]) -> Float[Tensor, "items width"]:
        """Some items by branch: text, image and id side by side."""
        padded = {name: tokens(rows) for name, tokens in self.tokens.items()}
        parts = [self.into[name](found.values) for name, found in padded.items()]
        x = self.dropout(torch.cat([*parts, self.item_ids(rows)[:, None]], dim=1))
        is_id = torch.arange(x.shape[1], device=rows.device) == x.shape[1] - 1
        there = [found.is_token for found in padded.values()]
        readable = torch.cat([*there, is_id[-1:].expand(len(rows), 1)], dim=1)
        allowed = self._allowed(readable, is_id)
        for block in self.blocks:
            x = block(x, allowed)
        firsts = (0, parts[0].shape[1], x.shape[1] - 1)
        ends = [
            head(x[:, first]) * readable[:, first, None]
            for head, first in zip(self.heads.values(), firsts, strict=True)
        ]
        return torch.cat(ends, dim=1)

    def _allowed(
        self, readable: Bool[Tensor, "items tokens"], is_id: Bool[Tensor, " tokens"]
    ) -> Bool[Tensor, "items 1 tokens tokens"]:
        """Which token each token may read; itself in any case."""
        num = len(is_id)
        allowed = readable[:, None, None].expand(-1, 1, num, num)
        if self.hides_id:
            allowed = allowed & (is_id[:, None] | ~is_id)
        return allowed | torch.eye(num, dtype=torch.bool, device=is_id.device)


def _head(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, dim), nn.LeakyReLU(), nn.Linear(dim, dim))


@register("odmt")
class ODMT(Recommender):
    """Token mixer with branches that teach one another (:mod:`models.odmt`)."""

    config_type = ODMTConfig
    config: ODMTConfig

    def __init__(self, config: ODMTConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.num_items = catalogue.num_items
        self.reads = settle(config.needs(), catalogue.available())
        self.mixer = ItemMixer(config, catalogue, self.reads.forms)
        self.positions = nn.ModuleDict(
            {name: PositionEmbedding(config.max_length, config.dim) for name in BRANCHES}
        )
        self.encoders = nn.ModuleDict(
            {name: SequenceEncoder(config.encoder_shape()) for name in BRANCHES}
        )
        self.register_buffer("log_shares", log_shares(catalogue), persistent=False)
        self.apply(init_normal)
        for module in (*self.mixer.into.values(), *self.mixer.heads.values()):
            module.apply(_init_wide)
        nn.init.xavier_normal_(self.mixer.item_ids.weight)
        self.apply(zero_padding)
        self.epoch = 1

    log_shares: Tensor

    def start_epoch(self, stage: Stage, epoch: int) -> None:
        """Take note of the epoch, on which the weight of the distillation depends."""
        self.epoch = epoch

    def encode_items(self) -> Items:
        """Every item by branch, side by side."""
        rows = torch.arange(self.num_items + 1, device=self.log_shares.device)
        return {"items": in_chunks(self.mixer, rows, max_rows=MAX_ITEMS)}

    def encode(
        self,
        history: History,
        items: Float[Tensor, "rows width"],
        rows: Int[Tensor, " some"] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """States of every position by branch, side by side.

        Args:
            history: what was taken.
            items: the catalogue by branch, or some items.
            rows: which items those are, ascending, where they are some.
        """
        is_item = history.is_item
        place = history.items if rows is None else torch.searchsorted(rows, history.items)
        inputs = items[place].chunk(len(BRANCHES), dim=-1)
        states = [
            self.encoders[name](x + self.positions[name](is_item), is_item)
            for name, x in zip(BRANCHES, inputs, strict=True)
        ]
        return torch.cat(states, dim=-1)

    def loss(self, batch: Batch) -> Loss:
        """Each branch's cross-entropy of the next item, and what the branches teach."""
        among = candidates_of(batch, self.log_shares, spares_seen=self.config.seen == "spared")
        rows = rows_of(batch, among)
        items = in_chunks(self.mixer, rows, max_rows=MAX_ITEMS)
        states = batch.states(lambda history: self.encode(history, items, rows))
        candidates = items[torch.searchsorted(rows, among.items)]
        pairs = zip(
            BRANCHES,
            states.chunk(len(BRANCHES), 1),
            candidates.chunk(len(BRANCHES), 1),
            strict=True,
        )
        logits = {name: logits_among(own, others, among) for name, own, others in pairs}
        parts = {name: F.cross_entropy(found, among.own) for name, found in logits.items()}
        if self.config.distillation_weight:
            parts["distillation"] = self._strength() * self._taught(logits)
        total = torch.stack(list(parts.values())).sum()
        return Loss(total, {name: part.detach() for name, part in parts.items()})

    def _strength(self) -> float:
        """Weight of the distillation in this epoch."""
        of = self.config
        left = 1 - min(self.epoch, of.ramp_epochs) / of.ramp_epochs if of.ramp_epochs else 0.0
        ramp = math.exp(-5 * left**2)
        return of.distillation_weight * ramp * of.distillation_temperature**2

    def _taught(self, logits: Mapping[str, Float[Tensor, "targets candidates"]]) -> Tensor:
        """Ids teach texts and images, and the mean of all teaches ids."""
        together = torch.stack(list(logits.values())).mean(dim=0)
        lessons = ((logits["id"], "text"), (logits["id"], "image"), (together, "id"))
        return torch.stack([self._lesson(of, logits[to]) for of, to in lessons]).sum()

    def _lesson(self, teacher: Tensor, student: Tensor) -> Tensor:
        tau = self.config.distillation_temperature
        shares = (teacher / tau).softmax(dim=1)
        if self.config.teachers == "detached":
            shares = shares.detach()
        return F.cross_entropy(student / tau, shares)

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Mean over branches of the dot product of the last state with every item."""
        table = (self.encode_items() if items is None else items)["items"]
        return self.encode(history, table)[:, -1] @ table[1:].T / len(BRANCHES)


def _init_wide(module: nn.Module) -> None:
    """Xavier weights, so that features reach the branches at their size."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
