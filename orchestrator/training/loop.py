"""The one training loop: stages, epochs, early stopping, best weights, one look at the test."""

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from models import Batch, Loss, Recommender, Stage
from orchestrator.config import MONITOR, TrialConfig, model_type
from orchestrator.data.batches import TrainingBatches
from orchestrator.data.split import Split, activity_groups
from orchestrator.data.store import Dataset
from orchestrator.errors import ConfigError, DataError, TrialError
from orchestrator.evaluation.evaluate import evaluate
from orchestrator.results import Epoch, Record, provenance, run_id
from orchestrator.training.checkpoint import Checkpoints, Progress
from orchestrator.training.optim import check_stage
from orchestrator.training.optim import optimizer as make_optimizer
from orchestrator.training.seeding import derive, reproducible

OnEpoch = Callable[[Epoch], None]


@dataclass(frozen=True)
class _Run:
    """What the phases of one run share."""

    config: TrialConfig
    model: Recommender
    batches: TrainingBatches
    split: Split
    device: torch.device
    checkpoints: Checkpoints
    on_epoch: OnEpoch


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` is a GPU where there is one, else the CPU.

    Raises:
        ConfigError: the device does not exist here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        raise ConfigError(f"--device cannot be {name}: it is not here. Use auto or cpu.") from None
    return device


def build_model(config: TrialConfig, dataset: Dataset) -> Recommender:
    """A freshly initialised model; the same seed gives the same weights.

    Raises:
        ConfigError: the data set lacks an input that the settings ask for.
    """
    torch.manual_seed(derive(config.seed, "weights"))
    try:
        return model_type(config.model)(config.settings, dataset.catalogue())
    except ValueError as error:
        raise ConfigError(f"{config.model} on {dataset.name}: {error}") from None


def train(
    config: TrialConfig,
    dataset: Dataset,
    *,
    folder: Path | None = None,
    device: str = "auto",
    on_epoch: OnEpoch | None = None,
) -> Record:
    """Train one model at one seed, and score the test split once, at the end.

    Args:
        config: the run's settings.
        dataset: an open data set.
        folder: where checkpoints go; a run that was cut there goes on from its last finished
            epoch, on a CPU with as many threads to the same weights bit for bit. None keeps none.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        on_epoch: called after each epoch, and for those done before a resume.

    Raises:
        ConfigError: settings and data set do not go together.
        DataError: the data set has nothing to train on or to evaluate.
        TrialError: a loss or score is not a number.
        StoreError: checkpoints cannot be written or read.
    """
    started = time.perf_counter()
    place = pick_device(device)
    with reproducible(place), _checkpoints(folder) as checkpoints:
        run = _prepare(config, dataset, place, checkpoints, on_epoch)
        progress = _resume(run)
        for epoch in progress.epochs:
            run.on_epoch(epoch)
        _stages(run, progress)
        metrics = _measure(run, progress)
    return Record(
        run_id=run_id(config, dataset.data_hash),
        status="finished",
        config=config.to_json(),
        provenance=provenance(data=dataset.data_hash, device=_device_name(place)),
        metrics=metrics,
        epochs=tuple(progress.epochs),
        best_step=progress.best_step,
        num_parameters=num_parameters(run.model),
        seconds=time.perf_counter() - started,
        inputs=dict(run.model.input_forms()),
    )


def num_parameters(model: nn.Module) -> int:
    """Trainable numbers of a model; its item features are none."""
    return sum(parameter.numel() for parameter in model.parameters())


@contextmanager
def _checkpoints(folder: Path | None) -> Iterator[Checkpoints]:
    if folder is not None:
        yield Checkpoints(folder)
        return
    with tempfile.TemporaryDirectory(prefix="orch-") as temporary:
        yield Checkpoints(Path(temporary))


def _prepare(
    config: TrialConfig,
    dataset: Dataset,
    device: torch.device,
    checkpoints: Checkpoints,
    on_epoch: OnEpoch | None,
) -> _Run:
    model = build_model(config, dataset).to(device)
    for stage in model.stages():
        check_stage(model, stage)
    split = dataset.split
    batches = TrainingBatches(
        split.train,
        samples=model.samples,
        max_length=config.settings.max_length,
        batch_targets=config.train.batch_targets,
    )
    if not batches.num_targets:
        raise DataError(
            f"{dataset.name}: cannot be trained on: no user has two training interactions. "
            "Import a data set with longer histories."
        )
    report = on_epoch or (lambda _: None)
    return _Run(config, model, batches, split, device, checkpoints, report)


def _resume(run: _Run) -> Progress:
    progress = run.checkpoints.latest()
    if progress is None:
        return Progress()
    run.checkpoints.load_model(progress.step, run.model)
    return progress


def _stages(run: _Run, progress: Progress) -> None:
    """Train the stages that are left; each ends with its best weights."""
    stages = run.model.stages()
    while progress.stage < len(stages):
        _one_stage(run, progress, stages[progress.stage])
        run.checkpoints.load_model(progress.best_step, run.model)
        if progress.stage + 1 == len(stages):
            return
        progress.stage, progress.stage_epoch, progress.best_value = progress.stage + 1, 0, None


def _one_stage(run: _Run, progress: Progress, stage: Stage) -> None:
    optimizer = make_optimizer(run.model, stage, run.config.train)
    if progress.stage_epoch:
        run.checkpoints.load_optimizer(progress.step, optimizer)
    while not _is_over(run, progress):
        epoch = _one_epoch(run, progress, stage, optimizer)
        progress.step, progress.stage_epoch = progress.step + 1, progress.stage_epoch + 1
        value = epoch.valid[MONITOR]
        if progress.best_value is None or value > progress.best_value:
            progress.best_value, progress.best_step = value, progress.step
        progress.epochs.append(epoch)
        run.checkpoints.save(progress, run.model, optimizer)
        run.on_epoch(epoch)


def _is_over(run: _Run, progress: Progress) -> bool:
    limits = run.config.train
    if progress.stage_epoch >= limits.max_epochs:
        return True
    return progress.stage_epoch > 0 and progress.stale_epochs() >= limits.patience


def _one_epoch(
    run: _Run, progress: Progress, stage: Stage, optimizer: torch.optim.Optimizer
) -> Epoch:
    started = time.perf_counter()
    step = progress.step + 1
    torch.manual_seed(derive(run.config.seed, "epoch", step))
    run.model.train()
    run.model.start_epoch(stage, progress.stage_epoch + 1)
    sums: dict[str, Tensor] = {}
    for batch in run.batches.epoch(derive(run.config.seed, "order", step)):
        loss = _update(run, batch.to(run.device), optimizer)
        weight = len(batch.targets())
        for name, part in {"total": loss.total.detach(), **loss.parts}.items():
            sums[name] = sums.get(name, torch.zeros((), device=run.device)) + part * weight
    means = {name: float(total) / run.batches.num_targets for name, total in sums.items()}
    _require_finite(means, stage, step)
    return Epoch(
        step=step,
        stage=stage.name,
        loss=means,
        valid=_evaluate(run, "val"),
        seconds=time.perf_counter() - started,
    )


def _update(run: _Run, batch: Batch, optimizer: torch.optim.Optimizer) -> Loss:
    loss = run.model.loss(batch)
    optimizer.zero_grad(set_to_none=True)
    loss.total.backward()
    limit = run.config.train.clip_norm
    if limit:
        nn.utils.clip_grad_norm_(run.model.parameters(), limit)
    optimizer.step()
    return loss


def _require_finite(means: dict[str, float], stage: Stage, step: int) -> None:
    for name, value in means.items():
        if not math.isfinite(value):
            raise TrialError(
                f"the loss `{name}` is {value} in epoch {step} (stage {stage.name}). "
                "Lower `train.learning_rate` or set `train.clip_norm`."
            )


def _evaluate(run: _Run, part: Literal["val", "test"]) -> dict[str, float]:
    users = run.split.valid if part == "val" else run.split.test
    return evaluate(
        run.model,
        users,
        config=run.config.evaluation,
        max_length=run.config.settings.max_length,
        device=run.device,
        prefix=part,
        groups=activity_groups(run.split) if part == "test" else None,
    )


def _measure(run: _Run, progress: Progress) -> dict[str, float]:
    """Validation figures of the kept weights, and the only look at the test split."""
    best = next(epoch for epoch in progress.epochs if epoch.step == progress.best_step)
    return {**best.valid, **_evaluate(run, "test")}


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
