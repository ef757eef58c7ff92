"""GRU4Rec: a recurrent network over item ids.

Paper: Balazs Hidasi, Alexandros Karatzoglou, Linas Baltrunas and Domonkos Tikk, "Session-based
Recommendations with Recurrent Neural Networks", ICLR 2016, https://arxiv.org/abs/1511.06939.
Original code: https://github.com/hidasib/GRU4Rec.
Idea: gated recurrent units read a user's items one after the other. What they hold after the last
item, taken to the width of the items' embeddings by a linear map, is compared with every item's
embedding by dot product.
Differs from the paper: trained by exact cross-entropy over the whole catalogue, on whole sequences
in random order, where the paper ranks the targets of session-parallel mini-batches against one
another (TOP1, BPR); items enter as embeddings, where the paper finds one-hot vectors better; input
and output share the table of embeddings, which `tied` switches off and the paper's code offers
("constrained embedding"); Adam in place of Adagrad. The gates have no biases, so that nothing
enters at padding: the units hold zeros until the first item comes.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from models._interface import (
    Batch,
    Catalogue,
    Config,
    History,
    Items,
    Loss,
    Recommender,
    at_least,
)
from models._losses import full_softmax
from models._registry import register
from models.layers.dropout import Dropout
from models.layers.transformer import init_normal, item_table, zero_padding


@dataclass(frozen=True, kw_only=True)
class GRU4RecConfig(Config):
    """Settings of GRU4Rec."""

    dropout: float = 0.3
    """On the embeddings that enter."""
    hidden_dim: int = 128
    """Units of each recurrent layer."""
    num_layers: int = 1
    """Recurrent layers."""
    tied: bool = True
    """Items are compared with by the embeddings that they enter with, or by others."""

    def __post_init__(self) -> None:
        """Refuse values outside their domain."""
        super().__post_init__()
        at_least("hidden_dim", self.hidden_dim, 1)
        at_least("num_layers", self.num_layers, 1)


@register("gru4rec")
class GRU4Rec(Recommender):
    """Gated recurrent units over item ids (:mod:`models.gru4rec`)."""

    config_type = GRU4RecConfig
    config: GRU4RecConfig

    def __init__(self, config: GRU4RecConfig, catalogue: Catalogue) -> None:
        super().__init__()
        self.config = config
        self.item_ids = item_table(catalogue.num_items, config.dim)
        self.dropout = Dropout(config.dropout)
        self.units = nn.GRU(
            config.dim, config.hidden_dim, config.num_layers, bias=False, batch_first=True
        )
        self.output = nn.Linear(config.hidden_dim, config.dim)
        self.output_ids = None if config.tied else item_table(catalogue.num_items, config.dim)
        self._draw_weights()

    def _draw_weights(self) -> None:
        """Wider than elsewhere in the zoo: no LayerNorm lifts what is small.

        With embeddings and output at the usual 0.02 nothing is learnt for fifteen epochs on
        Scientific, and less in the end.
        """
        self.apply(init_normal)
        for table in (self.item_ids, self.output_ids):
            if table is not None:
                nn.init.normal_(table.weight, std=0.1)
        self.apply(zero_padding)
        self.output.reset_parameters()
        for weights in self.units.parameters():
            for gate in weights.chunk(3):
                nn.init.xavier_uniform_(gate)

    def candidates(self) -> Float[Tensor, "rows dim"]:
        """What states are compared with; row 0 is padding."""
        return (self.output_ids or self.item_ids).weight

    def encode(self, history: History) -> Float[Tensor, "batch length dim"]:
        """States of every position."""
        states, _ = self.units(self.dropout(self.item_ids(history.items)))
        return self.output(states)

    def loss(self, batch: Batch) -> Loss:
        """Cross-entropy of the next item against the whole catalogue, at every position."""
        total = full_softmax(batch.states(self.encode), self.candidates(), batch.targets())
        return Loss(total, {"cross_entropy": total.detach()})

    def scores(self, history: History, items: Items | None = None) -> Float[Tensor, "batch items"]:
        """Dot product of the last state with every item's embedding."""
        return self.encode(history)[:, -1] @ self.candidates()[1:].T
