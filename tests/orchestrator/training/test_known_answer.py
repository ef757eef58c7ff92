"""Every model learns that item i + 1 follows item i; what is merely popular does not follow."""

import dataclasses

import numpy as np
import pytest
import torch

import models
from orchestrator.config import DataConfig, EvalConfig
from orchestrator.evaluation.evaluate import summary, target_ranks
from orchestrator.training.checkpoint import Checkpoints
from orchestrator.training.loop import build_model, train

SHUFFLED = {name: DataConfig(shuffle=(name,)) for name in ("text", "image")}


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """Model by name -> what training it on the cycle came to, once for all tests."""
    done = {}

    def learn(name, config, cycle):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            done[name] = train(config, cycle, folder=folder, device="cpu"), Checkpoints(folder)
        return done[name]

    return learn


@pytest.fixture
def long_trial(trial):
    """Model by name -> settings with which it learns the cycle."""

    def make(name):
        limits = {"train__max_epochs": 40, "train__patience": 8, "train__learning_rate": 0.01}
        return trial(name, model__dropout=0.1, **limits)

    return make


@pytest.mark.parametrize("name", models.names())
def test_every_model_learns_a_cycle(cycle, long_trial, learnt, name):
    record, _ = learnt(name, long_trial(name), cycle)
    assert record.metrics["test/hit@1"] > 0.9


@pytest.mark.parametrize("name", models.names())
def test_features_moved_to_other_items_hurt_every_model_that_reads_them(
    cycle, long_trial, learnt, name
):
    """Else it has not learnt to use what it says it uses, as where its table is overwritten."""
    config = long_trial(name)
    record, weights = learnt(name, config, cycle)

    def lead(data):
        """Mean of the target's score less the next best one's, in deviations of a user's scores.

        It tells of losses where a hit is one still, whatever the scale of the scores.
        """
        model = build_model(dataclasses.replace(config, data=data), cycle).eval()
        weights.load_model(record.best_step, model)
        users = cycle.split.test
        with torch.inference_mode():
            scores = model.scores(users.history(6), model.encode_items()).double()
        own = torch.from_numpy(users.targets)[:, None] - 1
        others = scores.scatter(1, own, -torch.inf).amax(dim=1)
        return ((scores.gather(1, own)[:, 0] - others) / scores.std(dim=1)).mean().item()

    known = lead(DataConfig())
    assert known > 0
    for modality in build_model(config, cycle).input_forms():
        assert lead(SHUFFLED[modality]) < 0.8 * known, modality


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
