"""Ctrl-C and a killed worker, with the real command, real signals and real processes."""

import contextlib
import os
import signal
import time

import psutil
import pytest

from orchestrator.results import read_record
from orchestrator.training.checkpoint import Checkpoints

pytestmark = pytest.mark.slow

WORDS = (
    *("sweep", "sasrec", "--space", "heads", "--dataset", "tiny", "--name", "mine"),
    *("--seeds", 1, "--max-epochs", 150, "--set", "train.patience=150"),
)
PATIENCE = 120.0
"""Seconds to wait for what must come."""


def wait(what, condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def family(process):
    """All that came of a process."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def workers(process):
    """Ray's processes that train just now."""
    found = []
    for member in family(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any("ray::ImplicitFunc" in word for word in member.cmdline()):
                found.append(member)
    return found


def cut_runs(results):
    """Runs in training -> their epochs so far."""
    found = {}
    for folder in results.glob("runs/*"):
        if (folder / "checkpoints").exists() and not (folder / "record.json").exists():
            with contextlib.suppress(Exception):  # the worker is writing at this moment
                progress = Checkpoints(folder / "checkpoints").latest()
                found[folder.name] = progress.epochs
    return found


def in_the_middle(results):
    def look():
        epochs = cut_runs(results)
        return len(epochs) == 2 and all(len(done) > 3 for done in epochs.values())

    return look


def states(results):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments)
    return {run.data.tags.get("orch.run_id", "sweep"): run for run in runs}


def all_states(results):
    """Name -> run, of all levels."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return {run.info.run_name: run for run in client.search_runs(experiments)}


def finish(process):
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


@pytest.mark.parametrize("executor", ["ray", "local"])
def test_ctrl_c_leaves_nothing_open_and_the_same_command_goes_on(start, store, small, executor):
    words = (*WORDS, *small, "--executor", executor)
    process = start(*words)
    num_at_once = 2 if executor == "ray" else 1

    def is_training():
        epochs = cut_runs(store)
        return len(epochs) == num_at_once and all(len(done) > 3 for done in epochs.values())

    wait("epochs", is_training)
    others = family(process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    code, _, err = finish(process)
    assert code == 130
    assert err == "orch: interrupted. Type the same command again to go on.\n"
    _, alive = psutil.wait_procs(others, timeout=10)
    assert alive == []
    cut = cut_runs(store)
    assert len(cut) == num_at_once
    after = states(store)
    assert {run.info.status for run in after.values()} <= {"FINISHED", "KILLED"}
    assert {after[name].info.status for name in (*cut, "sweep")} == {"KILLED"}
    assert {after[name].data.tags["orch.reason"] for name in cut} == {"interrupted by Ctrl-C"}
    code, out, err = finish(start(*words))
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("4 runs")
    for name, epochs in cut.items():
        record = read_record(store / "runs" / name / "record.json")
        assert list(record.epochs[: len(epochs)]) == epochs, "with the seconds of the first time"
        assert len(record.epochs) == 150
    assert {run.info.status for run in states(store).values()} == {"FINISHED"}


def test_a_run_whose_worker_is_killed_is_run_once_more(start, store, small):
    """From its last epoch, after the others; nothing is left for the user to do."""
    words = (*WORDS, *small)
    process = start(*words)
    wait("epochs", in_the_middle(store))
    victim = wait("workers", lambda: workers(process))[0]
    victim.send_signal(signal.SIGKILL)
    code, out, err = finish(process)
    assert (code, err) == (0, "")
    reason = "lost worker: its worker process died (killed or lost)"
    (told,) = [line for line in out.splitlines() if reason in line]
    assert told.endswith(f"{reason}. It will be run once more.")
    runs = [path.name for path in store.glob("runs/*")]
    records = [read_record(store / "runs" / run / "record.json") for run in runs]
    assert [(record.status, len(record.epochs)) for record in records] == [("finished", 150)] * 4
    assert {run.info.status for run in states(store).values()} == {"FINISHED"}


ABLATE = (
    *("ablate", "tame", "--dataset", "tiny", "--name", "mine", "--executor", "local"),
    *("--seeds", 1, "--max-epochs", 30, "--variants", "without_text", "--set", "train.patience=30"),
    *("--set", "model.dim=16", "--set", "model.inner_dim=16", "--set", "model.num_layers=1"),
)


def test_ctrl_c_ends_an_ablation_at_all_levels_and_the_same_command_goes_on(start, store):
    """Parent and variants, not the run alone; what was finished stays so."""
    process = start(*ABLATE)
    wait("epochs", lambda: any(len(done) > 3 for done in cut_runs(store).values()))
    os.killpg(process.pid, signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130
    assert err == "orch: interrupted. Type the same command again to go on.\n"
    (cut,) = cut_runs(store)
    after = all_states(store)
    assert {after[name].info.status for name in ("mine", "base", "without_text")} == {"KILLED"}
    (run,) = [run for run in after.values() if run.data.tags.get("orch.run_id") == cut]
    assert (run.info.status, run.data.tags["orch.reason"]) == ("KILLED", "interrupted by Ctrl-C")
    code, out, err = finish(start(*ABLATE))
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("fixed settings: 2 runs")
    after = all_states(store)
    assert len(after) == 1 + 2 + 2
    assert {run.info.status for run in after.values()} == {"FINISHED"}
    assert after["without_text"].data.metrics["num_seeds"] == 1
