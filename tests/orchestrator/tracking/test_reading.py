import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from orchestrator.errors import StoreError
from orchestrator.tracking import tracking_uri
from orchestrator.tracking.reading import StoreReader


@pytest.fixture
def client(results):
    return MlflowClient(tracking_uri(None, results))


@pytest.fixture
def read(results):
    return lambda: StoreReader(tracking_uri(None, results))


def do(sweep, run, record):
    sweep.start_run(run)
    for epoch in record.epochs:
        sweep.log_epoch(run.key, epoch)
    sweep.finish_run(run.key, record)


def bury(client, *names):
    """Make runs those of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    experiments = [e.experiment_id for e in client.search_experiments()]
    for run in client.search_runs(experiments):
        if not names or run.info.run_name in names:
            client.set_tag(run.info.run_id, "orch.pid", str(dead.pid))


def test_a_sweep_is_read_while_it_runs(tracker, read, info, make_run, make_record, make_epoch):
    with tracker.open_sweep(info) as sweep:
        sweep.plan_runs(6)
        do(sweep, make_run(), make_record(make_run()))
        sweep.start_run(make_run(seed=1))
        sweep.log_epoch("run-2-1", make_epoch(1))
        do(sweep, make_run(heads=4), make_record(make_run(heads=4), status="failed"))
        sweep._flush()
        (state,) = read().sweeps()
        again, runs = read().sweep_and_runs("heads-1")
    assert state == again
    assert (state.condition, state.num_planned, state.pid) == ("running", 6, str(os.getpid()))
    assert [state.count(of) for of in ("finished", "running", "failed")] == [1, 1, 1]
    assert [(run.name, run.condition, run.epoch, run.value) for run in runs] == [
        ("text_heads=2 seed=0", "finished", 2, 0.02),
        ("text_heads=2 seed=1", "running", 1, 0.01),
        ("text_heads=4 seed=0", "failed", 3, 0.03),
    ]
    assert [run.seconds for run in runs] == [4.5, 1.5, 4.5]
    assert runs[2].reason == "the loss became NaN"


def test_what_is_said_to_run_and_whose_process_is_gone_is_dead(
    tracker, client, read, info, make_run, make_record
):
    sweep = tracker.open_sweep(info)
    do(sweep, make_run(), make_record(make_run()))
    sweep.start_run(make_run(seed=1))
    assert (read().sweep("heads-1").condition, read().num_dead()) == ("running", 0)
    bury(client)
    state = read().sweep("heads-1")
    assert (state.condition, read().num_dead()) == ("dead", 2)
    assert state.conditions == ("finished", "dead")


def test_what_was_cut_is_killed_with_its_reason(tracker, read, info, make_run):
    def drive():
        with tracker.open_sweep(info) as sweep:
            sweep.start_run(make_run())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive()
    state, (run,) = read().sweep_and_runs("heads-1")
    assert (state.condition, state.reason) == ("killed", "interrupted by Ctrl-C")
    assert (run.condition, run.reason) == ("killed", "interrupted by Ctrl-C")
    assert (run.epoch, run.value, run.seconds) == (None, None, None)


def test_a_run_that_others_ended_is_what_mlflow_says(tracker, client, read, info, make_run):
    sweep = tracker.open_sweep(info)
    sweep.start_run(make_run())
    (found,) = [r for r in client.search_runs(["1"]) if r.info.run_name == "text_heads=2 seed=0"]
    client.set_terminated(found.info.run_id, "KILLED")
    assert read().sweep("heads-1").conditions == ("killed",)


def digest(folder):
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_reading_writes_nothing(tracker, results, read, info, make_run, make_record):
    """Neither what waits in the spool, nor a lock, nor the end of a dead run."""
    with tracker.open_sweep(info) as sweep:
        do(sweep, make_run(), make_record(make_run()))
    (results / "spool").mkdir()
    (results / "spool" / "run-x.json").write_text("{}")
    before = digest(results)
    reader = read()
    reader.sweeps(), reader.sweep_and_runs("heads-1"), reader.holders("run20"), reader.num_dead()
    assert digest(results) == before


def test_settings_and_sweeps_of_a_run(tracker, read, info, make_run, make_record):
    run = make_run(heads=4)
    run = type(run)(**{**vars(run), "run_id": "ab12"})
    with tracker.open_sweep(info) as sweep:
        do(sweep, run, make_record(run))
    with pytest.raises(StoreError, match="no sweep holds run ab13"):
        read().params("ab13")
    assert read().params("ab12") == run.params, "with their types"
    (holder,) = read().holders("ab12")
    assert (holder.sweep, holder.kind, holder.condition) == ("heads-1", "one-factor", "finished")


def test_what_was_typed_is_kept_without_passwords(tracker, read, info, monkeypatch):
    words = ["/bin/orch", "sweep", "tame", "--set", "a=b c", "--tracking-uri"]
    monkeypatch.setattr(sys, "argv", [*words, "http://me:secret@host:1"])
    with tracker.open_sweep(info):
        pass
    state = read().sweep("heads-1")
    assert state.command == "orch sweep tame --set 'a=b c' --tracking-uri 'http://***@host:1'"
    assert state.cwd == str(Path.cwd())
    monkeypatch.setattr(sys, "argv", [*words[:-1], "--tracking-uri=http://me:secret@host:1"])
    with tracker.open_sweep(info):
        pass
    assert "secret" not in read().sweep("heads-1").command
    monkeypatch.setattr(sys, "argv", ["my_script.py", "secret"])
    with tracker.open_sweep(info):
        pass
    assert read().sweep("heads-1").command == ""


def test_an_unknown_sweep(tracker, read):
    with pytest.raises(StoreError, match=r"There is no sweep `heads`\. Known: none\."):
        read().sweep("heads")


@pytest.mark.parametrize("is_database", [True, False])
def test_a_file_that_is_no_store_stays_as_it_is(tmp_path, is_database):
    file = tmp_path / "mlflow.db"
    if is_database:
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE mine (a)")
        connection.close()
    else:
        file.write_text("mine" * 1000)
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"is no MLflow store|cannot be read as a database"):
        StoreReader(f"sqlite:///{file}")
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
