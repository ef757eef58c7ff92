"""Dropout by sixteen random bits per element on a CPU, against torch's.

First alone, forward and backward, per element; then within training steps of models on a data set,
at their settings on it. Both ways take turns in one process and their medians are compared. On
processors from Intel torch draws by another library than elsewhere: the ratio differs by maker.

    python benchmarks/dropout.py --dataset scientific --models mmmlp sasrec --threads 1
"""

import argparse
import csv
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from models.layers import dropout
from orchestrator.data import open_dataset
from orchestrator.sweep.memory import keep_freed_memory
from orchestrator.sweep.probe import step
from orchestrator.sweep.space import base_trial
from orchestrator.training.loop import build_model, training_batches
from orchestrator.training.optim import optimizer

WAYS: dict[str, Callable[[Tensor, float], Tensor]] = {"ours": dropout.drop, "torch": F.dropout}
SHARE = 0.5
ELEMENTS = 10_000_000
"""That are dropped or kept in one measurement of dropout alone."""
STEPS = 3
"""Training steps in one measurement."""
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way's median."""

    what: str
    way: str
    seconds: float


@contextmanager
def by(way: str) -> Iterator[None]:
    """Within it every model drops that way."""
    own = dropout.drop
    dropout.drop = WAYS[way]
    try:
        yield
    finally:
        dropout.drop = own


def in_turns(
    what: str, once: Callable[[], object], *, rounds: int, clock: Callable[[], float]
) -> list[Row]:
    """Median seconds of ``once`` by each way, after one unmeasured call of each."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(1 + rounds):
        for way, taken in seconds.items():
            with by(way):
                started = clock()
                once()
                taken.append(clock() - started)
    return [
        Row(what=what, way=way, seconds=statistics.median(taken[1:]))
        for way, taken in seconds.items()
    ]


def alone(size: int) -> Callable[[], object]:
    """Forward and backward of dropout over so many elements, until :data:`ELEMENTS` were seen."""
    x = torch.randn(size, requires_grad=True)
    grad = torch.randn(size)

    def often() -> None:
        for _ in range(-(-ELEMENTS // size)):
            torch.autograd.grad(dropout.drop(x, SHARE), x, grad)

    return often


def training(model: str, dataset: str, data_dir: Path | None) -> Callable[[], object]:
    """A few training steps of a model, always on the same batches."""
    trial, data = base_trial(model, dataset), open_dataset(dataset, data_dir)
    torch.manual_seed(0)
    built = build_model(trial, data).train()
    stage = built.stages()[0]
    batches = training_batches(
        built,
        data,
        max_length=trial.settings.max_length,
        batch_targets=trial.train.batch_targets,
    )
    few = [batch for batch, _ in zip(batches.epoch(0), range(STEPS), strict=False)]
    adam = optimizer(built, stage, trial.train)
    built.start_epoch(stage, 1)

    def steps() -> None:
        for batch in few:
            step(built, batch, adam, trial.train)

    return steps


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a line for each task, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--elements", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--dataset", default="planted")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--out", type=Path, help="a CSV file of what was measured")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    tasks = {f"{ELEMENTS:,} by {size:,}": alone(size) for size in given.elements}
    for model in given.models:
        tasks[f"{STEPS} steps of {model}"] = training(model, given.dataset, given.data_dir)
    rows = []
    print(f"{'':<24}{'ours, s':>12}{'torch, s':>12}{'ratio':>8}")
    for what, once in tasks.items():
        found = in_turns(what, once, rounds=given.rounds, clock=CLOCKS[given.clock])
        ours, theirs = (row.seconds for row in found)
        print(f"{what:<24}{ours:>12.5f}{theirs:>12.5f}{theirs / ours:>8.2f}")
        rows += found
    if given.out:
        with given.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(asdict(rows[0])), lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)


if __name__ == "__main__":
    main()
