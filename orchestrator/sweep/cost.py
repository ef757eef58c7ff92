"""What a run costs: a few optimiser steps, a validation and a checkpoint, timed on this machine.

Settings of one cost class (:func:`cost_class`) cost the same, so each class is timed once. A rate,
a probability or a weight does not change how much is computed, unless it is 0.
"""

import dataclasses
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from models import Recommender, Stage
from orchestrator.config import TrialConfig
from orchestrator.data import Dataset
from orchestrator.data.batches import TrainingBatches
from orchestrator.data.split import EvalUsers
from orchestrator.evaluation.evaluate import evaluate
from orchestrator.sweep.objective import WEIGHTS
from orchestrator.sweep.probe import step
from orchestrator.training.average import Average
from orchestrator.training.checkpoint import Checkpoints, Progress
from orchestrator.training.loop import build_model, pick_device, training_batches
from orchestrator.training.optim import optimizer
from orchestrator.training.seeding import reproducible

PROBE_SECONDS = 1.5
"""Of optimiser steps in each stage, after one that is not counted."""
MAX_STEPS = 40
MIN_STEPS = 2
MAX_USERS = 20_000
"""Of a validation; where there are more, the time of so many is scaled."""
FINAL_LOOKS = 2.0
"""At its end a run ranks the validation and the test targets."""


@dataclass(frozen=True)
class Seconds:
    """Time on the clock, and of all CPU threads together."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def __mul__(self, factor: float) -> "Seconds":
        return Seconds(self.wall * factor, self.cpu * factor)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run of a cost class costs."""

    epochs: dict[str, Seconds]
    """Stage, in order -> an epoch of it: training, validation, checkpoint."""
    ends: Seconds
    """Before the first and after the last epoch."""
    weights: float
    """Bytes that a finished run keeps of its model."""
    checkpoint: float
    """Bytes of one epoch's checkpoint, the largest of all stages."""

    @property
    def epoch(self) -> float:
        """Seconds of an epoch on the clock, a mean over stages."""
        return float(np.mean([seconds.wall for seconds in self.epochs.values()]))

    def scaled(self, time: float, size: float) -> "Cost":
        """A cost so many times as long and as large."""
        return Cost(
            epochs={stage: seconds * time for stage, seconds in self.epochs.items()},
            ends=self.ends * time,
            weights=self.weights * size,
            checkpoint=self.checkpoint * size,
        )


def cost_class(config: TrialConfig) -> Hashable:
    """What decides the cost of an epoch; settings that are equal in it cost the same."""
    model = dataclasses.asdict(config.settings.canonical())
    sized = {name: bool(v) if isinstance(v, float) else v for name, v in model.items()}
    train = config.train
    return (
        config.model,
        tuple(sorted(sized.items())),
        (train.batch_targets, train.precision, bool(train.average_decay), bool(train.clip_norm)),
        (train.trace_gradients, config.evaluation.exclude_seen),
    )


class _Watch:
    """Time since it was last read; waits for a GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._last = self._now()

    def lap(self) -> Seconds:
        before, self._last = self._last, self._now()
        return self._last + before * -1.0

    def _now(self) -> Seconds:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return Seconds(time.perf_counter(), time.process_time())


def measure(config: TrialConfig, dataset: Dataset, *, device: str, threads: int) -> Cost:
    """Time the parts of a run; takes a few seconds, and longer where one step does.

    Args:
        config: the run's settings.
        dataset: the open data set.
        device: as runs are given it.
        threads: CPU threads per run.

    Raises:
        ConfigError: the model cannot be built on the data set.
    """
    place = pick_device(device)
    with _num_threads(threads), reproducible(place), TemporaryDirectory(prefix="orch-") as folder:
        watch = _Watch(place)
        model = build_model(config, dataset).to(place)
        limits = {"max_length": config.settings.max_length}
        targets = config.train.batch_targets
        batches = training_batches(model, dataset, **limits, batch_targets=targets)
        built = watch.lap()
        looked = _look(model, config, dataset, place)
        probe = _StageProbe(model, config, batches, place, Path(folder))
        stages = {stage.name: probe.epoch(stage) + looked for stage in model.stages()}
    return Cost(
        epochs=stages,
        ends=built + looked * FINAL_LOOKS,
        weights=probe.weights,
        checkpoint=probe.largest,
    )


@contextmanager
def _num_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _look(
    model: Recommender, config: TrialConfig, dataset: Dataset, device: torch.device
) -> Seconds:
    users = dataset.split.valid
    some = _first(users, MAX_USERS)
    watch = _Watch(device)
    evaluate(
        model,
        some,
        config=config.evaluation,
        max_length=config.settings.max_length,
        device=device,
        prefix="val",
    )
    return watch.lap() * (len(users) / len(some))


def _first(users: EvalUsers, most: int) -> EvalUsers:
    parts = {name: getattr(users, name)[:most] for name in ("users", "targets", "ends")}
    return dataclasses.replace(users, **parts)


class _StageProbe:
    """Times stages of one model, one after the other."""

    def __init__(
        self,
        model: Recommender,
        config: TrialConfig,
        batches: TrainingBatches,
        device: torch.device,
        folder: Path,
    ) -> None:
        self.largest = 0.0
        """Bytes of the largest checkpoint so far."""
        self.weights = 0.0
        """Bytes of the model's file in it."""
        self._model = model
        self._config = config
        self._batches = batches
        self._device = device
        self._folder = folder

    def epoch(self, stage: Stage) -> Seconds:
        """An epoch of a stage without its validation."""
        train = self._config.train
        adam = optimizer(self._model, stage, train)
        average = Average(self._model, train.average_decay) if train.average_decay else None
        watch = _Watch(self._device)
        self._model.train()
        self._model.start_epoch(stage, 1)
        begun = watch.lap()
        per_step = self._steps(adam, average)
        watch.lap()
        others = average.training_weights() if average else None
        Checkpoints(self._folder).save(Progress(step=1, best_step=1), self._model, adam, others)
        saved = watch.lap()
        files = [path for path in self._folder.rglob("*") if path.is_file()]
        sizes = {path.name: float(path.stat().st_size) for path in files}
        self.largest, self.weights = max(self.largest, sum(sizes.values())), sizes[WEIGHTS]
        num_steps = -(-self._batches.num_targets // train.batch_targets)
        return begun + per_step * float(num_steps) + saved

    def _steps(self, adam: torch.optim.Optimizer, average: Average | None) -> Seconds:
        """One step on average, after the first, which makes what the others reuse."""
        watch = _Watch(self._device)
        laps: list[Seconds] = []
        for batch in islice(self._batches.epoch(0), MAX_STEPS):
            step(self._model, batch.to(self._device), adam, self._config.train)
            if average is not None:
                average.update()
            laps.append(watch.lap())
            is_enough = sum(lap.wall for lap in laps[1:]) > PROBE_SECONDS
            if is_enough and len(laps) > MIN_STEPS:
                break
        counted = laps[1:] or laps
        return sum(counted, Seconds()) * (1 / len(counted))
