import json
import os
import socket
import subprocess
import sys

import pytest
from filelock import FileLock
from mlflow.tracking import MlflowClient

SWEEP = ("sweep", "sasrec", "--space", "heads", "--dataset", "tiny", "--executor", "local")
SAME = (*SWEEP, "--seeds", "2", "--max-epochs", "1", "--name", "mine")


def folders(results):
    return {path.name for path in (results / "runs").iterdir()}


def active(results):
    client = MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    experiments = [e.experiment_id for e in client.search_experiments()]
    return client.search_runs(experiments)


def test_rm_takes_the_sweep_and_leaves_its_runs(orch, swept, place):
    runs = folders(swept)
    done = orch("rm", "mine", "--yes")
    assert (done.code, done.err) == (0, "")
    lines, uri = done.out.splitlines(), f"sqlite:///{swept / 'mlflow.db'}"
    assert lines[0] == "mine (sasrec, heads, on tiny: finished)"
    assert lines[1:3] == [
        "MLflow: 9 runs, its own among them",
        "Folder: results/sweeps/mine, with plan, figures and logs",
    ]
    assert lines[-1] == (
        "Removed. MLflow keeps what is deleted: `orch restore mine` brings it back, "
        f"`mlflow gc --backend-store-uri {uri} --tracking-uri {uri}` empties it."
    )
    assert active(swept) == []
    assert not (swept / "sweeps" / "mine").exists()
    assert folders(swept) == runs
    assert orch("status").out == "The store holds no sweep yet.\n"


def test_the_same_sweep_after_rm_is_new_and_finds_its_runs(orch, swept, small):
    orch("rm", "mine", "--yes")
    done = orch(*SAME, *small)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "8 runs, 8 of them done before and reused."
    assert len(active(swept)) == 9
    done = orch("restore", "mine")
    assert done.code == 2
    assert "a sweep `mine` is there. Remove that one first" in done.err


def test_restore_brings_back_what_mlflow_keeps(orch, swept):
    orch("rm", "mine", "--yes")
    done = orch("restore", "mine")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("mine: 9 runs are in MLflow again, its own among them.\n")
    assert len(active(swept)) == 9
    assert orch("plot", "bars", "mine", "--out", "figures").code == 0


def test_runs_go_where_no_other_sweep_has_them_and_none_is_in_training(orch, swept, small):
    """The other sweep has the runs of seed 0."""
    assert orch(*SWEEP, *small, "--seeds", "1", "--max-epochs", "1", "--name", "other").code == 0
    shared = {run.data.tags["orch.run_id"] for run in active(swept)
              if run.data.tags.get("orch.seed") == "0"}  # fmt: skip
    busy = sorted(folders(swept) - shared)[0]
    hold = (
        f"from filelock import FileLock\nwith FileLock({str(swept / 'runs' / busy / '.lock')!r}):"
    )
    code = f"{hold}\n    print(flush=True)\n    input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as holder:
        holder.stdout.readline()
        done = orch("rm", "mine", "--runs", "--yes")
        holder.communicate("\n")
    assert (done.code, done.err) == (0, "")
    text = "Runs: 3 folders with weights and records; 5 stay, being of other sweeps or in training"
    assert text in done.out.splitlines()
    assert folders(swept) == {*shared, busy}


def test_rm_without_a_terminal_needs_a_yes(orch, swept):
    done = orch("rm", "mine")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "orch: mine: nothing was removed, since there is no terminal to ask on. Add --yes.\n"
    )
    assert len(active(swept)) == 9


@pytest.mark.parametrize(("answer", "num_left"), [("y", 0), ("n", 9), ("", 9)])
def test_rm_asks_on_a_terminal(orch, swept, monkeypatch, answer, num_left):
    monkeypatch.setattr("sys.stdin", _Terminal(answer))
    done = orch("rm", "mine")
    assert done.code == 0
    assert "Remove it? [y/N]: " in done.out
    assert ("Nothing was removed." in done.out) == bool(num_left)
    assert len(active(swept)) == num_left


class _Terminal:
    def __init__(self, answer):
        self._answer = answer

    def isatty(self):
        return True

    def readline(self, *_):
        return f"{self._answer}\n"


@pytest.mark.parametrize(("host", "is_here"), [(socket.gethostname(), True), ("elsewhere", False)])
def test_a_running_sweep_is_not_removed(orch, swept, host, is_here):
    client = MlflowClient(f"sqlite:///{swept / 'mlflow.db'}")
    (sweep,) = [run for run in active(swept) if run.info.run_name == "mine"]
    client.update_run(sweep.info.run_id, status="RUNNING")
    client.set_tag(sweep.info.run_id, "orch.host", host)
    done = orch("rm", "mine", "--yes")
    assert (done.code, done.out) == (2, "")
    advice = "End it first (Ctrl-C)." if is_here else (
        "End it there first; if that machine is gone, add --force."
    )  # fmt: skip
    assert done.err == f"orch: mine is running: process {os.getpid()} on {host}. {advice}\n"
    assert len(active(swept)) == 9
    assert orch("rm", "mine", "--yes", "--force").code == (2 if is_here else 0)


def test_what_waits_for_the_store_does_not_bring_a_removed_sweep_back(orch, swept):
    from orchestrator.tracking.reading import StoreReader
    from orchestrator.tracking.spool import Ending, Spool

    info = StoreReader(f"sqlite:///{swept / 'mlflow.db'}").sweep("mine").info
    Spool(swept / "spool").add(Ending(sweep=info, status="failed", summary="", artifacts=()))
    (swept / "spool" / "run-other.json").write_text("{}")
    assert "1 records that wait" in orch("rm", "mine", "--yes").out
    assert [path.name for path in (swept / "spool").glob("*.json")] == ["run-other.json"]


def test_rm_of_no_sweep(orch, swept):
    done = orch("rm", "mien", "--yes")
    assert done.code == 2
    assert "There is no sweep `mien`. Did you mean `mine`?" in done.err


def findings(done):
    """Subject -> level and text."""
    found = {}
    for line in done.out.splitlines():
        level, rest = line.split(maxsplit=1)
        subject, text = rest.split(": ", 1)
        found[subject] = (level, text)
    return found


def test_doctor_of_a_sound_machine(orch, swept):
    done = orch("doctor")
    found = findings(done)
    assert (done.code, done.err) == (0, "")
    assert {level for level, _ in found.values()} <= {"ok", "warning"}
    assert found["Python"][1].startswith(".".join(map(str, sys.version_info[:3])))
    assert found["mlflow"][1].endswith("(>=3.13 is asked for)")
    place = f"sqlite:///{swept / 'mlflow.db'}"
    assert found["store"] == ("ok", f"{place} answers; sweeps in it: 1; can be written")
    assert found["data set tiny"][1].endswith("; whole")
    assert found["runs of dead processes"] == ("ok", "none")


def test_doctor_makes_nothing(orch, place):
    done = orch("doctor", "--data-dir", place / "none")
    found = findings(done)
    assert done.code == 0
    assert found["store"][1].endswith("mlflow.db is made by the first sweep")
    assert found["results folder"][1].endswith("can be written; it is made when it is needed")
    assert found["data set planted"] == ("ok", "is generated on first use")
    assert list(place.iterdir()) == []


def test_doctor_finds_what_is_damaged(orch, swept, place):
    api_folder = place / "data"
    from orchestrator import api

    api.make_planted("small", num_users=30, num_items=30, data_dir=api_folder)
    file = api_folder / "small" / "items.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    (swept / "mlflow.db").write_text("spoilt" * 1000)
    words = ("doctor", "--data-dir", api_folder)
    done = orch(*words)
    found = findings(done)
    assert (done.code, done.err) == (1, "orch: 2 problems found.\n")
    assert found["data set small"][0] == "problem"
    assert "its SHA-256 is not the manifest's" in found["data set small"][1]
    assert found["store"][0] == "problem"
    assert findings(orch(*words, "--quick"))["data set small"][0] == "ok"


def test_doctor_finds_what_dead_processes_left(orch, swept, place):
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    client = MlflowClient(f"sqlite:///{swept / 'mlflow.db'}")
    for run in active(swept)[:2]:
        client.update_run(run.info.run_id, status="RUNNING")
        client.set_tag(run.info.run_id, "orch.pid", str(dead.pid))
    (swept / "spool").mkdir()
    (swept / "spool" / "run-x.json").write_text(json.dumps({}))
    (place / "data" / ".toys.draft").mkdir(parents=True)
    (swept / "sweeps" / "mine" / "optuna.journal.lock").symlink_to("optuna.journal")
    found = findings(orch("doctor", "--data-dir", place / "data"))
    assert found["runs of dead processes"][0] == "warning"
    assert found["runs of dead processes"][1].startswith("2 are said to be running.")
    assert found["records not told to the store"][1].startswith("1 wait in results/spool.")
    assert found["data sets half made"][0] == "warning"
    assert found["locks"][0] == "warning"
    assert "optuna.journal.lock: a sweep writes there now, or a killed one" in found["locks"][1]


def test_doctor_finds_a_store_that_cannot_be_written_now(orch, swept):
    import sqlite3

    with sqlite3.connect(swept / "mlflow.db") as holder:
        holder.execute("BEGIN IMMEDIATE")
        done = orch("doctor", "--quick")
        holder.rollback()
    holder.close()
    assert done.code == 1
    assert "cannot be written now (database is locked)" in findings(done)["store"][1]


def test_doctor_prints_no_secret(orch, place):
    uri = "postgresql://me:hidden@127.0.0.1:9/db?password=hidden&sslmode=off"
    done = orch("doctor", "--tracking-uri", uri)
    assert done.code == 1
    assert "hidden" not in done.out + done.err
    assert "sslmode=off" in done.out


def test_a_lock_that_is_held_is_told(orch, swept):
    from orchestrator.api.doctor_places import _locks

    with FileLock(swept / ".mlflow.lock"):
        assert _locks(swept).level == "warning"
    assert _locks(swept).level == "ok"
