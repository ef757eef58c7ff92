"""A real store that goes away between two runs and comes back."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from orchestrator.tracking import Tracker, tracking_uri
from orchestrator.tracking import sweep as sweep_module


@pytest.fixture(autouse=True)
def no_rest_after_a_failure(monkeypatch):
    monkeypatch.setattr(sweep_module, "RETRY_SECONDS", 0.0)


def do(sweep, run, record):
    sweep.start_run(run)
    sweep.finish_run(run.run_id, record)


def statuses(tracker):
    frame = tracker.runs_frame("heads-1")
    return dict(zip(frame["run_id"], frame["status"], strict=True))


@pytest.fixture
def database(results):
    """The store's file, and how to break and mend it under an open connection."""

    class Database:
        path = results / "mlflow.db"

        def spoil(self):
            self.content = self.path.read_bytes()
            self.path.write_bytes(b"spoilt" * 10_000)

        def mend(self):
            self.path.write_bytes(self.content)

    return Database()


def test_run_of_an_outage_is_told_when_the_file_is_back(
    tracker, results, database, problems, info, make_run, make_record
):
    first, second, third = (make_run(seed=seed) for seed in (0, 1, 2))
    with tracker.open_sweep(info) as sweep:
        do(sweep, first, make_record(first))
        database.spoil()
        do(sweep, second, make_record(second))
        assert len(list((results / "spool").glob("run-*.json"))) == 1
        database.mend()
        do(sweep, third, make_record(third))
        sweep.finish_sweep("finished")
    assert statuses(tracker) == dict.fromkeys(["run-2-0", "run-2-1", "run-2-2"], "finished")
    assert list((results / "spool").glob("*.json")) == []
    assert len(problems) == 1
    assert "Training goes on" in problems[0]


def test_run_of_an_outage_is_told_at_the_next_opening(
    tracker, results, database, info, make_run, make_record
):
    first, second = (make_run(seed=seed) for seed in (0, 1))
    with tracker.open_sweep(info) as sweep:
        do(sweep, first, make_record(first))
        sweep.start_run(second)
        database.spoil()
        sweep.finish_run(second.run_id, make_record(second))
        sweep.finish_sweep("finished", summary_markdown="| told late |")
    database.mend()
    later = Tracker(tracking_uri(None, results), results, on_problem=pytest.fail)
    assert statuses(later) == {"run-2-0": "finished", "run-2-1": "finished"}
    assert later._parent("heads-1").info.status == "FINISHED"
    assert list((results / "spool").glob("*.json")) == []


class Server:
    """A real MLflow server on a file."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self):
        words = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db", "--workers", "1"]
        words += ["--artifacts-destination", str(self.folder / "artifacts")]
        words += ["--host", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=1).close()
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the server did not start")

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.mark.slow
def test_run_of_an_outage_is_told_when_the_server_is_back(
    server, tmp_path, problems, info, make_run, make_record
):
    results = tmp_path / "results"
    tracker = Tracker(server.uri, results, on_problem=problems.append)
    first, second, third = (make_run(seed=seed) for seed in (0, 1, 2))
    with tracker.open_sweep(info) as sweep:
        do(sweep, first, make_record(first))
        server.kill()
        began = time.monotonic()
        do(sweep, second, make_record(second, status="failed"))
        assert time.monotonic() - began < 15
        server.start()
        do(sweep, third, make_record(third))
        sweep.finish_sweep("finished")
    expected = {"run-2-0": "finished", "run-2-1": "failed", "run-2-2": "finished"}
    assert statuses(tracker) == expected
    assert len(problems) == 1
    assert len(list((tmp_path / "artifacts").rglob("record.json"))) == 3
    assert len(list((tmp_path / "artifacts").rglob("traceback.txt"))) == 1
    assert not (results / "mlartifacts").exists()
