"""Time and memory from a published file of ratings to a split data set, beside the same in pandas.

The file is generated in the form of Amazon's ratings (item, user, rating, time, as CSV, in no order
of time): items by Zipf's law, users of geometric activity, times in whole days. Steps, in a process
of their own each, both in this run: read, 5-core until nothing changes, numbers for names in the
order of their first appearance, order by time with ties in the order of the file, leave-one-out.

- ``ours``: :mod:`orchestrator.obtaining.interactions` and :mod:`orchestrator.data.split`;
- ``pandas``: the same steps as one writes them with pandas, names as text.

Both must come to the same sequences, to the bit. Seconds are the processor's, all threads together,
so that whatever else the machine does matters little; the clock's stand beside them. Memory is the
most that the process ever held, imports and all. The exit status is 1 where ours takes more than
``--gigabytes`` or the outcomes differ.

    python benchmarks/data_preparation.py --items 1000000 --interactions 10000000
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

SKEW = 0.5
"""Exponent of the popularity of items."""
MEAN_LENGTH = 9
MINIMUM = 5
DAYS = 4000
BLOCK = 1_000_000
"""Rows that are generated at once."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a way came to."""

    way: str
    seconds: dict[str, float]
    """Step -> the processor's seconds."""
    wall: float
    """Seconds by the clock, of all steps."""
    gigabytes: float
    users: int
    items: int
    interactions: int
    digest: str
    """Of the sequences and the three parts of the split."""

    @property
    def total(self) -> float:
        """Seconds of all steps."""
        return sum(self.seconds.values())


class Clock:
    """Seconds of steps, one after the other."""

    def __init__(self) -> None:
        self._since, self._began = time.process_time(), time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """A step has ended."""
        now = time.process_time()
        self.seconds[step], self._since = now - self._since, now

    @property
    def wall(self) -> float:
        """Seconds by the clock since the beginning."""
        return time.perf_counter() - self._began


def generate(path: Path, *, num_items: int, num_rows: int, seed: int = 0) -> None:
    """Write a file of ratings."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    random = np.random.default_rng(seed)
    weights = np.cumsum(np.arange(1, num_items + 1, dtype=np.float64) ** -SKEW)
    num_users = max(1, num_rows // MEAN_LENGTH)
    activity = np.cumsum(random.geometric(1 / MEAN_LENGTH, num_users))
    shape = pacsv.WriteOptions(include_header=False, quoting_style="none")
    kinds = [("i", pa.string()), ("u", pa.string()), ("r", pa.string()), ("t", pa.int64())]
    with pacsv.CSVWriter(path, pa.schema(kinds), write_options=shape) as writer:
        for start in range(0, num_rows, BLOCK):
            size = min(BLOCK, num_rows - start)
            items = np.searchsorted(weights, random.random(size) * weights[-1])
            users = np.searchsorted(activity, random.random(size) * activity[-1])
            days = 1_100_000_000 + 86_400 * random.integers(0, DAYS, size)
            names = [_names("B", items, 9), _names("A", users, 13)]
            columns = [*names, pa.array(["5.0"] * size), pa.array(days)]
            writer.write_table(pa.table(columns, schema=pa.schema(kinds)))


def _names(letter: str, numbers: np.ndarray, digits: int) -> "object":
    """Names of the publisher's length."""
    import pyarrow as pa
    import pyarrow.compute as pc

    padded = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width=digits, padding="0")
    return pc.binary_join_element_wise(letter, padded, "")


def ours(path: Path) -> Found:
    """By the package."""
    from orchestrator.data import leave_one_out
    from orchestrator.obtaining import find_source
    from orchestrator.obtaining.interactions import core_of, read_interactions

    layout = find_source("amazon-2018/office-products").publisher.interactions
    clock = Clock()
    rows = read_interactions(path, layout)
    clock.lap("read")
    core = core_of(rows, minimum=MINIMUM)
    del rows
    clock.lap("k-core, numbers, order")
    split = leave_one_out(core.sequences)
    parts = (split.train.items, split.valid.targets, split.test.targets)
    clock.lap("split")
    digest = digest_of(core.sequences.items, core.sequences.offsets, *parts)
    sizes = (len(core.sequences), len(core.item_names), len(core.sequences.items))
    return found("ours", clock, sizes, digest)


def with_pandas(path: Path) -> Found:
    """As one writes it with pandas."""
    import pandas as pd

    clock = Clock()
    names = ["item", "user", "rating", "time"]
    frame = pd.read_csv(path, header=None, names=names, usecols=["item", "user", "time"])
    clock.lap("read")
    frame = frame.assign(user=pd.factorize(frame["user"])[0], item=pd.factorize(frame["item"])[0])
    while True:
        left = frame[frame.groupby("user")["item"].transform("size") >= MINIMUM]
        left = left[left.groupby("item")["user"].transform("size") >= MINIMUM]
        if len(left) == len(frame):
            break
        frame = left
    places = {name: np.unique(frame[name], return_inverse=True)[1] for name in ("user", "item")}
    frame = frame.assign(**places)
    frame = frame.sort_values(["user", "time"], kind="stable")
    clock.lap("k-core, numbers, order")
    from_end = frame.groupby("user").cumcount(ascending=False)
    train, valid, test = frame[from_end >= 2], frame[from_end == 1], frame[from_end == 0]
    parts = [part["item"].to_numpy() + 1 for part in (frame, train, valid, test)]
    lengths = frame.groupby("user").size().to_numpy()
    clock.lap("split")
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    digest = digest_of(parts[0], offsets, *parts[1:])
    sizes = (len(lengths), int(frame["item"].nunique()), len(frame))
    return found("pandas", clock, sizes, digest)


def digest_of(*columns: np.ndarray) -> str:
    """The same for equal numbers."""
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.ascontiguousarray(column.astype("<i8")).data)
    return digest.hexdigest()[:16]


def found(way: str, clock: Clock, sizes: tuple[int, int, int], digest: str) -> Found:
    """What this process came to."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 2**30
    users, items, interactions = sizes
    return Found(
        way=way,
        seconds=clock.seconds,
        wall=clock.wall,
        gigabytes=held,
        users=users,
        items=items,
        interactions=interactions,
        digest=digest,
    )


WAYS: dict[str, Callable[[Path], Found]] = {"ours": ours, "pandas": with_pandas}


def measure(way: str, path: Path) -> Found:
    """Let a process of its own do it."""
    words = [sys.executable, __file__, "--way", way, "--file", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed with {done.returncode}: {done.stderr[-2000:]}")
    return Found(**json.loads(done.stdout.splitlines()[-1]))


def table(results: Sequence[Found]) -> list[str]:
    """What was measured, as lines."""
    steps = list(results[0].seconds)
    header = ["way", *(f"{step} s" for step in steps), "all s", "by the clock", "peak GiB"]
    rows = [
        [
            one.way,
            *(f"{one.seconds[step]:.1f}" for step in steps),
            f"{one.total:.1f}",
            f"{one.wall:.1f}",
            f"{one.gigabytes:.2f}",
        ]
        for one in results
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in (header, *rows)
    ]
    one = results[0]
    return [
        *lines,
        f"Left: {one.users:,} users, {one.items:,} items, {one.interactions:,} interactions.",
    ]


def verdict(results: Sequence[Found], gigabytes: float) -> list[str]:
    """What is not as it must be."""
    wrong = []
    if len({one.digest for one in results}) > 1:
        wrong.append("The ways came to different sequences.")
    if results[0].gigabytes > gigabytes:
        wrong.append(f"Ours held {results[0].gigabytes:.2f} GiB, more than {gigabytes}.")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--interactions", type=int, default=10_000_000)
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help="Ratings to take instead of generating some.")
    options = parser.parse_args(arguments)
    if options.way is not None:
        print(json.dumps(asdict(WAYS[options.way](options.file))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or Path(folder) / "ratings.csv"
        if options.file is None:
            generate(path, num_items=options.items, num_rows=options.interactions)
        print(f"{path.stat().st_size / 1e6:,.0f} MB, {options.interactions:,} rows")
        results = [measure(way, path) for way in options.ways]
    wrong = verdict(results, options.gigabytes)
    print("\n".join([*table(results), *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
