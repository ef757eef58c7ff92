"""Time and memory of what DeCoRec does to a catalogue as it grows, and where the cost bends.

Sequences are synthetic: as many users as items, ten interactions each on average (geometric), of
items by Zipf's law. Features are drawn around a centre for every ten items. Measured, each in a
process of its own and on one thread:

- ``cooccurrence``: the sparse matrix of items at most 50 places apart;
- ``clusters 10%``, ``clusters 1000``: k-means of one modality's features;
- ``stage 1``, ``stage 2``: a training step of 512 targets over two modalities; an epoch is the
  step times the steps that all training targets take. Clusters are drawn at random here, since
  only their number costs.

Seconds are the processor's, so that whatever else the machine does matters little. Memory is the
most the process ever held less what it held after its imports: inputs and results count. A cost
``n^e`` between two sizes has ``e = log(cost ratio) / log(size ratio)``; it bends where ``e``
exceeds 1.3. What must come: co-occurrence grows with the pairs of places, a training step with the
items (their representations, and the logits of a batch in chunks), both as ``n``; clusters in a
fixed share of the items as ``n^2``, and so does an epoch, since every target is compared with
every item. Nothing may need memory as ``n^2``.

    python benchmarks/scaling.py --sizes 10000 100000 1000000 --out scaling.csv
"""

import argparse
import csv
import itertools
import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np
import sklearn.cluster  # counts as an import, not as memory of clustering
import torch
from torch import Tensor

import models
from models import Catalogue, Modality, Recommender
from orchestrator.config import TrainConfig
from orchestrator.data import Sequences
from orchestrator.data.batches import TrainingBatches
from orchestrator.data.derived import TrainingDerived
from orchestrator.data.interactions import bounds
from orchestrator.training.optim import optimizer

MEAN_LENGTH = 10
ITEMS_PER_CENTRE = 10
NOISE = 0.7
"""Standard deviation of features around their centre; the centres' own is 1."""
MAX_DISTANCE = 50
BATCH_TARGETS = 512
BEND = 1.3
"""Exponent above which a cost no longer grows in proportion."""
OUT_OF_MEMORY, REFUSED = 3, 4
"""Exit statuses of a measurement."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One measurement."""

    what: str
    items: int
    width: int
    """Features of each modality."""
    dim: int
    """Width of DeCoRec's representations and of its adapters inside."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a measurement found."""

    seconds: float
    """Of the processor; per step where training is measured."""
    steps: int = 0
    """Of an epoch."""
    facts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement and its outcome."""

    task: Task
    outcome: str
    """``done``, or why there are no numbers."""
    found: Found | None = None
    memory_mb: float = math.nan

    @property
    def epoch_seconds(self) -> float:
        """Seconds of an epoch; NaN where nothing is trained."""
        return self.found.seconds * self.found.steps if self.found else math.nan


def synthetic_sequences(num_items: int, *, seed: int = 0) -> Sequences:
    """As many users as items; item ``r`` is taken in proportion to ``1 / r``."""
    random = np.random.default_rng([seed, 0])
    lengths = random.geometric(1 / MEAN_LENGTH, size=num_items)
    cumulative = np.cumsum(1 / np.arange(1, num_items + 1))
    drawn = random.random(lengths.sum()) * cumulative[-1]
    items = 1 + np.searchsorted(cumulative, drawn).clip(max=num_items - 1)
    return Sequences(items.astype(np.int32), bounds(lengths))


def synthetic_features(num_items: int, width: int, *, seed: int = 0) -> Tensor:
    """Pooled features of every item around shared centres; row 0 is padding."""
    random = np.random.default_rng([seed, 1])
    num_centres = max(1, num_items // ITEMS_PER_CENTRE)
    centres = random.standard_normal((num_centres, width), dtype=np.float32)
    rows = random.standard_normal((num_items + 1, width), dtype=np.float32)
    rows *= NOISE
    rows[1:] += centres[random.integers(num_centres, size=num_items)]
    rows[0] = 0
    return torch.from_numpy(rows)


class CheapClusters(TrainingDerived):
    """Real co-occurrence beside clusters drawn at random."""

    def clusters(self, vectors: Tensor, num_clusters: int, *, seed: int) -> Tensor:
        """A random cluster for each vector."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(num_clusters, (len(vectors),), generator=generator)


def measure_cooccurrence(task: Task) -> Found:
    """Co-occurrence of all items."""
    derived = TrainingDerived(synthetic_sequences(task.items), task.items)
    started = time.process_time()
    matrix = derived.cooccurrence(max_distance=MAX_DISTANCE)
    return Found(seconds=time.process_time() - started, facts={"nonzeros": matrix._nnz()})


def clusters_of(task: Task) -> int:
    """Number of clusters of a task; 0 where it makes none."""
    return {"clusters 10%": task.items // 10, "clusters 1000": 1000}.get(task.what, 0)


def measure_clusters(task: Task) -> Found:
    """k-means of one modality."""
    vectors = synthetic_features(task.items, task.width)[1:]
    derived = TrainingDerived(Sequences(np.zeros(0, np.int32), bounds([])), task.items)
    started = time.process_time()
    derived.clusters(vectors, clusters_of(task), seed=0)
    return Found(seconds=time.process_time() - started, facts={"clusters": clusters_of(task)})


def measure_stage(task: Task) -> Found:
    """Training steps of a stage; the model holds what the stage needs."""
    sequences = synthetic_sequences(task.items)
    model = _model(task, sequences).train()
    stage = model.stages()[-1]
    adam = optimizer(model, stage, TrainConfig())
    model.start_epoch(stage, 1)
    batches = TrainingBatches(
        sequences, samples=model.samples(), max_length=MAX_DISTANCE, batch_targets=BATCH_TARGETS
    )
    repeats = steps_to_measure(task.items)
    started = time.process_time()
    for _, batch in zip(range(repeats), batches.epoch(0), strict=False):
        adam.zero_grad(set_to_none=True)
        model.loss(batch).total.backward()
        adam.step()
    seconds = (time.process_time() - started) / repeats
    return Found(seconds=seconds, steps=math.ceil(batches.num_targets / BATCH_TARGETS))


def steps_to_measure(num_items: int) -> int:
    """More steps where they are short."""
    return max(1, min(20, 500_000 // num_items))


def _model(task: Task, sequences: Sequences) -> Recommender:
    kind = models.find("decorec")
    fusion = "modality" if task.what == "stage 1" else "phased"
    config = kind.config_type(
        dim=task.dim, adapter_hidden=task.dim, max_length=MAX_DISTANCE, fusion=fusion
    )
    modalities = {
        name: Modality(name, pooled=synthetic_features(task.items, task.width, seed=seed))
        for seed, name in enumerate(("text", "image"))
    }
    return kind(config, Catalogue(task.items, modalities, CheapClusters(sequences, task.items)))


MEASURES: dict[str, Callable[[Task], Found]] = {
    "cooccurrence": measure_cooccurrence,
    "clusters 10%": measure_clusters,
    "clusters 1000": measure_clusters,
    "stage 1": measure_stage,
    "stage 2": measure_stage,
}


def peak_mb() -> float:
    """Most memory that this process ever held."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def measure_here(task: Task, *, seconds: float, gigabytes: float) -> int:
    """Measure in this process, and print it as JSON; returns the exit status.

    The process is ended by SIGPROF when its time is up.
    """
    torch.set_num_threads(1)
    imported = peak_mb()
    resource.setrlimit(resource.RLIMIT_DATA, (int(gigabytes * 2**30),) * 2)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        found = MEASURES[task.what](task)
    except MemoryError:
        return OUT_OF_MEMORY
    except ValueError as error:
        print(error)
        return REFUSED
    except RuntimeError as error:
        if "allocate memory" in str(error):
            return OUT_OF_MEMORY
        raise
    print(json.dumps({"found": asdict(found), "memory_mb": peak_mb() - imported}))
    return 0


def measure(task: Task, *, seconds: float, gigabytes: float) -> Row:
    """Measure in a process of its own.

    Args:
        task: what is measured.
        seconds: the processor's, after which it is given up; making the inputs counts.
        gigabytes: memory beyond which it is given up.

    Raises:
        RuntimeError: the measurement failed for another reason.
    """
    limits = ["--seconds", str(seconds), "--gigabytes", str(gigabytes)]
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), "--task", json.dumps(asdict(task)), *limits],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        plain = json.loads(done.stdout)
        found = Found(**plain["found"])
        return Row(task=task, outcome="done", found=found, memory_mb=plain["memory_mb"])
    return Row(task=task, outcome=why(done, seconds=seconds, gigabytes=gigabytes))


def why(done: subprocess.CompletedProcess[str], *, seconds: float, gigabytes: float) -> str:
    """Outcome of a measurement that gave no numbers.

    Raises:
        RuntimeError: it is none of the known ones.
    """
    known = {
        -signal.SIGPROF: f"more than {seconds:g} s",
        -signal.SIGKILL: "killed, probably for its memory",
        OUT_OF_MEMORY: f"more than {gigabytes:g} GB",
        REFUSED: f"refused: {done.stdout.strip()}",
    }
    if done.returncode not in known:
        raise RuntimeError(f"a measurement ended with status {done.returncode}:\n{done.stderr}")
    return known[done.returncode]


def growth(rows: Sequence[Row], cost: Callable[[Row], float]) -> Iterator[tuple[Row, Row, float]]:
    """Exponent of a cost between neighbouring sizes of each thing that was measured."""
    for what in dict.fromkeys(row.task.what for row in rows):
        series = [row for row in rows if row.task.what == what and cost(row) > 0]
        series.sort(key=lambda row: row.task.items)
        for small, large in itertools.pairwise(series):
            sizes = math.log(large.task.items / small.task.items)
            yield small, large, math.log(cost(large) / cost(small)) / sizes


COSTS: dict[str, Callable[[Row], float]] = {
    "time": lambda row: row.found.seconds if row.found else math.nan,
    "time of an epoch": lambda row: row.epoch_seconds,
    "memory": lambda row: row.memory_mb,
}


def verdicts(rows: Sequence[Row]) -> list[str]:
    """A sentence for each thing and cost: how it grows, and from where on it bends."""
    told: dict[tuple[str, str], list[str]] = {}
    for name, cost in COSTS.items():
        for small, large, exponent in growth(rows, cost):
            bend = "  <- bends" if exponent > BEND else ""
            told.setdefault((small.task.what, name), []).append(
                f"n^{exponent:.2f} from {small.task.items:,} to {large.task.items:,}{bend}"
            )
    return [f"{what}, {name}: {'; '.join(steps)}" for (what, name), steps in sorted(told.items())]


def show(row: Row) -> None:
    """Print one line of the table."""
    print(f"{row.task.what:15}{row.task.items:>11,}", end="")
    if row.found is None:
        print(f"  {row.outcome}")
        return
    epoch = f"{row.epoch_seconds / 3600:.2f} h" if row.found.steps else ""
    facts = ", ".join(f"{name} {value:,}" for name, value in row.found.facts.items())
    print(f"{row.found.seconds:>12.2f}{epoch:>14}{row.memory_mb:>12,.0f}  {facts}")


def write(file: TextIO, rows: Sequence[Row]) -> None:
    """All measurements with their conditions as CSV."""
    writer = csv.DictWriter(file, fieldnames=list(_columns(rows[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_columns, rows))


def _columns(row: Row) -> dict[str, object]:
    return {**asdict(row.task), "outcome": row.outcome, **_numbers(row), **_conditions()}


def _numbers(row: Row) -> dict[str, object]:
    names = ("seconds", "steps_per_epoch", "epoch_seconds", "memory_mb", "nonzeros", "clusters")
    if row.found is None:
        return dict.fromkeys(names)
    facts = row.found.facts
    values = (
        round(row.found.seconds, 4),
        row.found.steps or None,
        round(row.epoch_seconds, 2) or None,
        round(row.memory_mb, 1),
        facts.get("nonzeros"),
        facts.get("clusters"),
    )
    return dict(zip(names, values, strict=True))


def _conditions() -> dict[str, object]:
    return {
        "threads": 1,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "scikit_learn": sklearn.__version__,
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--what", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    parser.add_argument("--width", type=int, default=64, help="features of each modality")
    parser.add_argument("--dim", type=int, default=64, help="of the model and inside its adapters")
    parser.add_argument("--seconds", type=float, default=240, help="of the processor, each")
    parser.add_argument("--gigabytes", type=float, default=12, help="of memory, each")
    parser.add_argument("--out", type=Path, metavar="FILE.csv")
    parser.add_argument("--task", type=json.loads, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    options = _options(arguments)
    limits = {"seconds": options.seconds, "gigabytes": options.gigabytes}
    if options.task is not None:
        return measure_here(Task(**options.task), **limits)
    print(f"width {options.width}, dim {options.dim}; 1 thread of {os.cpu_count()} cores")
    print(f"{'what':15}{'items':>11}{'cpu s':>12}{'an epoch':>14}{'MB':>12}")
    rows = []
    for what in options.what:
        for size in options.sizes:
            task = Task(what=what, items=size, width=options.width, dim=options.dim)
            rows.append(measure(task, **limits))
            show(rows[-1])
    print("\n".join(["", *verdicts(rows)]))
    if options.out is not None:
        with options.out.open("w", newline="") as file:
            write(file, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
