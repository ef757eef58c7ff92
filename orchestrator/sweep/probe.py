"""Whether a change of settings changes what is trained: asked before hours go into it.

Two models are built from the same seed, take two optimiser steps of each stage on the same small
batch, and score the same histories. The same computation gives the same bits; so equal bits and
equal shapes say that a switch does nothing. A few of the data set's users and items are enough to
see a difference; where they show none, the whole data set is asked before a switch is refused.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from models import Batch, History, Recommender
from orchestrator.config import TrainConfig, TrialConfig, flatten
from orchestrator.data import Dataset
from orchestrator.data.sample import sample
from orchestrator.errors import ConfigError
from orchestrator.training.loop import build_model, training_batches
from orchestrator.training.optim import optimizer
from orchestrator.training.seeding import derive, reproducible

STEPS = 2
"""Optimiser steps of each stage."""
BATCH_TARGETS = 64
"""Targets in the batch."""
MAX_HISTORIES = 16
"""Histories of each length that are scored."""
UNSEEN = {
    "train.batch_targets",
    "train.max_epochs",
    "train.patience",
    "train.clip_norm",
    "train.average_decay",
}
"""Settings of the loop that act, but not on two steps of one batch: alone they count as they are;
beside others they do not make up for switches that do nothing."""


@dataclass(frozen=True, eq=False)
class Footprint:
    """What a model is and does after a few steps."""

    shapes: Mapping[str, tuple[int, ...]]
    """Of every parameter, by name."""
    scores: tuple[Tensor, ...]

    def equals(self, other: "Footprint") -> bool:
        """Whether all shapes and all bits are the same."""
        if self.shapes != other.shapes or len(self.scores) != len(other.scores):
            return False
        return all(map(torch.equal, self.scores, other.scores))


def footprint(model: Recommender, batch: Batch, config: TrainConfig, *, seed: int = 0) -> Footprint:
    """Train a model on a batch for :data:`STEPS` steps of each stage, and score its histories.

    Args:
        model: freshly built, on the CPU; it is trained.
        batch: made for ``model.samples``.
        config: the optimiser's settings.
        seed: decides dropout.
    """
    with reproducible(torch.device("cpu")):
        torch.manual_seed(seed)
        train_briefly(model, batch, config)
        with torch.no_grad():
            scores = tuple(model.scores(_first(group.history)) for group in batch.groups)
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    return Footprint(shapes, scores)


def train_briefly(model: Recommender, batch: Batch, config: TrainConfig) -> Recommender:
    """Take :data:`STEPS` steps of each stage on one batch; the model ends in evaluation mode."""
    model.train()
    for stage in model.stages():
        adam = optimizer(model, stage, config)
        model.start_epoch(stage, 1)
        for _ in range(STEPS):
            step(model, batch, adam, config)
    return model.eval()


def step(
    model: Recommender, batch: Batch, adam: torch.optim.Optimizer, config: TrainConfig
) -> None:
    """One optimiser step on a batch, on the model's device."""
    device = next(model.parameters()).device.type
    with torch.autocast(device, torch.bfloat16, enabled=config.precision == "bf16"):
        loss = model.loss(batch).total
    adam.zero_grad(set_to_none=True)
    loss.backward()
    if config.clip_norm:
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    adam.step()


def _first(history: History) -> History:
    times = history.timestamps
    some = None if times is None else times[:MAX_HISTORIES]
    return History(history.items[:MAX_HISTORIES], some)


class Probe:
    """Compares settings on one data set; each is tried once."""

    def __init__(self, dataset: Dataset) -> None:
        self._whole = dataset
        self._few = sample(dataset)
        self._found: dict[tuple[TrialConfig, bool], Footprint] = {}

    @property
    def is_small(self) -> bool:
        """Whether the few users and items are the whole data set."""
        return self._few is self._whole

    def differ(self, one: TrialConfig, other: TrialConfig, *, in_whole: bool = False) -> bool:
        """Whether two settings give models that differ.

        Args:
            one: settings.
            other: settings of the same model, data set and seed.
            in_whole: look at the whole data set, rather than at few users and items.

        Raises:
            ConfigError: a model cannot be built on the data set.
        """
        values, others = flatten(one), flatten(other)
        changed = {key for key in values if values[key] != others[key]}
        if changed <= UNSEEN:
            return bool(changed)
        if not in_whole:
            try:
                return not self._of(one, self._few).equals(self._of(other, self._few))
            except ConfigError:  # the few may all lack what the whole has
                if self.is_small:
                    raise
        return not self._of(one, self._whole).equals(self._of(other, self._whole))

    def inert_settings(self, config: TrialConfig) -> Mapping[str, str]:
        """Setting -> why it changes nothing here, as the model says.

        Raises:
            ConfigError: the model cannot be built on the data set.
        """
        with suppress(ConfigError):  # the few may all lack what the whole has
            if not build_model(config, self._few).inert_settings():
                return {}
        return build_model(config, self._whole).inert_settings()

    def _of(self, config: TrialConfig, dataset: Dataset) -> Footprint:
        key = config, dataset is self._whole
        if key not in self._found:
            self._found[key] = _footprint_on(config, dataset)
        return self._found[key]


def _footprint_on(config: TrialConfig, dataset: Dataset) -> Footprint:
    with reproducible(torch.device("cpu")):
        model = build_model(config, dataset)
    batches = training_batches(
        model, dataset, max_length=config.settings.max_length, batch_targets=BATCH_TARGETS
    )
    batch = next(batches.epoch(derive(config.seed, "order", 1)))
    return footprint(model, batch, config.train, seed=derive(config.seed, "epoch", 1))
