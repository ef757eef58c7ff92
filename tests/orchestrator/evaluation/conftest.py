from dataclasses import dataclass

import numpy as np
import pytest
import torch

from models import Batch, Config, History, Items, Loss, Recommender
from orchestrator.data.interactions import sequences_of
from orchestrator.data.split import leave_one_out

NUM_ITEMS = 17


class Whole(Recommender):
    """Scores that are whole numbers, so that ties are common and sums exact in any order.

    The newest item counts once, the one before twice and so on, so a wrong order, a shift or a
    padding that is taken for an item shows.
    """

    config_type = Config

    def __init__(self, num_items: int = NUM_ITEMS, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        table = torch.randint(-2, 3, (num_items + 1, 3), generator=generator).float()
        table[0] = 100.0  # would win every ranking
        self.register_buffer("table", table)
        self.inner = torch.nn.Dropout(0.5)
        self.calls: list[History] = []
        self.modes: list[bool] = []
        self.num_encodings = 0

    def loss(self, batch: Batch) -> Loss:
        raise NotImplementedError

    def encode_items(self) -> Items:
        self.num_encodings += 1
        return {"items": self.table}

    def scores(self, history: History, items: Items | None = None):
        assert items is not None
        self.calls.append(history)
        self.modes += [self.training, self.inner.training, torch.is_grad_enabled()]
        weights = torch.arange(history.items.shape[1], 0, -1)[None, :, None]
        known = self.table[history.items] * history.is_item[:, :, None]
        return self.inner((known * weights).sum(1)) @ items["items"][1:].T


@dataclass(frozen=True)
class Walks:
    """Random users, some of them too short to be evaluated."""

    lists: list[list[int]]
    num_items: int = NUM_ITEMS

    @property
    def split(self):
        times = [[1000 + 10 * place for place in range(len(items))] for items in self.lists]
        return leave_one_out(sequences_of(self.lists, times))


@pytest.fixture
def walks():
    random = np.random.default_rng(1)
    lengths = random.integers(1, 12, size=40)
    return Walks([random.integers(1, NUM_ITEMS + 1, size=n).tolist() for n in lengths])


@pytest.fixture
def model():
    return Whole()
