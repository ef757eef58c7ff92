"""A tiny catalogue with everything that real ones have: uneven tokens, missing features, fp16,
states of an encoder's layers, clock times, categories."""

import dataclasses

import pytest
import torch

import models
from models import Catalogue, Categories, History, Modality, Positions, TokenFeatures
from orchestrator.config import default_trial, flatten, override
from orchestrator.data.batches import TrainingBatches
from orchestrator.data.controls import control
from orchestrator.data.derived import TrainingDerived
from orchestrator.data.interactions import sequences_of
from orchestrator.sweep.space import read_spaces

NUM_ITEMS = 12
NUM_LAYERS = 5
MAX_LENGTH = 8
POSITIONS = Positions()
HELD_OUT = [[3, 9, 1, 7, 10, 4], [7, 3, 8, 2], [12, 1, 9]]
SEQUENCES = [[3, 9, 1, 7], [4, 6, 2, 12, 5, 6, 8, 1, 2], [7, 3], [11, 11, 8, 10, 3, 5]]


def make_modality(name, lengths, *, width, seed, dtype=torch.float32):
    """Random tokens, their means as pooled features, and missing where an item has no token."""
    counts = torch.tensor([0, *lengths])
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(int(counts.sum()), width, generator=generator).to(dtype)
    means = [part.float().mean(dim=0) if len(part) else torch.zeros(width)
             for part in values.split(counts.tolist())]  # fmt: skip
    missing = counts == 0
    missing[0] = False
    pooled = torch.stack(means)
    layers = torch.stack([pooled.roll(place, dims=1) for place in range(NUM_LAYERS)], dim=1)
    return Modality(
        name=name,
        tokens=TokenFeatures(values, counts),
        pooled=pooled,
        layers=layers.to(dtype),
        missing=missing if missing.any() else None,
    )


def make_categories():
    """Three categories; an item has one or two of them, and one item has none."""
    lengths = torch.tensor([0, 1, 2, 1, 2, 1, 1, 0, 2, 1, 1, 2, 1])
    values = torch.arange(int(lengths.sum())) % 3
    return Categories(("a", "b", "c"), values, lengths)


@pytest.fixture
def catalogue():
    return Catalogue(
        NUM_ITEMS,
        {
            "text": make_modality("text", [3, 1, 5, 2, 4, 0, 3, 2, 5, 1, 4, 2], width=6, seed=1),
            "image": make_modality(
                "image", [4, 4, 0, 4, 4, 4, 4, 4, 4, 4, 4, 4], width=5, seed=2, dtype=torch.float16
            ),
        },
        TrainingDerived(sequences_of(SEQUENCES), NUM_ITEMS, everything=sequences_of(HELD_OUT)),
        has_timestamps=True,
        categories=make_categories(),
    )


@pytest.fixture
def build(catalogue):
    """Model by name -> a small one without dropout, in evaluation mode."""

    def make(name, of=catalogue, *, variant=None, seed=0, **settings):
        small = {"dim": 16, "max_length": MAX_LENGTH, **settings}
        base = default_trial(name, "tiny")
        values = {key: 0.0 for key in flatten(base) if key.endswith("dropout")}
        values |= {f"model.{key}": value for key, value in small.items()}
        values |= read_spaces(name).variants[variant] if variant else {}
        config = override(base, values, where="test")
        controlled = control(of.modalities, config.data, seed=0)
        torch.manual_seed(seed)
        given = dataclasses.replace(of, modalities=controlled)
        return models.find(name)(config.settings, given).eval()

    return make


@pytest.fixture
def batch_of():
    """Sequences -> all their training samples as one batch."""

    def make(lists, *, samples=POSITIONS, max_length=MAX_LENGTH):
        times = [[1000 + 60 * place for place in range(len(items))] for items in lists]
        batches = TrainingBatches(
            sequences_of(lists, times),
            samples=samples,
            max_length=max_length,
            batch_targets=10**6,
        )
        (batch,) = batches.epoch(0)
        return batch

    return make


@pytest.fixture
def histories():
    """Histories of uneven length, padded on the left, with clock times."""
    items = torch.tensor(
        [
            [0, 0, 0, 3, 9, 1],
            [4, 6, 2, 12, 5, 6],
            [0, 0, 0, 0, 0, 7],
            [0, 11, 11, 8, 10, 3],
        ]
    )
    return History(items, torch.where(items > 0, 1000 + 60 * torch.arange(6), 0))
