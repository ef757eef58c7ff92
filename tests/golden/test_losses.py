"""The first losses of every model, kept in files: a refactoring must not change them.

``losses/<model>_cpu.txt`` has a line per step, ``step loss``. Where numbers are meant to change,
``ORCH_GOLDEN=1`` (``make golden``) rewrites the files; the change log then gets a "Numbers" entry.
"""

import os
from pathlib import Path

import pytest
import torch

import models
from models import Catalogue, Categories, Modality, TokenFeatures
from orchestrator.config import TrainConfig, default_trial, flatten, override
from orchestrator.data.batches import TrainingBatches
from orchestrator.data.derived import TrainingDerived
from orchestrator.data.interactions import sequences_of
from orchestrator.training.optim import optimizer
from orchestrator.training.seeding import derive, reproducible

FOLDER = Path(__file__).parent / "losses"
NUM_STEPS = 5
NUM_ITEMS = 30


def waves(rows, width, speed):
    """Numbers from a formula, so that no generator has a say in the data."""
    places = torch.arange(rows, dtype=torch.float64)[:, None] * (1 + torch.arange(width)) * speed
    return torch.sin(places).float()


def modality(name, counts, width, speed):
    lengths = torch.tensor([0, *counts])
    pooled = waves(NUM_ITEMS + 1, width, speed)
    pooled[0] = 0
    missing = lengths == 0
    missing[0] = False
    pooled[missing] = 0
    tokens = TokenFeatures(waves(int(lengths.sum()), width, speed), lengths)
    layers = torch.stack([pooled.roll(place, dims=1) for place in range(5)], dim=1)
    return Modality(name=name, tokens=tokens, pooled=pooled, layers=layers, missing=missing)


SEQUENCES = [
    [(7 * user + step * (1 + user % 3)) % NUM_ITEMS + 1 for step in range(3 + user % 12)]
    for user in range(40)
]
TIMES = [[10**9 + 3600 * step**2 for step in range(len(items))] for items in SEQUENCES]
CATALOGUE = Catalogue(
    NUM_ITEMS,
    {
        "text": modality("text", [n % 5 for n in range(NUM_ITEMS)], 12, 0.7),
        "image": modality("image", [4] * NUM_ITEMS, 10, 1.3),
    },
    TrainingDerived(sequences_of(SEQUENCES), NUM_ITEMS),
    has_timestamps=True,
    categories=Categories(
        ("a", "b", "c"),
        torch.arange(NUM_ITEMS) % 3,
        torch.tensor([0, *[1] * NUM_ITEMS]),
    ),
)


def losses(name):
    """The losses of the first steps of a model's stages at its own settings, but small.

    There is no dropout: torch draws its masks differently on processors of different makers.
    """
    base = default_trial(name, "golden")
    small = {"model.dim": 16, "model.max_length": 10}
    small |= {key: 0.0 for key in flatten(base) if key.endswith("dropout")}
    config = override(base, small, where="golden")
    with reproducible(torch.device("cpu")):
        torch.manual_seed(derive(0, "weights"))
        model = models.find(name)(config.settings, CATALOGUE).train()
        batches = TrainingBatches(
            sequences_of(SEQUENCES, TIMES), samples=model.samples(), max_length=10, batch_targets=40
        )
        return [loss for stage in model.stages() for loss in first_steps(model, stage, batches)]


def first_steps(model, stage, batches):
    adam = optimizer(model, stage, TrainConfig())
    model.start_epoch(stage, 1)
    for batch, _ in zip(batches.epoch(1), range(NUM_STEPS), strict=False):
        loss = model.loss(batch).total
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        yield loss.item()


def written(found):
    return "".join(f"{step} {loss!r}\n" for step, loss in enumerate(found, start=1))


@pytest.mark.parametrize("name", models.names())
def test_the_first_losses_are_those_on_file(name):
    path = FOLDER / f"{name}_cpu.txt"
    found = losses(name)
    assert found
    if os.environ.get("ORCH_GOLDEN") == "1":
        path.write_text(written(found))
    assert path.exists(), f"{path.name} is not there: run `make golden`."
    lines = [line.split() for line in path.read_text().splitlines()]
    assert [int(step) for step, _ in lines] == list(range(1, len(found) + 1))
    assert found == pytest.approx([float(loss) for _, loss in lines], rel=1e-5)


def test_no_file_is_of_a_model_that_is_gone():
    known = {f"{name}_cpu.txt" for name in models.names()}
    assert {path.name for path in FOLDER.iterdir()} <= known
