"""Time and memory of TAME's cross-attention over a whole catalogue, against torch's own.

Both ways are given the same queries, weights and tokens, two modalities after one another (32 text
tokens and 50 patches of 768 in half precision, unless told otherwise), and give the same values
and gradients, which is checked first:

- ``ours``: :class:`models.tame.CrossAttention`;
- ``torch``: :class:`torch.nn.MultiheadAttention` over all items at once. It cannot read half
  precision, so it is given the tokens in single precision, made beforehand and not counted in its
  time; the memory that they take is shown apart.

A step is the forward pass and the gradients of queries and weights. The ways take turns, step by
step, and their medians are compared. Memory is the most that the process had to itself during a
step less what it had before. Each point of the grid is measured in a process of its own.

    python benchmarks/retriever.py --threads 1 --out retriever.csv
    python benchmarks/retriever.py --items 10000 30000 100000 --queries 2 --heads 2 --alone

With ``--varied`` texts have 1 to 32 tokens instead; torch's way pads them and masks the padding.
"""

import argparse
import csv
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from torch import Tensor, nn

from models import TokenFeatures
from models.layers.retrieval import PackedTokens, prefers_absorbed
from models.tame import CrossAttention

BEAUTY = 12_101
TOKENS = {"text": 32, "image": 50}
"""Modality -> tokens of each item."""
WIDTH, DIM = 768, 64
GRID = (1, 2, 4, 8, 16)
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
KEYS, TORCHS_KEYS = ("key.weight", "value.weight"), ("k_proj_weight", "v_proj_weight")
"""Weights of ours, and the same of torch's."""
TOLERANCE = 1e-3
"""Largest difference of values or gradients, over the largest of them."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """What is measured."""

    items: int
    queries: int
    heads: int
    varied: bool
    alone: bool
    """Ours only: where torch's way would not fit."""
    rounds: int
    threads: int
    clock: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A point and what was found."""

    items: int
    queries: int
    heads: int
    form: str
    """Ours, of the longest texts and of images."""
    ours_s: float
    torch_s: float
    faster: float
    ours_mb: float
    torch_mb: float
    less: float
    widened_mb: float
    """Of the tokens in single precision that torch's way needs besides."""


def lengths_of(modality: str, items: int, *, varied: bool) -> np.ndarray:
    """Tokens of each item; row 0 is padding and has none."""
    most = TOKENS[modality]
    lengths = np.full(items + 1, most)
    if varied and modality == "text":
        lengths = np.random.default_rng(1).integers(1, most + 1, size=items + 1)
    lengths[0] = 0
    return lengths


def make_tokens(folder: Path, items: int, *, varied: bool) -> None:
    """Write both modalities' tokens, as a data set's folder holds them."""
    random = np.random.default_rng(0)
    block = random.standard_normal((2**14, WIDTH), dtype=np.float32).astype(np.float16)
    for modality in TOKENS:
        lengths = lengths_of(modality, items, varied=varied)
        shape = (int(lengths.sum()), WIDTH)
        path = folder / f"{modality}.npy"
        packed = np.lib.format.open_memmap(path, "w+", dtype=np.float16, shape=shape)
        for start in range(0, len(packed), len(block)):
            packed[start : start + len(block)] = block[: len(packed) - start]
        packed.flush()


def read_tokens(folder: Path, point: Point) -> dict[str, TokenFeatures]:
    """Both modalities, memory-mapped, every page of them in memory already."""
    features = {}
    for modality in TOKENS:
        values = torch.from_numpy(np.load(folder / f"{modality}.npy", mmap_mode="c"))
        for part in values.split(2**14):
            part.amax()
        lengths = lengths_of(modality, point.items, varied=point.varied)
        features[modality] = TokenFeatures(values, torch.from_numpy(lengths))
    return features


Step = Callable[[], list[Tensor]]
"""One step of a way: what is read of each modality, then the gradients."""


class Ours:
    """TAME's cross-attention, a module per modality."""

    def __init__(self, features: dict[str, TokenFeatures], point: Point) -> None:
        self.tokens = {name: PackedTokens(of) for name, of in features.items()}
        self.modules = {name: CrossAttention(DIM, WIDTH, point.heads) for name in features}

    def step(self, queries: Tensor) -> list[Tensor]:
        """Forward and backward."""
        read = [self.modules[name](queries, self.tokens[name]) for name in self.modules]
        return _with_gradients(read, queries, self.modules.values(), KEYS)


class Torchs:
    """torch's multi-head attention of the same weights."""

    def __init__(self, ours: Ours, features: dict[str, TokenFeatures], point: Point) -> None:
        self.modules = {n: _as_torch(module, point.heads) for n, module in ours.modules.items()}
        self.inputs = {name: _padded(of) for name, of in features.items()}

    def step(self, queries: Tensor) -> list[Tensor]:
        """Forward and backward, without row 0: torch gives NaN where there is no token."""
        read = []
        for name, module in self.modules.items():
            tokens, padding = self.inputs[name]
            read.append(module(queries[1:], tokens, tokens, padding, need_weights=False)[0])
        return _with_gradients(read, queries, self.modules.values(), TORCHS_KEYS)


def _with_gradients(
    read: list[Tensor], queries: Tensor, modules: Iterable[nn.Module], names: tuple[str, str]
) -> list[Tensor]:
    """What is read, and the gradients of queries and of the named weights, items alone."""
    queries.grad = None
    for module in modules:
        module.zero_grad(set_to_none=True)
    sum((one[-len(queries) + 1 :].square().mean() for one in read), torch.tensor(0.0)).backward()
    weights = [module.get_parameter(name).grad for module in modules for name in names]
    assert queries.grad is not None
    return [*(one[-len(queries) + 1 :].detach() for one in read), queries.grad[1:], *weights]


def _as_torch(module: CrossAttention, heads: int) -> nn.MultiheadAttention:
    attention = nn.MultiheadAttention(DIM, heads, kdim=WIDTH, vdim=WIDTH, batch_first=True)
    with torch.no_grad():
        attention.q_proj_weight.copy_(module.query.weight)
        attention.k_proj_weight.copy_(module.key.weight)
        attention.v_proj_weight.copy_(module.value.weight)
        keyless = torch.zeros_like(module.query.bias)
        attention.in_proj_bias.copy_(torch.cat([module.query.bias, keyless, module.value.bias]))
        attention.out_proj.load_state_dict(module.out.state_dict())
    return attention


def _padded(features: TokenFeatures) -> tuple[Tensor, Tensor | None]:
    """Tokens in single precision, ``items x tokens x width``, and where padding is."""
    lengths = features.lengths[1:]
    most = int(lengths.max())
    if bool((lengths == most).all()):
        return features.values.float().unflatten(0, (-1, most)), None
    is_token = torch.arange(most) < lengths[:, None]
    tokens = torch.zeros(len(lengths), most, WIDTH)
    tokens[is_token] = features.values.float()
    return tokens, ~is_token


def _held() -> int:
    """Bytes that this process has to itself: mapped files, such as tokens, are not counted."""
    _, resident, shared, *_ = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return (int(resident) - int(shared)) * resource.getpagesize()


def peak_mb(step: Callable[[], object]) -> float:
    """Most memory held during a step less that before it, seen a thousand times a second."""
    before, most, done = _held(), 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(1e-3):
            most = max(most, _held())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        step()
    finally:
        done.set()
        watcher.join()
    return (most - before) / 2**20


def measure(point: Point, folder: Path) -> Row:
    """One point of the grid, in this process."""
    torch.set_num_threads(point.threads)
    torch.manual_seed(0)
    features = read_tokens(folder, point)
    queries = torch.randn(point.items + 1, point.queries, DIM, requires_grad=True)
    ours = Ours(features, point)
    ways: dict[str, Step] = {"ours": lambda: ours.step(queries)}
    memory = {"ours": peak_mb(ways["ours"]), "torch": math.nan}
    widened = math.nan
    if not point.alone:
        before = _held()
        theirs = Torchs(ours, features, point)
        widened = (_held() - before) / 2**20
        ways["torch"] = lambda: theirs.step(queries)
        memory["torch"] = peak_mb(ways["torch"])
        _check(ways["ours"](), ways["torch"]())
    seconds = _take_turns(ways, point)
    return _row(point, seconds, memory, widened)


def _check(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        error = float((one - other).abs().max() / other.abs().max())
        if not error < TOLERANCE:
            raise SystemExit(f"the ways differ by {error:.1e}: no times are compared.")


def _take_turns(ways: dict[str, Step], point: Point) -> dict[str, float]:
    """Median seconds of a step; all ways have been run before."""
    clock = CLOCKS[point.clock]
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(point.rounds):
        for way, step in ways.items():
            start = clock()
            step()
            taken[way].append(clock() - start)
    return {way: statistics.median(seconds) for way, seconds in taken.items()}


def _row(point: Point, seconds: dict[str, float], memory: dict[str, float], widened: float) -> Row:
    sizes = {"queries": point.queries, "heads": point.heads, "dim": DIM}
    forms = [prefers_absorbed(length=length, **sizes) for length in TOKENS.values()]
    torch_s = seconds.get("torch", math.nan)
    return Row(
        items=point.items,
        queries=point.queries,
        heads=point.heads,
        form="/".join("absorbed" if absorbed else "keyed" for absorbed in forms),
        ours_s=seconds["ours"],
        torch_s=torch_s,
        faster=torch_s / seconds["ours"],
        ours_mb=memory["ours"],
        torch_mb=memory["torch"],
        less=memory["torch"] / memory["ours"],
        widened_mb=widened,
    )


def in_own_process(point: Point, folder: Path) -> Row:
    """Measure a point in a fresh process, so that no point leaves memory to the next.

    Raises:
        SystemExit: the measurement failed.
    """
    command = [sys.executable, __file__, "--one", json.dumps(asdict(point)), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{point}: {done.stderr.strip()}")
    return Row(**json.loads(done.stdout))


HEADER = (
    f"{'items':>7} {'N_q':>3} {'h':>3} {'form (text/image)':19} {'ours s':>7} {'torch s':>8} "
    f"{'faster':>7} {'ours MB':>8} {'torch MB':>8} {'less':>6} {'+ widened MB':>12}"
)


def show(row: Row) -> str:
    """One line of the table; what was not measured is a dash."""
    line = (
        f"{row.items:7,} {row.queries:3} {row.heads:3} {row.form:19} {row.ours_s:7.2f} "
        f"{row.torch_s:8.2f} {row.faster:6.1f}x {row.ours_mb:8.0f} {row.torch_mb:8.0f} "
        f"{row.less:5.1f}x {row.widened_mb:12.0f}"
    )
    return line.replace("nanx", "   -").replace("nan", "  -")


def run(given: argparse.Namespace, out: TextIO) -> list[Row]:
    """All points, told as they come."""
    rows = []
    print(HEADER, file=out, flush=True)
    for items in given.items:
        with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
            make_tokens(Path(folder), items, varied=given.varied)
            for point in _points(given, items):
                rows.append(in_own_process(point, Path(folder)))
                print(show(rows[-1]), file=out, flush=True)
    return rows


def _points(given: argparse.Namespace, items: int) -> Iterator[Point]:
    for queries in given.queries:
        for heads in given.heads:
            yield Point(
                items=items,
                queries=queries,
                heads=heads,
                varied=given.varied,
                alone=given.alone,
                rounds=given.rounds,
                threads=given.threads,
                clock=given.clock,
            )


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """All figures, for later."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, print a table, and write it where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[BEAUTY])
    parser.add_argument("--queries", type=int, nargs="+", default=list(GRID), help="N_q")
    parser.add_argument("--heads", type=int, nargs="+", default=list(GRID), help="h")
    parser.add_argument("--varied", action="store_true", help="texts of 1 to 32 tokens")
    parser.add_argument("--alone", action="store_true", help="ours only")
    parser.add_argument("--rounds", type=int, default=3, help="steps of each way that are timed")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--scratch", type=Path, help="folder for the tokens; the system's own")
    parser.add_argument("--out", type=Path, help="CSV to write")
    given = parser.parse_args(arguments)
    rows = run(given, sys.stdout)
    if given.out is not None:
        write_csv(rows, given.out)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        point = Point(**json.loads(sys.argv[2]))
        print(json.dumps(asdict(measure(point, Path(sys.argv[3])))))
    else:
        main()
