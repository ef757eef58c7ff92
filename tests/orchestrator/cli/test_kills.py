"""A sweep that is killed again and again, at random moments, ends as one that nobody disturbed."""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import time

import psutil
import pytest

from orchestrator.results import read_record

pytestmark = pytest.mark.slow

NUM_KILLS = int(os.environ.get("ORCH_KILLS", "8"))
"""More of them take longer: some ten seconds each."""
PATIENCE = 400.0
SEED = int(os.environ.get("ORCH_KILLS_SEED", "0"))
EPOCHS = 300
WORDS = (
    *("sweep", "sasrec", "--space", "heads", "--dataset", "tiny", "--name", "mine"),
    *("--seeds", 2, "--set", f"train.max_epochs={EPOCHS}", "--set", f"train.patience={EPOCHS}"),
)
RESUME = ("resume", "mine")


def members(process):
    """Command line -> process, of all that came of one."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for member in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append((" ".join(member.cmdline()), member))
    return found


def kill_driver(process):
    process.send_signal(signal.SIGKILL)


def kill_worker(process):
    workers = [member for line, member in members(process) if "ray::ImplicitFunc" in line]
    for worker in workers[:1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()


def kill_session(process):
    """All of Ray, but not the driver."""
    for line, member in members(process):
        if "ray" in line:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()


def kill_everything(process):
    for _, member in members(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    kill_driver(process)


KILLS = (kill_driver, kill_worker, kill_session, kill_everything)


def finished(results):
    records = [read_record(path) for path in results.glob("runs/*/record.json")]
    return {record.run_id: record for record in records if record.status == "finished"}


def comparable(record):
    """What is told of a run, but for the seconds that no two runs share."""
    unlike = {"seconds": 0.0, "cpu_seconds": 0.0, "peak_memory": None}
    plain = {**record.to_json(), **unlike}
    return {**plain, "epochs": [{**epoch, "seconds": 0.0} for epoch in plain["epochs"]]}


def end(process):
    """Wait for the end of a process, and of all that came of it."""
    family = [member for _, member in members(process)]
    process.communicate(timeout=PATIENCE)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == [], "a killed driver leaves nothing behind"
    return process.returncode


def mlflow_runs(results):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return client.search_runs(experiments)


def num_epochs(results):
    """Epochs that the runs in training have done, all together."""
    latest = {}
    for path in results.glob("runs/*/checkpoints/epoch-*"):
        run = path.parents[1].name
        latest[run] = max(latest.get(run, 0), int(path.name.removeprefix("epoch-")))
    return sum(latest.values())


class Sweep:
    """The sweep of a test, begun and begun again."""

    def __init__(self, start, results, small, chance):
        self._start, self._results, self._chance = start, results, chance
        self._words = (*WORDS, *small)
        self._before = {}
        self.kills = []
        self.process = start(*self._words)

    def kill(self):
        """Kill something at some moment: soon after the start, or in the midst of training."""
        kill = self._chance.choice(KILLS)
        if self._chance.random() < 0.25:
            time.sleep(self._chance.uniform(0, 8))
        else:
            self._wait_for_training()
            time.sleep(self._chance.uniform(0, 6))
        assert self.process.poll() is None, "the runs are too short for so many kills"
        kill(self.process)
        self.kills.append(kill.__name__)
        if kill is not kill_worker:
            self.go_on()

    def go_on(self):
        """See how it ended, and begin it again, by its name or by its command."""
        code = self.end()
        known = (self._results / "sweeps" / "mine" / "command.json").exists()
        words = RESUME if known and self._chance.random() < 0.5 else self._words
        self.process = self._start(*words)
        return code

    def end(self):
        """Wait for the end; what had finished before must be as it was."""
        code = end(self.process)
        assert code != 2, "a cut sweep can always go on"
        now = finished(self._results)
        assert {name: now[name] for name in self._before} == self._before, "run twice"
        self._before = now
        return code

    def _wait_for_training(self):
        began, until = num_epochs(self._results), time.monotonic() + PATIENCE
        while num_epochs(self._results) == began and self.process.poll() is None:
            assert time.monotonic() < until, "waited in vain for an epoch"
            time.sleep(0.1)


def test_kills_at_random_moments_change_nothing(start, store, small, tmp_path):
    """Driver, worker, Ray, all at once: records are equal, no run is trained twice."""
    sweep = Sweep(start, store, small, random.Random(SEED))
    for _ in range(NUM_KILLS):
        sweep.kill()
    while sweep.end() != 0:  # a run whose worker was killed twice counts as failed
        sweep.go_on()
    done = finished(store)
    assert len(sweep.kills) == NUM_KILLS
    runs = mlflow_runs(store)
    assert {run.info.status for run in runs} == {"FINISHED"}
    ours = {r.data.tags["orch.run_id"]: r for r in runs if "orch.run_id" in r.data.tags}
    assert len(runs) == len(ours) + 1, "one run in MLflow per run, and the sweep"
    assert {name: run.data.metrics["best_step"] for name, run in ours.items()} == {
        name: record.best_step for name, record in done.items()
    }
    quiet = start(*WORDS, *small, "--results", "quiet")
    assert end(quiet) == 0
    compare(store, tmp_path / "quiet")


def compare(results, other):
    done, undisturbed = finished(results), finished(other)
    assert len(undisturbed) == 8
    assert {name: comparable(record) for name, record in done.items()} == {
        name: comparable(record) for name, record in undisturbed.items()
    }


LOCAL = (*WORDS, "--executor", "local", "--set", "train.max_epochs=40")


def wait_for(what, condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.05)


def test_a_full_disk_stops_a_sweep_that_goes_on_when_there_is_room(
    start, small, small_disk, made_store, tmp_path
):
    """It says so and ends; what was finished stays, and what was cut goes on."""
    results = small_disk / "results"
    results.mkdir()
    shutil.copy(made_store, results / "mlflow.db")
    words = (*LOCAL, *small, "--results", str(results))
    process = start(*words)
    wait_for("a finished run", lambda: len(finished(results)) > 1)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(2**12))
            file.flush()
    _, err = process.communicate(timeout=PATIENCE)
    before = finished(results)
    assert process.returncode in (1, 2), err
    assert "No space left on device" in err or "disk is full" in err
    assert "Traceback" not in err
    filler.unlink()
    again = start("resume", "mine", "--results", str(results))
    _, err = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, err
    assert {name: finished(results)[name] for name in before} == before
    assert end(start(*LOCAL, *small, "--results", "quiet")) == 0
    compare(results, tmp_path / "quiet")
    assert {run.info.status for run in mlflow_runs(results)} == {"FINISHED"}


def test_a_locked_database_stops_no_training_and_is_told_later(start, store, small, tmp_path):
    process = start(*LOCAL, *small)
    wait_for("a finished run", lambda: len(finished(store)) > 1)
    with contextlib.closing(sqlite3.connect(store / "mlflow.db")) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        out, err = process.communicate(timeout=PATIENCE)
        connection.rollback()
    assert process.returncode == 0, err
    assert err.count("Training goes on") == 1, "the user is told once"
    assert len(finished(store)) == 8
    assert list((store / "spool").glob("*.json"))
    again = start("resume", "mine")
    out, err = again.communicate(timeout=PATIENCE)
    assert (again.returncode, err) == (0, "")
    assert out.startswith("8 runs, 8 of them done before and reused.")
    assert list((store / "spool").glob("*.json")) == []
    runs = mlflow_runs(store)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(runs) == 9


def test_two_sweeps_at_once_share_a_folder_and_their_runs(start, store, small, tmp_path):
    """Every run is trained once, by whichever comes first, and stands in both."""
    one = start(*LOCAL, *small)
    two = start(*[("mine2" if word == "mine" else word) for word in LOCAL], *small)
    for process in (one, two):
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
    runs = mlflow_runs(store)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(runs) == 2 * 9
    assert end(start(*LOCAL, *small, "--results", "quiet")) == 0
    compare(store, tmp_path / "quiet")
