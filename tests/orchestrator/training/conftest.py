"""A data set whose next item is known, and a small model of two stages for the loop to train."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from models import Batch, Config, History, Items, Loss, Recommender, Stage
from models._losses import full_softmax
from orchestrator import config as config_module
from orchestrator import results as results_module
from orchestrator.config import (
    EvalConfig,
    TrainConfig,
    TrialConfig,
    default_trial,
    flatten,
    override,
)
from orchestrator.data import Content, Features, ItemTable, Origin, write_dataset
from orchestrator.data.interactions import sequences_of
from orchestrator.training import loop

NUM_ITEMS = 20


def _code(item, width):
    """What an item looks like: a point on circles, so that neighbours are alike."""
    angle = 2 * np.pi * item / NUM_ITEMS * np.arange(1, width // 2 + 1)
    return np.concatenate([np.cos(angle), np.sin(angle)]).astype(np.float32)


def _features(width, counts):
    random = np.random.default_rng(3)
    tokens = [
        _code(item, width) * (1.0 if place == 0 else 0.3) + 0.05 * random.standard_normal(width)
        for item, count in enumerate(counts, start=1)
        for place in range(count)
    ]
    pooled = np.stack([np.zeros(width), *(_code(item, width) for item in range(1, NUM_ITEMS + 1))])
    layers = np.stack([pooled * share for share in (0.2, 0.5, 1.0)], axis=1)
    return Features(
        pooled=pooled.astype(np.float32),
        tokens=np.stack(tokens).astype(np.float16),
        lengths=np.array([0, *counts], dtype=np.int32),
        layers=layers.astype(np.float16),
    )


@pytest.fixture(scope="session")
def cycle(tmp_path_factory):
    """After item i comes item i + 1, and the first after the last; features tell which it is."""
    random = np.random.default_rng(0)
    starts = random.integers(NUM_ITEMS, size=120).tolist()
    lengths = random.integers(4, 10, size=120).tolist()
    lists = [
        [(start + step) % NUM_ITEMS + 1 for step in range(length)]
        for start, length in zip(starts, lengths, strict=True)
    ]
    times = [[10**9 + 3600 * place for place in range(len(items))] for items in lists]
    names = ["", *(f"item-{item}" for item in range(1, NUM_ITEMS + 1))]
    content = Content(
        sequences=sequences_of(lists, times),
        users=[f"user-{user}" for user in range(len(lists))],
        items=ItemTable(names, names, [None] * len(names)),
        features={
            "text": _features(8, [1 + item % 4 for item in range(NUM_ITEMS)]),
            "image": _features(6, [3] * NUM_ITEMS),
        },
        categories=[[], *([f"kind {item % 3}"] for item in range(NUM_ITEMS))],
        origin=Origin(importer="test", licence="none", synthetic=True),
    )
    return write_dataset(content, tmp_path_factory.mktemp("data") / "cycle")


@pytest.fixture
def trial():
    """Model by name -> a small run of it; dotted keys set the rest."""

    def make(model, **values):
        small = {
            "model.dim": 16,
            "model.max_length": 6,
            "model.inner_dim": 32,
            "train.max_epochs": 3,
            "train.batch_targets": 200,
            "eval.cutoffs": (1, 10),
        }
        dotted = {key.replace("__", "."): value for key, value in values.items()}
        seed = dotted.pop("seed", 0)
        base = default_trial(model, "cycle", seed=seed)
        small = {key: value for key, value in small.items() if key in flatten(base)}
        return override(base, {**small, **dotted}, where="test")

    return make


@dataclass(frozen=True, kw_only=True)
class TwoStagesConfig(Config):
    nan_at: int = 0
    """Epoch of the first stage with a loss that is no number; 0 is none."""
    frozen: tuple[str, ...] = ("inputs.*", "bias")


class TwoStages(Recommender):
    """Tables for what was and for what comes; the second stage trains the latter alone."""

    config_type = TwoStagesConfig

    def __init__(self, config, catalogue):
        super().__init__()
        self.config = config
        self.inputs = nn.Embedding(catalogue.num_items + 1, config.dim)
        self.outputs = nn.Embedding(catalogue.num_items + 1, config.dim)
        self.bias = nn.Parameter(torch.zeros(config.dim))
        self.dropout = nn.Dropout(config.dropout)
        self.starts = []
        self.is_broken = False

    def stages(self):
        return (
            Stage(name="both", rates={"bias": 0.5}),
            Stage(name="outputs", frozen=self.config.frozen, rates={"outputs.*": 0.1}),
        )

    def start_epoch(self, stage, epoch):
        weights = {name: p.detach().clone() for name, p in self.named_parameters()}
        self.starts.append((stage.name, epoch, weights))
        self.is_broken = stage.name == "both" and epoch == self.config.nan_at

    def encode(self, history):
        return self.dropout(self.inputs(history.items) + self.bias)

    def loss(self, batch: Batch) -> Loss:
        total = full_softmax(batch.states(self.encode), self.outputs.weight, batch.targets())
        total = total * float("nan") if self.is_broken else total
        return Loss(total, {"cross_entropy": total.detach()})

    def scores(self, history: History, items: Items | None = None):
        return self.encode(history)[:, -1] @ self.outputs.weight[1:].T


class Watch:
    """The toy's settings, and the models that were built of it."""

    def __init__(self):
        self.models = []

    def trial(self, *, seed=0, settings=None, **train):
        limits = {"max_epochs": 3, "learning_rate": 0.01, "batch_targets": 200, **train}
        return TrialConfig(
            model="two_stages",
            dataset="cycle",
            settings=TwoStagesConfig(dim=8, max_length=6, **(settings or {})),
            train=TrainConfig(**limits),
            evaluation=EvalConfig(cutoffs=(1, 10)),
            seed=seed,
        )


@pytest.fixture
def two_stages(monkeypatch):
    watch = Watch()

    def build(config, catalogue):
        watch.models.append(TwoStages(config, catalogue))
        return watch.models[-1]

    monkeypatch.setattr(config_module, "model_type", lambda name: TwoStages)
    monkeypatch.setattr(loop, "model_type", lambda name: build)
    monkeypatch.setattr(results_module, "code_digest", lambda name: "of no file")
    return watch


@pytest.fixture
def scripted(monkeypatch):
    """Validation figures told in advance; the weights of each look are kept."""

    def script(*values):
        told = iter(values)
        looks = []

        def look(prefix, value, model):
            weights = {name: value.clone() for name, value in model.state_dict().items()}
            looks.append((prefix, value, weights))

        def evaluate(model, users, *, prefix, **options):
            look(prefix, value := next(told), model)
            return {f"{prefix}/ndcg@10": value}

        def model_ranks(model, users, **options):
            look("test", 1.0, model)
            return np.ones(len(users))

        def summary(found, *, prefix, **options):
            return {f"{prefix}/ndcg@10": found.mean()}

        for function in (evaluate, model_ranks, summary):
            monkeypatch.setattr(loop, function.__name__, function)
        return looks

    return script


@pytest.fixture
def timeless():
    """A record without the seconds it took, which no two runs share."""

    def strip(record):
        epochs = tuple(dataclasses.replace(epoch, seconds=0.0) for epoch in record.epochs)
        return dataclasses.replace(record, seconds=0.0, epochs=epochs)

    return strip
