"""Every model learns that item i + 1 follows item i; what is merely popular does not follow."""

import numpy as np
import pytest
import torch

import models
from orchestrator.config import EvalConfig
from orchestrator.evaluation.evaluate import summary, target_ranks
from orchestrator.training.loop import train


@pytest.mark.parametrize("name", models.names())
def test_every_model_learns_a_cycle(cycle, trial, name):
    config = trial(
        name,
        train__max_epochs=40,
        train__patience=8,
        train__learning_rate=0.01,
        model__dropout=0.1,
    )
    record = train(config, cycle, device="cpu")
    assert record.metrics["test/hit@1"] > 0.9


def test_popularity_does_not(cycle):
    counts = np.bincount(cycle.split.train.items, minlength=cycle.num_items + 1)[1:]
    scores = torch.from_numpy(counts).float()
    users = cycle.split.test
    found = target_ranks(
        lambda rows: scores.expand(len(rows), -1),
        users,
        config=EvalConfig(cutoffs=(1, 10)),
        max_length=6,
    )
    assert summary(found, cutoffs=(1,), prefix="test")["test/hit@1"] < 0.3
