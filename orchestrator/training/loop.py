"""The one training loop: stages, epochs, early stopping, best weights, one look at the test."""

import dataclasses
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from models import Batch, Loss, Recommender, Stage
from orchestrator.config import MONITOR, TrialConfig, model_type
from orchestrator.data.batches import TrainingBatches
from orchestrator.data.split import EvalUsers, Split, activity_groups
from orchestrator.data.store import Dataset
from orchestrator.errors import ConfigError, DataError, TrialError
from orchestrator.evaluation.evaluate import evaluate, model_ranks, summary
from orchestrator.evaluation.rank_file import write_ranks
from orchestrator.results import Epoch, Record, provenance, run_id
from orchestrator.training.average import Average
from orchestrator.training.checkpoint import Checkpoints, Progress, load_weights
from orchestrator.training.inputs import label, settled_inputs
from orchestrator.training.optim import check_stage
from orchestrator.training.optim import optimizer as make_optimizer
from orchestrator.training.seeding import derive, reproducible
from orchestrator.training.trace import Tracer

OnEpoch = Callable[[Epoch], None]


@dataclass(frozen=True)
class Finished:
    """A run that is done: its record and its weights."""

    record: Record
    weights: Path


FindFinished = Callable[[TrialConfig], Finished | None]
"""Looks up the finished run of some settings; None where there is none."""


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
    find_finished: FindFinished
    tracer: Tracer

    def autocast(self) -> AbstractContextManager[object]:
        """Inside, matrix products are of the precision that training has."""
        half = self.config.train.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)


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
    settled_inputs(config, dataset)
    torch.manual_seed(derive(config.seed, "weights"))
    try:
        catalogue = dataset.catalogue(config.data, seed=derive(config.seed, "controls"))
        return model_type(config.model)(config.settings, catalogue)
    except ValueError as error:
        raise ConfigError(f"{config.model} on {dataset.name}: {error}") from None


def train(
    config: TrialConfig,
    dataset: Dataset,
    *,
    folder: Path | None = None,
    device: str = "auto",
    on_epoch: OnEpoch | None = None,
    ranks_to: Path | None = None,
    trace_to: Path | None = None,
    find_finished: FindFinished | None = None,
) -> Record:
    """Train one model at one seed, and score the test split once, at the end.

    Args:
        config: the run's settings.
        dataset: an open data set.
        folder: where checkpoints go; a run that was cut there goes on from its last finished
            epoch, on a CPU with as many threads to the same weights bit for bit. None keeps none.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        on_epoch: called after each epoch, and for those done before a resume.
        ranks_to: file for the rank of each user's validation and test target; None keeps none.
        trace_to: file for the gradients that ``train.trace_gradients`` asks for; None keeps none.
        find_finished: asked for runs that are the same computation as one of this run's stages;
            the stage is then taken from there, to the same bits, and not trained again.

    Raises:
        ConfigError: settings and data set do not go together.
        DataError: the data set has nothing to train on or to evaluate.
        TrialError: a loss or score is not a number.
        StoreError: checkpoints, ranks or a trace cannot be written, or checkpoints not read.
    """
    started = time.perf_counter()
    place = pick_device(device)
    with reproducible(place), _checkpoints(folder) as checkpoints:
        run = _prepare(config, dataset, place, checkpoints, on_epoch, find_finished)
        progress = _resume(run)
        for epoch in progress.epochs:
            run.on_epoch(epoch)
        _stages(run, progress)
        metrics = _measure(run, progress, ranks_to)
        if trace_to is not None:
            run.tracer.write(trace_to, num_epochs=progress.step)
    return Record(
        run_id=run_id(config, dataset.data_hash),
        status="finished",
        config=config.to_json(),
        provenance=provenance(
            model=config.model, data=dataset.data_hash, device=_device_name(place)
        ),
        metrics=metrics,
        epochs=tuple(progress.epochs),
        best_step=progress.best_step,
        num_parameters=num_parameters(run.model),
        seconds=time.perf_counter() - started,
        inputs=dict(run.model.input_forms()),
        label=label(config, dataset),
        reused=dict(progress.reused),
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
    find_finished: FindFinished | None,
) -> _Run:
    model = build_model(config, dataset).to(device)
    for stage in model.stages():
        check_stage(model, stage)
    batches = training_batches(
        model,
        dataset,
        max_length=config.settings.max_length,
        batch_targets=config.train.batch_targets,
    )
    report = on_epoch or (lambda _: None)
    find = find_finished or (lambda _: None)
    tracer = Tracer(model, checkpoints.folder, is_on=config.train.trace_gradients)
    return _Run(config, model, batches, dataset.split, device, checkpoints, report, find, tracer)


def training_batches(
    model: Recommender, dataset: Dataset, *, max_length: int, batch_targets: int
) -> TrainingBatches:
    """A data set's training samples in the form that a model takes them.

    Raises:
        DataError: there are none.
    """
    batches = TrainingBatches(
        dataset.split.train,
        samples=model.samples(),
        max_length=max_length,
        batch_targets=batch_targets,
    )
    if not batches.num_targets:
        raise DataError(
            f"{dataset.name}: cannot be trained on: no user has two training interactions. "
            "Import a data set with longer histories."
        )
    return batches


def _resume(run: _Run) -> Progress:
    progress = run.checkpoints.latest()
    if progress is None:
        return Progress()
    run.checkpoints.load_model(progress.step, run.model)
    return progress


def _stages(run: _Run, progress: Progress) -> None:
    """Go through the stages that are left; each ends with its best weights."""
    stages = run.model.stages()
    while progress.stage < len(stages):
        stage = stages[progress.stage]
        if progress.stage_epoch or not _adopt(run, progress, stage):
            _one_stage(run, progress, stage)
            run.checkpoints.load_model(progress.best_step, run.model)
        if progress.stage + 1 == len(stages):
            return
        progress.stage, progress.stage_epoch, progress.best_value = progress.stage + 1, 0, None


def _adopt(run: _Run, progress: Progress, stage: Stage) -> bool:
    """Take a stage's outcome from the run that consists of it; whether there is such a run."""
    first = run.config.settings.first_stage()
    if first is None or progress.step or run.config.train.trace_gradients:
        return False  # a trace is of steps taken here
    finished = run.find_finished(dataclasses.replace(run.config, settings=first))
    if finished is None or finished.record.best_step is None:
        return False
    load_weights(run.model, finished.weights, without=stage.frozen)
    progress.epochs = list(finished.record.epochs)
    progress.step, progress.best_step = len(progress.epochs), finished.record.best_step
    progress.reused[stage.name] = finished.record.run_id
    for epoch in progress.epochs:
        run.on_epoch(epoch)
    return True


def _one_stage(run: _Run, progress: Progress, stage: Stage) -> None:
    optimizer = make_optimizer(run.model, stage, run.config.train)
    decay = run.config.train.average_decay
    average = Average(run.model, decay) if decay else None
    if progress.stage_epoch:
        run.checkpoints.load_optimizer(progress.step, optimizer)
        if average is not None:
            average.restore(run.checkpoints.training_weights(progress.step))
    while not _is_over(run, progress):
        epoch = _one_epoch(run, progress, stage, optimizer, average)
        run.on_epoch(epoch)


def _is_over(run: _Run, progress: Progress) -> bool:
    limits = run.config.train
    if progress.stage_epoch >= limits.max_epochs:
        return True
    return progress.stage_epoch > 0 and progress.stale_epochs() >= limits.patience


def _one_epoch(
    run: _Run,
    progress: Progress,
    stage: Stage,
    optimizer: torch.optim.Optimizer,
    average: Average | None,
) -> Epoch:
    """Train for an epoch, validate and keep what came of it."""
    started = time.perf_counter()
    losses = _train_epoch(run, progress, stage, optimizer, average)
    with average.applied() if average else nullcontext():
        epoch = Epoch(
            step=progress.step + 1,
            stage=stage.name,
            loss=losses,
            valid=_validate(run),
            seconds=time.perf_counter() - started,
        )
        progress.add(epoch, epoch.valid[MONITOR])
        others = average.training_weights() if average else None
        run.checkpoints.save(progress, run.model, optimizer, others)
    return epoch


def _train_epoch(
    run: _Run,
    progress: Progress,
    stage: Stage,
    optimizer: torch.optim.Optimizer,
    average: Average | None,
) -> dict[str, float]:
    """One pass over the training samples; mean of each part of the loss over their targets."""
    step = progress.step + 1
    torch.manual_seed(derive(run.config.seed, "epoch", step))
    run.model.train()
    run.model.start_epoch(stage, progress.stage_epoch + 1)
    run.tracer.start_epoch(step, stage.name, num_steps=progress.num_updates)
    sums: dict[str, Tensor] = {}
    num_targets = 0  # of masked samples each epoch has another number
    for batch in run.batches.epoch(derive(run.config.seed, "order", step)):
        loss = _update(run, batch.to(run.device), optimizer)
        progress.num_updates += 1
        if average is not None:
            average.update()
        weight = len(batch.targets())
        num_targets += weight
        for name, part in {"total": loss.total.detach(), **loss.parts}.items():
            sums[name] = sums.get(name, torch.zeros((), device=run.device)) + part * weight
    run.tracer.end_epoch()
    means = {name: float(total) / num_targets for name, total in sums.items()}
    _require_finite(means, stage, step)
    return means


def _update(run: _Run, batch: Batch, optimizer: torch.optim.Optimizer) -> Loss:
    with run.tracer.step(batch, run.autocast):
        with run.autocast():
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


def _validate(run: _Run) -> dict[str, float]:
    return evaluate(
        run.model,
        run.split.valid,
        config=run.config.evaluation,
        max_length=run.config.settings.max_length,
        device=run.device,
        prefix="val",
    )


def _measure(run: _Run, progress: Progress, ranks_to: Path | None) -> dict[str, float]:
    """Validation figures of the kept weights, and the only look at the test split."""
    best = next(epoch for epoch in progress.epochs if epoch.step == progress.best_step)
    users = run.split.test
    tested = _ranks(run, users)
    if ranks_to is not None:
        write_ranks(ranks_to, users.users, {"val": _ranks(run, run.split.valid), "test": tested})
    groups = activity_groups(run.split)
    cutoffs = run.config.evaluation.cutoffs
    return {**best.valid, **summary(tested, cutoffs=cutoffs, prefix="test", groups=groups)}


def _ranks(run: _Run, users: EvalUsers) -> Float64[np.ndarray, " users"]:
    return model_ranks(
        run.model,
        users,
        config=run.config.evaluation,
        max_length=run.config.settings.max_length,
        device=run.device,
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
