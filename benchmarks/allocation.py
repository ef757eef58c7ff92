"""Seconds per training step where freed memory is kept by the process, and where it is not.

``kept`` is what every run of ours does (:func:`orchestrator.sweep.memory.keep_freed_memory`),
``returned`` is glibc as it comes. A step is SASRec's: forward, loss over the whole catalogue,
backward, Adam, on random histories of random items. Each measurement is a process of its own, as
the way cannot be taken back; the ways take turns, and their medians are compared.

    python benchmarks/allocation.py --items 2000 12000 20000 --threads 1
"""

import argparse
import csv
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

import models
from models import Batch, Catalogue, Group, History
from orchestrator.sweep.memory import keep_freed_memory

WAYS = ("kept", "returned")
LENGTH = 8
"""Targets of each history."""
WARM = 2
"""Steps before the clock runs."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One measurement."""

    way: str
    items: int
    targets: int
    """Per step."""
    steps: int
    threads: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """What it found."""

    seconds: float
    """Median of the steps, by the clock."""
    memory_mb: float
    """The most that the process held."""


def measure_here(task: Task) -> Found:
    """Time steps in this process."""
    if task.way == "kept" and not keep_freed_memory():
        raise SystemExit("The C library here is not glibc: there is nothing to compare.")
    torch.set_num_threads(task.threads)
    kind = models.find("sasrec")
    model = kind(kind.config_type(), Catalogue(task.items)).train()
    adam = torch.optim.Adam(model.parameters())
    generator = torch.Generator().manual_seed(0)
    seconds = []
    for _ in range(WARM + task.steps):
        batch = random_batch(task, generator)
        started = time.perf_counter()
        adam.zero_grad(set_to_none=True)
        model.loss(batch).total.backward()
        adam.step()
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return Found(seconds=statistics.median(seconds[WARM:]), memory_mb=peak)


def random_batch(task: Task, generator: torch.Generator) -> Batch:
    """Histories of random items, with the next item as target at every place."""
    size = (task.targets // LENGTH, LENGTH + 1)
    items = torch.randint(1, task.items + 1, size, generator=generator)
    return Batch((Group(History(items[:, :-1]), items[:, 1:]),))


def measure(task: Task) -> Found:
    """Time steps in a process of its own.

    Raises:
        CalledProcessError: it failed.
    """
    words = [sys.executable, str(Path(__file__)), "--task", json.dumps(asdict(task))]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return Found(**json.loads(done.stdout))


def compared(task: Task, rounds: int) -> dict[str, Found]:
    """Median of each way; the ways take turns."""
    found: dict[str, list[Found]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            found[way].append(measure(replace(task, way=way)))
    return {
        way: Found(
            seconds=statistics.median(one.seconds for one in every),
            memory_mb=max(one.memory_mb for one in every),
        )
        for way, every in found.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every size, print a row for each, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="+", default=[2_000, 12_000, 20_000])
    parser.add_argument("--targets", type=int, default=1024, help="per step")
    parser.add_argument("--steps", type=int, default=10, help="timed in each process")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each way and size")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a CSV file of what was measured")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.task:
        print(json.dumps(asdict(measure_here(Task(**json.loads(given.task))))))
        return
    rows = []
    print(f"{'items':>8}{'way':>10}{'s per step':>12}{'memory, MB':>12}{'ratio':>8}")
    for items in given.items:
        task = Task(
            way="", items=items, targets=given.targets, steps=given.steps, threads=given.threads
        )
        found = compared(task, given.rounds)
        ratio = found["returned"].seconds / found["kept"].seconds
        for way, one in found.items():
            told = f"{ratio:.2f}" if way == "kept" else ""
            print(f"{items:>8,}{way:>10}{one.seconds:>12.4f}{one.memory_mb:>12,.0f}{told:>8}")
            rows.append({**asdict(replace(task, way=way)), **asdict(one)})
    if given.out:
        with given.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
