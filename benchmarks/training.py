"""Seconds per training epoch: ours against the common way, with where the time goes.

- ``ours``: whole sequences with a loss at every position, in groups of like length.
- ``common``: every prefix of every sequence is a sample of its own, padded to the history limit,
  with a loss at its last position.
- ``prefixes``: as the common way, but in groups of like length. It tells apart what less padding
  brings (common to prefixes) and what one pass over a sequence brings (prefixes to ours).

A model that mixes later items into earlier states trains on prefixes, or on sequences with hidden
items, anyhow. Of such there are two ways: ``ours``, in groups of like length, and ``common``, the
same samples (with the same hidden items and the same twins) padded to the history limit.

The model, its loss over the whole catalogue, the optimiser, the targets per step, the threads and
the process are the same; only the batches differ. The ways take turns epoch by epoch, so that
whatever else the machine does slows all of them, and their medians are compared; where it does
much else, ``--clock cpu`` counts the processor's seconds instead. Of a model with several stages
it is the first that is trained. Settings are those chosen for the data set in the model's file.

    python benchmarks/training.py --data-dir DIR --threads 1 --epochs 5 --out training.csv

Before anything is timed, all ways give the loss and gradients of the same samples without dropout:
equal, since they are ways of computing one objective. At the end each way's model is validated;
ours is trained at further seeds too, which tells how much of a difference is chance. With
``--patience N`` ours and prefixes are moreover trained until N epochs bring no better validation,
at every seed, and their best are compared. That stands for the common way as well: it computes what
prefixes compute, and pads more. Where there are two ways alone, both compute the same.
"""

import argparse
import csv
import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TextIO, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from models import Batch, Group, History, Masked, Positions, Prefixes, Recommender
from orchestrator.config import MONITOR, TrialConfig, flatten, override, parse_assignment
from orchestrator.data import Dataset, Sequences, open_dataset
from orchestrator.data.batches import TrainingBatches, windows
from orchestrator.data.interactions import bounds
from orchestrator.evaluation.evaluate import evaluate
from orchestrator.evaluation.significance import interval
from orchestrator.sweep.space import base_trial
from orchestrator.training.average import Average
from orchestrator.training.loop import build_model
from orchestrator.training.optim import optimizer
from orchestrator.training.seeding import derive, reproducible

PHASES = ("batching", "catalogue", "encoder", "loss", "backward", "optimiser")
"""Of one step, in order. ``catalogue`` (item representations), ``encoder`` (histories) and ``loss``
(the rest of the model's loss, mostly logits and softmax) are the forward pass."""
METHODS = {
    "encode": "encoder",
    "encode_items": "catalogue",
    "table": "catalogue",
    "tables": "catalogue",
}
"""Model's method -> phase that its time belongs to; the rest of ``loss`` is the loss."""
RANDOM = ("dropout", "placeholder_weight")
"""Settings of 0 with which a model draws nothing in training, as they end."""
MODELS = (
    "sasrec",
    "tame",
    "decorec",
    "gru4rec",
    "nextitnet",
    "bert4rec",
    "fearec",
    "mmmlp",
    "hm4sr",
    "iisan",
    "odmt",
    "unisrec",
    "tedrec",
    "vqrec",
    "missrec",
    "dimo",
)
WAYS = ("ours", "prefixes", "common")
"""Of a model with a loss at every position; of others :func:`ways_of`."""
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"""Seconds that pass, or seconds that this process computes, all threads together."""

_Result = TypeVar("_Result")


class Batches(Protocol):
    """What trains a model for an epoch."""

    def epoch(self, seed: int) -> Iterator[Batch]:
        """All training samples once."""


class PaddedPrefixes:
    """The common way: every prefix padded to the history limit, one target each.

    All prefixes are laid out once, beforehand, so that a batch is two gathers.
    """

    def __init__(self, sequences: Sequences, *, max_length: int, batch_targets: int) -> None:
        samples = windows(sequences, samples=Prefixes(), max_length=max_length)
        lengths = torch.from_numpy(samples.lengths)[:, None]
        from_end = torch.arange(max_length, 0, -1)
        index = torch.from_numpy(samples.starts)[:, None] + lengths - from_end
        is_item = from_end <= lengths
        self._items = _padded(sequences.items, index, is_item)
        times = sequences.timestamps
        self._times = None if times is None else _padded(times, index, is_item)
        self._targets = torch.from_numpy(sequences.items.astype(np.int64))[index[:, -1] + 1]
        self._batch_targets = batch_targets

    def epoch(self, seed: int) -> Iterator[Batch]:
        """One pass over all prefixes in random order."""
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(self._targets)))
        for picked in order.split(self._batch_targets):
            times = None if self._times is None else self._times[picked]
            targets = torch.zeros(len(picked), self._items.shape[1], dtype=torch.int64)
            targets[:, -1] = self._targets[picked]
            yield Batch((Group(History(self._items[picked], times), targets),))


def _padded(flat: np.ndarray, index: Tensor, wanted: Tensor) -> Tensor:
    return torch.where(wanted, torch.from_numpy(flat.astype(np.int64))[index.clamp(min=0)], 0)


class PaddedSamples(TrainingBatches):
    """Samples as ours, in the same order, each padded to the history limit."""

    def __init__(self, sequences: Sequences, *, max_length: int, **options: Any) -> None:  # noqa: ANN401
        super().__init__(sequences, max_length=max_length, **options)
        # A sequence with hidden items has one more than a history.
        self._limit = max_length + isinstance(options["samples"], Masked)

    def _layout(self, lengths: np.ndarray) -> list[tuple[np.ndarray, int]]:
        return [(np.arange(len(lengths)), self._limit)]


def ways_of(model: Recommender) -> tuple[str, ...]:
    """How a model's batches can be made."""
    return WAYS if model.samples() == Positions() else ("ours", "common")


def batches_of(
    way: str, model: Recommender, sequences: Sequences, *, batch_targets: int
) -> Batches:
    """Training samples of some sequences, the way that is named."""
    samples, max_length = model.samples(), model.config.max_length
    if way == "common" and samples == Positions():
        return PaddedPrefixes(sequences, max_length=max_length, batch_targets=batch_targets)
    make = PaddedSamples if way == "common" else TrainingBatches
    if way == "prefixes":
        samples = Prefixes()
    return make(sequences, samples=samples, max_length=max_length, batch_targets=batch_targets)


class Stopwatch:
    """Seconds spent in each phase; a phase within another stops the outer one's clock."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._phase: str | None = None
        self._since = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside towards ``name``."""
        outer = self._switch(name)
        try:
            yield
        finally:
            self._switch(outer)

    def _switch(self, name: str | None) -> str | None:
        now, before = self._clock(), self._phase
        if before is not None:
            self.seconds[before] += now - self._since
        self._phase, self._since = name, now
        return before


@dataclass
class Contender:
    """A model that is trained one way, and what its epochs took."""

    config: TrialConfig
    model: Recommender
    batches: Batches
    adam: torch.optim.Optimizer
    average: Average | None
    """Of the weights, where the settings ask for one: what is validated."""
    epochs: list[dict[str, float]] = field(default_factory=list)
    """Seconds per phase, an entry per timed epoch."""

    def loss(self, batch: Batch) -> Tensor:
        """Loss of a batch in the precision of the settings."""
        half = self.config.train.precision == "bf16"
        with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
            return self.model.loss(batch).total

    def step(self) -> None:
        """Update the weights, with clipped gradients where the settings say so."""
        limit = self.config.train.clip_norm
        if limit:
            nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        self.adam.step()
        if self.average is not None:
            self.average.update()

    def quality(self, dataset: Dataset) -> float:
        """Validation NDCG@10 as it is trained now."""
        with self.average.applied() if self.average else nullcontext():
            return evaluate(
                self.model,
                dataset.split.valid,
                config=self.config.evaluation,
                max_length=self.config.settings.max_length,
                device=torch.device("cpu"),
                prefix="val",
            )[MONITOR]

    def seconds(self) -> list[float]:
        """Of each timed epoch."""
        return [sum(epoch.values()) for epoch in self.epochs]

    def share(self, phase: str) -> float:
        """Part of all timed epochs that was spent in a phase."""
        return sum(epoch[phase] for epoch in self.epochs) / sum(self.seconds())


def contender(way: str, config: TrialConfig, dataset: Dataset) -> Contender:
    """A fresh model with all that its training needs."""
    model = build_model(config, dataset)
    limits = config.train
    batches = batches_of(way, model, dataset.split.train, batch_targets=limits.batch_targets)
    adam = optimizer(model, model.stages()[0], limits)
    average = Average(model, limits.average_decay) if limits.average_decay else None
    return Contender(config, model, batches, adam, average)


def one_epoch(of: Contender, number: int, *, clock: str = "wall") -> dict[str, float]:
    """Train for an epoch of the first stage; returns the seconds of each phase."""
    watch, seed = Stopwatch(CLOCKS[clock]), of.config.seed
    torch.manual_seed(derive(seed, "epoch", number))
    of.model.train()
    of.model.start_epoch(of.model.stages()[0], number)
    with _watched(of.model, watch), watch.phase("batching"):
        for batch in of.batches.epoch(derive(seed, "order", number)):
            with watch.phase("loss"):
                loss = of.loss(batch)
            with watch.phase("backward"):
                of.adam.zero_grad(set_to_none=True)
                loss.backward()
            with watch.phase("optimiser"):
                of.step()
    return watch.seconds


@contextmanager
def _watched(model: Recommender, watch: Stopwatch) -> Iterator[None]:
    """The model's methods report to the watch inside."""
    names = [name for name in METHODS if hasattr(model, name)]
    for name in names:
        setattr(model, name, _timed(getattr(model, name), watch, METHODS[name]))
    try:
        yield
    finally:
        for name in names:
            delattr(model, name)


def _timed(method: Callable[..., _Result], watch: Stopwatch, phase: str) -> Callable[..., _Result]:
    def call(*args: Any, **options: Any) -> _Result:  # noqa: ANN401
        with watch.phase(phase):
            return method(*args, **options)

    return call


@dataclass(frozen=True)
class Agreement:
    """All ways on the same samples without dropout."""

    num_targets: int
    losses: dict[str, float]
    """Way -> loss."""
    gradient_gap: float
    """Largest difference from the common way's gradients over the largest of those."""


def agreement(config: TrialConfig, dataset: Dataset) -> Agreement:
    """Loss and gradients each way, on the first users that fill a batch.

    Sequences beyond the history limit are left out: those we cut into windows, whose histories
    are shorter than a prefix's.
    """
    dropped = {key: 0.0 for key in flatten(config) if key.endswith(RANDOM)}
    plain = override(config, dropped, where="agreement")
    model = build_model(plain, dataset).train()
    model.start_epoch(model.stages()[0], 1)
    some = _short_sequences(
        dataset.split.train, max_length=model.config.max_length, wanted=config.train.batch_targets
    )
    found = {}
    for way in ways_of(model):
        (batch,) = batches_of(way, model, some, batch_targets=10**9).epoch(0)
        found[way] = _loss_and_gradients(model, batch)
    losses = {way: loss for way, (loss, _) in found.items()}
    right = found["common"][1]
    gaps = [(gradients - right).abs().max() for _, gradients in found.values()]
    return Agreement(len(batch.targets()), losses, float(max(gaps) / right.abs().max()))


def _loss_and_gradients(model: Recommender, batch: Batch) -> tuple[float, Tensor]:
    torch.manual_seed(0)  # gates of experts are noisy
    model.zero_grad(set_to_none=True)
    loss = model.loss(batch).total
    loss.backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return loss.item(), torch.cat(gradients)


def _short_sequences(sequences: Sequences, *, max_length: int, wanted: int) -> Sequences:
    """The first sequences within the history limit with that many targets between them."""
    lengths = sequences.lengths
    fits = np.flatnonzero((lengths > 1) & (lengths <= max_length + 1))
    enough = np.searchsorted(np.cumsum(lengths[fits] - 1), wanted) + 1
    users = fits[:enough]
    inside = np.isin(sequences.users, users)
    times = sequences.timestamps
    return Sequences(
        sequences.items[inside], bounds(lengths[users]), None if times is None else times[inside]
    )


@dataclass(frozen=True)
class Best:
    """A way's training to the end."""

    quality: float
    """Validation NDCG@10 of the best epoch."""
    epoch: int
    seconds: float
    """Of training up to that epoch."""


def best_of(
    way: str, config: TrialConfig, dataset: Dataset, *, patience: int, clock: str = "wall"
) -> Best:
    """Train the first stage until so many epochs bring no better validation."""
    of, best, seconds = contender(way, config, dataset), Best(0.0, 0, 0.0), 0.0
    for number in range(1, config.train.max_epochs + 1):
        seconds += sum(one_epoch(of, number, clock=clock).values())
        quality = of.quality(dataset)
        if quality > best.quality:
            best = Best(quality, number, seconds)
        if number - best.epoch >= patience:
            break
    return best


@dataclass(frozen=True)
class Comparison:
    """What one model's benchmark found."""

    model: str
    contenders: dict[str, Contender]
    agreement: Agreement
    qualities: dict[str, float]
    """Way -> validation NDCG@10 after all epochs."""
    spread: list[float]
    """The same of ours at several seeds, of which the first is the contenders'."""
    evaluation: float
    """Seconds of one validation, which is the same for all ways."""
    best: dict[str, list["Best"]] = field(default_factory=dict)
    """Way -> what training to the end came to, at each seed; empty unless asked for."""

    def ratio(self, way: str) -> float:
        """Median epoch of the common way over the median of this one."""
        common, own = (self.contenders[name].seconds() for name in ("common", way))
        return statistics.median(common) / statistics.median(own)

    def rows(self) -> list[dict[str, object]]:
        """One per way, as they are written to a file."""
        return [self._row(way, of) for way, of in self.contenders.items()]

    def _row(self, way: str, of: Contender) -> dict[str, object]:
        seconds = of.seconds()
        return {
            "model": self.model,
            "way": way,
            "seconds": round(statistics.median(seconds), 4),
            "fastest": round(min(seconds), 4),
            "slowest": round(max(seconds), 4),
            "ratio": round(self.ratio(way), 2),
            **{phase: round(of.share(phase), 4) for phase in PHASES},
            MONITOR: round(self.qualities[way], 5),
            "ours_at_seeds": " ".join(f"{quality:.5f}" for quality in self.spread),
            "best_at_seeds": " ".join(f"{run.quality:.5f}" for run in self.best.get(way, ())),
            "evaluation_seconds": round(self.evaluation, 4),
            "batch_targets": of.config.train.batch_targets,
            "precision": of.config.train.precision,
        }


def compare(
    config: TrialConfig,
    dataset: Dataset,
    *,
    epochs: int,
    seeds: int = 1,
    clock: str = "wall",
    patience: int = 0,
) -> Comparison:
    """Train all ways in turns: a warm-up epoch each, then ``epochs`` timed ones each.

    Args:
        config: the model's settings.
        dataset: what it is trained on.
        epochs: timed epochs of each way.
        seeds: how many seeds ours is trained at, for the spread of its quality.
        clock: one of ``CLOCKS``.
        patience: epochs without a better validation that end the training of ours and prefixes
            to the end, of a model that has both; 0 leaves it out.
    """
    with reproducible(torch.device("cpu")):
        agreed = agreement(config, dataset)
        contenders = {way: contender(way, config, dataset) for way in agreed.losses}
        for number in range(epochs + 1):
            for of in contenders.values():
                seconds = one_epoch(of, number + 1, clock=clock)
                if number:
                    of.epochs.append(seconds)
        started = CLOCKS[clock]()
        ours = contenders["ours"].quality(dataset)
        evaluation = CLOCKS[clock]() - started
        qualities = {way: of.quality(dataset) for way, of in contenders.items()}
        others = [_quality_at(seed, config, dataset, epochs + 1) for seed in range(1, seeds)]
        best = {}
        if patience and "prefixes" in contenders:
            best = {
                way: [
                    best_of(way, _at(seed, config), dataset, patience=patience, clock=clock)
                    for seed in range(seeds)
                ]
                for way in ("ours", "prefixes")
            }
    return Comparison(
        config.model, contenders, agreed, qualities, [ours, *others], evaluation, best
    )


def _at(shift: int, config: TrialConfig) -> TrialConfig:
    return dataclasses.replace(config, seed=config.seed + shift)


def _quality_at(shift: int, config: TrialConfig, dataset: Dataset, epochs: int) -> float:
    """Validation NDCG@10 of ours at another seed."""
    of = contender("ours", _at(shift, config), dataset)
    for number in range(epochs):
        one_epoch(of, number + 1)
    return of.quality(dataset)


def conditions(dataset: Dataset, *, epochs: int, clock: str) -> str:
    """What the numbers depend on, apart from the code."""
    counts = dataset.manifest.counts
    return (
        f"{dataset.name}: {counts.items:,} items, {counts.training_targets:,} targets per epoch. "
        f"{torch.get_num_threads()} thread(s) of {os.cpu_count()} cores, torch "
        f"{torch.__version__}, median (fastest-slowest) of {epochs} epochs, {clock} clock."
    )


def show(comparison: Comparison) -> None:
    """Print one model's agreement and its part of the table."""
    agreed = comparison.agreement
    told = ", ".join(f"{way} {loss:.6f}" for way, loss in agreed.losses.items())
    print(
        f"\n{comparison.model}: loss of the same {agreed.num_targets:,} targets: {told}; "
        f"gradients differ by {agreed.gradient_gap:.0e} of the largest."
    )
    print(f"One validation takes {comparison.evaluation:.2f} s. {_quality(comparison)}")
    for way, runs in comparison.best.items():
        print(f"{way}, trained to the end: {_best(runs)}.")
    if comparison.best:
        print(_difference(comparison.best))
    print(f"{'way':9}{'s/epoch':>10}{'(spread)':>18}{'ratio':>8}", end="")
    print("".join(f"{phase:>11}" for phase in PHASES))
    for row in comparison.rows():
        spread = f"({row['fastest']:.3f}-{row['slowest']:.3f})"
        print(f"{row['way']:9}{row['seconds']:>10.3f}{spread:>18}{row['ratio']:>7.1f}x", end="")
        print("".join(f"{row[phase]:>11.0%}" for phase in PHASES))


def _quality(comparison: Comparison) -> str:
    """How good each way's model became, and how far seeds alone move it."""
    told = ", ".join(f"{way} {value:.4f}" for way, value in comparison.qualities.items())
    spread = comparison.spread
    seeds = f"{min(spread):.4f}-{max(spread):.4f}, mean {statistics.mean(spread):.4f}"
    return f"{MONITOR} after all epochs: {told}; ours at {len(spread)} seed(s): {seeds}."


def _best(runs: Sequence[Best]) -> str:
    told = ", ".join(f"{run.quality:.4f}" for run in runs)
    mean = statistics.mean(run.quality for run in runs)
    epochs = statistics.mean(run.epoch for run in runs)
    seconds = statistics.mean(run.seconds for run in runs)
    return f"{MONITOR} {told}, mean {mean:.4f}; best epoch {epochs:.1f}, {seconds:.0f} s"


def _difference(best: dict[str, list[Best]]) -> str:
    """Of the same seeds, with its interval where there are two or more."""
    pairs = zip(best["ours"], best["prefixes"], strict=True)
    mean, low, high = interval([own.quality - other.quality for own, other in pairs])
    return f"ours less prefixes: {mean:+.4f} (95 % over seeds {low:+.4f} to {high:+.4f})."


def write(
    file: TextIO, comparisons: Sequence[Comparison], dataset: str, *, epochs: int, clock: str
) -> None:
    """All rows with their conditions as CSV."""
    about = {
        "dataset": dataset,
        "timed_epochs": epochs,
        "clock": clock,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }
    rows = [{**row, **about} for comparison in comparisons for row in comparison.rows()]
    writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS), metavar="NAME")
    parser.add_argument("--dataset", default="scientific", metavar="NAME")
    parser.add_argument("--data-dir", type=Path, help="default: ORCH_DATA, else the user's cache")
    parser.add_argument("--epochs", type=int, default=5, help="timed epochs of each way")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3, help="of ours, for the quality's spread")
    parser.add_argument("--patience", type=int, default=0, help="train to the end too")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="settings")
    parser.add_argument("--out", type=Path, metavar="FILE.csv")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    dataset = open_dataset(options.dataset, options.data_dir)
    print(conditions(dataset, epochs=options.epochs, clock=options.clock))
    comparisons = []
    for name in options.models:
        found = _compared(name, dataset, options)
        show(found)
        comparisons.append(found)
    if options.out is not None:
        with options.out.open("w", newline="") as file:
            write(file, comparisons, dataset.name, epochs=options.epochs, clock=options.clock)


def _compared(model: str, dataset: Dataset, options: argparse.Namespace) -> Comparison:
    settings = dict(map(parse_assignment, options.settings))
    config = override(base_trial(model, dataset.name), settings, where="--set")
    return compare(
        config,
        dataset,
        epochs=options.epochs,
        seeds=options.seeds,
        clock=options.clock,
        patience=options.patience,
    )


if __name__ == "__main__":
    main()
