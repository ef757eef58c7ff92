"""What a sweep costs beside the training itself, against the usual recipe, in one run.

The recipe is what a careful user writes in an afternoon: ``ray.tune.Tuner`` with a function that
trains, ``OptunaSearch``, Ray's ``MLflowLoggerCallback`` on a SQLite file, and its defaults (a new
process per trial). Both train the same models by the same loop; both ways, each in a process of its
own and from an empty folder, take turns. Measured:

- ``cost``: seconds that one more trial costs beside its training, on one worker: the time from the
  end of the first trial to that of the last, over the trials between, less their training, which
  is of SASRec of width 4 for one epoch on 60 users;
- ``start``: seconds from the start of the process to the first epoch of the first trial;
- ``real``: SASRec trials on a data set: the sweep's seconds on one worker and on N, the driver's
  seconds in the tracker as a share of the trials' seconds, memory of a worker.

    python benchmarks/orchestration.py --dataset scientific --out orchestration.csv
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any, TextIO

BEGAN = time.time()
"""When this process began, near enough: before anything heavy was imported."""

TINY = {
    "model.dim": 4,
    "model.inner_dim": 4,
    "model.num_layers": 1,
    "model.num_heads": 1,
    "model.max_length": 5,
    "train.max_epochs": 1,
}
"""Settings of a trial of next to no work."""
SMALL: dict[str, Any] = {"workers": 1, "dataset": "tiny", "settings": TINY}
METRIC = "val/ndcg@10"
RECIPE_METRIC = "val_ndcg_10"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One sweep to measure."""

    way: str
    """``ours`` or ``recipe``."""
    trials: int
    workers: int
    dataset: str
    data_dir: str
    settings: dict[str, Any]


@dataclass(kw_only=True)
class Found:
    """What a sweep took."""

    total: float = 0.0
    """Seconds from the start of its process to its end."""
    start: float = 0.0
    """Seconds from the start of its process to the first epoch told."""
    ends: list[float] = field(default_factory=list)
    """When each trial's end was told, from the start of the process."""
    trained: list[float] = field(default_factory=list)
    """Seconds of each trial's training."""
    logging: float = 0.0
    """Seconds that the driver spent in the tracker; 0 where it cannot be told."""
    worker_mb: float = 0.0
    """Memory of a worker that no other process shares, the most seen."""
    finished: int = 0

    def end(self, seconds: float) -> None:
        """A trial ended, after so many seconds of training."""
        self.ends.append(time.time() - BEGAN)
        self.trained.append(seconds)
        self.worker_mb = max(self.worker_mb, worker_memory() if len(self.ends) == 2 else 0)

    def cost(self) -> float:
        """Seconds of a trial beside its training; the first, which begins with the sweep, apart."""
        more = len(self.ends) - 1
        return (self.ends[-1] - self.ends[0] - sum(self.trained[1:])) / more


@dataclass
class Watch:
    """Hears of a sweep's epochs and ends, and looks at its workers."""

    found: Found = field(default_factory=Found)

    def checking(self, num_done: int, num_variants: int) -> None:
        """Nothing is checked here."""

    def phase(self, name: str) -> None:
        """There is one phase."""

    def planned(self, num_runs: int, num_reused: int, notes: tuple[str, ...]) -> None:
        """Nothing to learn."""

    def note(self, text: str) -> None:
        """Nothing to learn."""

    def repeated(self, run: object, record: Any) -> None:  # noqa: ANN401
        """A benchmark whose workers die measures nothing."""
        raise RuntimeError(record.reason)

    def epoch(self, run: object, epoch: Any) -> None:  # noqa: ANN401
        """The first one ends the start-up."""
        self.found.start = self.found.start or time.time() - BEGAN - epoch.seconds

    def finished(self, run: object, record: Any) -> None:  # noqa: ANN401
        """Add up."""
        self.found.end(record.seconds)
        self.found.finished += record.status == "finished"


def worker_memory() -> float:
    """Megabytes of the largest of Ray's workers below this process, that no other shares."""
    import psutil

    sizes = [0.0]
    for process in psutil.Process().children(recursive=True):
        try:
            if "ImplicitFunc" in " ".join(process.cmdline()):
                sizes.append(process.memory_full_info().uss / 1e6)
        except psutil.Error:
            continue
    return max(sizes)


def ours(task: Task, folder: Path) -> Found:
    """The sweep by ``orch``: a joint space of learning rates, sampled by Optuna."""
    from orchestrator import api

    watch = Watch()
    with _space(folder), _timed_tracking(watch):
        result = api.sweep(
            "sasrec",
            "bench",
            dataset=task.dataset,
            data_dir=Path(task.data_dir),
            num_seeds=1,
            num_trials=task.trials,
            num_workers=task.workers,
            overrides=task.settings,
            results=folder / "results",
            listener=watch,
            device="cpu",
        )
    assert len(result.records) == task.trials, "the sweep is not whole"
    return watch.found


@contextmanager
def _space(folder: Path) -> Iterator[None]:
    """SASRec has a space ``bench`` within."""
    from orchestrator.sweep import space

    text = '[spaces.bench]\nkind = "joint"\nabout = "Rates."\n'
    text += "factors.train.learning_rate = {low = 1e-3, high = 2e-3, log = true}\n"
    (folder / "sasrec.toml").write_text(text)
    before, space.folder = space.folder, lambda: folder
    try:
        yield
    finally:
        space.folder = before


@contextmanager
def _timed_tracking(watch: Watch) -> Iterator[None]:
    """Count the seconds that the driver spends in the tracker's methods."""
    from orchestrator.tracking.sweep import SweepTracker

    names = ("start_run", "log_epoch", "finish_run")
    before = {name: getattr(SweepTracker, name) for name in names}

    def timed(method: Callable[..., None]) -> Callable[..., None]:
        def call(*args: object, **kwargs: object) -> None:
            began = time.perf_counter()
            method(*args, **kwargs)
            watch.found.logging += time.perf_counter() - began

        return call

    for name, method in before.items():
        setattr(SweepTracker, name, timed(method))
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(SweepTracker, name, method)


def recipe(task: Task, folder: Path) -> Found:
    """The same by Ray Tune as its documentation shows it."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search.optuna import OptunaSearch

    found = Found()

    class Look(tune.Callback):
        def on_trial_result(self, iteration, trials, trial, result, **_):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN202
            found.start = found.start or time.time() - BEGAN - result["seconds"]
            if "trained" in result:
                found.end(result["trained"])

    ray.init(
        address="local",  # not a cluster that something left on this machine
        num_cpus=task.workers,
        include_dashboard=False,
        log_to_driver=False,
    )
    grid = tune.Tuner(
        tune.with_parameters(_recipe_trial, task=asdict(task)),
        param_space={"train.learning_rate": tune.loguniform(1e-3, 2e-3)},
        tune_config=tune.TuneConfig(
            metric=RECIPE_METRIC,
            mode="max",
            num_samples=task.trials,
            search_alg=OptunaSearch(),
            max_concurrent_trials=task.workers,
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder / "ray"),
            verbose=0,
            callbacks=[
                Look(),
                MLflowLoggerCallback(
                    tracking_uri=f"sqlite:///{folder / 'recipe.db'}", experiment_name="recipe"
                ),
            ],
        ),
    ).fit()
    found.finished = task.trials - grid.num_errors
    ray.shutdown()
    return found


def _recipe_trial(config: dict[str, float], task: dict[str, Any]) -> None:
    import torch
    from ray import tune

    torch.set_num_threads(1)
    from orchestrator.config import default_trial, override
    from orchestrator.data import open_dataset
    from orchestrator.training.loop import train

    base = default_trial("sasrec", task["dataset"])
    trial = override(base, {**task["settings"], **config}, where="recipe")

    def tell(epoch: Any) -> None:  # noqa: ANN401
        figures = {name.replace("/", "_").replace("@", "_"): v for name, v in epoch.valid.items()}
        tune.report({**figures, "seconds": epoch.seconds})

    data = open_dataset(task["dataset"], Path(task["data_dir"]))
    record = train(trial, data, device="cpu", on_epoch=tell)
    last = {"trained": record.seconds, "seconds": 0.0, RECIPE_METRIC: record.metrics[METRIC]}
    tune.report(last)


def measure(task: Task) -> Found:
    """Run a sweep in this process, from an empty folder."""
    folder = Path(tempfile.mkdtemp(prefix="orch-bench-"))
    try:
        found = {"ours": ours, "recipe": recipe}[task.way](task, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found.total = time.time() - BEGAN
    if found.finished != task.trials:
        raise SystemExit(f"{task.way}: {found.finished} of {task.trials} trials finished")
    return found


def apart(task: Task) -> Found:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--one", json.dumps(asdict(task))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_AIR_NEW_OUTPUT": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{task.way} failed:\n{done.stderr[-4000:]}")
    return Found(**json.loads(done.stdout.splitlines()[-1]))


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of both ways."""

    what: str
    ours: float
    recipe: float

    @property
    def ratio(self) -> float:
        """How many times the recipe's figure is ours."""
        return self.recipe / self.ours if self.ours > 0 else float("inf")


def small_rows(given: argparse.Namespace, out: TextIO) -> list[Row]:
    """Cost of a trial and of the start, on trials of next to no work."""
    costs: dict[str, list[float]] = {"ours": [], "recipe": []}
    starts: dict[str, list[float]] = {"ours": [], "recipe": []}
    with tempfile.TemporaryDirectory(prefix="orch-bench-") as data_dir:
        _make_tiny(data_dir)
        for turn in range(given.rounds):
            for way in costs:
                one = apart(Task(way=way, trials=given.trials, data_dir=data_dir, **SMALL))
                costs[way].append(one.cost())
                starts[way].append(one.start)
                text = f"{costs[way][-1]:.3f} s per trial, start {one.start:.1f} s"
                print(f"round {turn + 1}, {way}: {text}", file=out, flush=True)
    return [
        Row(what="cost of a trial, s", **{way: median(values) for way, values in costs.items()}),
        Row(what="start, s", **{way: median(values) for way, values in starts.items()}),
    ]


def _make_tiny(data_dir: str) -> None:
    from orchestrator import api

    api.make_planted("tiny", num_users=60, num_items=40, data_dir=Path(data_dir))


def real_rows(given: argparse.Namespace, out: TextIO) -> list[Row]:
    """Sweeps of real trials on one worker and on several."""
    from orchestrator.data import data_folder

    data_dir = str(data_folder(given.data_dir).resolve())
    settings = {"train.max_epochs": given.epochs, "train.patience": given.epochs}
    found: dict[tuple[str, int], Found] = {}
    for way in ("ours", "recipe"):
        for workers in (1, given.workers):
            task = Task(
                way=way,
                trials=given.real_trials,
                workers=workers,
                dataset=given.dataset,
                data_dir=data_dir,
                settings=settings,
            )
            one = found[way, workers] = apart(task)
            print(f"{way}, {workers} workers: {asdict(one)}", file=out, flush=True)

    def row(what: str, figure: Callable[[Found, Found], float]) -> Row:
        values = {
            way: figure(found[way, 1], found[way, given.workers]) for way in ("ours", "recipe")
        }
        return Row(what=what, **values)

    return [
        row("real trials on 1 worker, s", lambda one, _: one.total),
        row(f"real trials on {given.workers} workers, s", lambda _, many: many.total),
        row("speed-up", lambda one, many: one.total / many.total),
        row(
            "speed-up after the start",
            lambda one, many: (one.total - one.start) / (many.total - many.start),
        ),
        row("logging, % of training", lambda one, _: 100 * one.logging / sum(one.trained)),
        row("memory of a worker, MB", lambda one, many: fmean([one.worker_mb, many.worker_mb])),
    ]


def show(rows: Sequence[Row], out: TextIO) -> None:
    """Print a table."""
    print(f"\n{'':32}{'ours':>12}{'recipe':>12}{'ratio':>8}", file=out)
    for row in rows:
        print(f"{row.what:32}{row.ours:12.3f}{row.recipe:12.3f}{row.ratio:8.1f}", file=out)


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write the table with the ratios."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["what", "ours", "recipe", "ratio"])
        writer.writerows([row.what, row.ours, row.recipe, row.ratio] for row in rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write it where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=20, help="of next to no work")
    parser.add_argument("--rounds", type=int, default=3, help="turns of the small trials")
    parser.add_argument("--dataset", help="data set of real trials; none are run without")
    parser.add_argument("--data-dir", type=Path, help="folder of data sets")
    parser.add_argument("--real-trials", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=30, help="of a real trial")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="CSV to write")
    given = parser.parse_args(arguments)
    rows = small_rows(given, sys.stdout)
    if given.dataset:
        rows += real_rows(given, sys.stdout)
    show(rows, sys.stdout)
    if given.out is not None:
        write_csv(rows, given.out)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(asdict(measure(Task(**json.loads(sys.argv[2]))))))
    else:
        main()
