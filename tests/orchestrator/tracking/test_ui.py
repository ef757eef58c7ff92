import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import psutil
import pytest
from mlflow.tracking import MlflowClient

from orchestrator.errors import StoreError
from orchestrator.tracking import tracking_uri
from orchestrator.tracking.ui import is_public, serve

PROGRAM = """
import sys
from pathlib import Path
from orchestrator.tracking import tracking_uri
from orchestrator.tracking.ui import serve
results = Path(sys.argv[1])
serve(tracking_uri(None, results), results, on_ready=lambda url: print(url, flush=True))
print("ended", flush=True)
"""


def test_pages_of_a_server_are_only_named(tmp_path):
    named = []
    serve("http://tracking.example:5000", tmp_path, on_ready=named.append)
    assert named == ["http://tracking.example:5000"]


def test_pages_of_a_server_are_named_without_a_password(tmp_path):
    named = []
    serve("http://me:secret@tracking.example", tmp_path, on_ready=named.append)
    assert named == ["http://***@tracking.example"]


@pytest.mark.parametrize(
    ("host", "public"),
    [
        *[("127.0.0.1", False), ("127.0.0.2", False), ("localhost", False), ("::1", False)],
        *[("0.0.0.0", True), ("::", True), ("192.168.1.2", True), ("my-machine", True)],
    ],
)
def test_who_can_reach_a_host(host, public):
    assert is_public(host) is public


def test_a_host_of_another_machine_is_one_sentence(results):
    with pytest.raises(StoreError, match=r"--host: `203\.0\.113\.7` is no address of this machine"):
        serve(tracking_uri(None, results), results, host="203.0.113.7", on_ready=pytest.fail)


def test_the_stores_password_is_no_word_of_the_servers_command(results, monkeypatch):
    """Every user of the machine may list commands; the environment is one's own."""
    seen = []

    class EndedError(Exception):
        pass

    def start(command, env, **_):
        seen.append((command, env))
        raise EndedError

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr("orchestrator.tracking.ui.Tracker", lambda *_: None)
    monkeypatch.setattr("orchestrator.tracking.ui.opening", lambda *_: "")
    uri = "postgresql://me:secret@host/db"
    with pytest.raises(EndedError):
        serve(uri, results, on_ready=pytest.fail)
    ((command, env),) = seen
    assert "secret" not in " ".join(command)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert env["MLFLOW_BACKEND_STORE_URI"] == uri


def test_taken_port_is_one_sentence(results):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match=rf"--port: `{port}` cannot be used .*it is taken"):
            serve(tracking_uri(None, results), results, port=port, on_ready=pytest.fail)


def read(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_pages_and_artifacts_can_be_read_until_the_user_ends_it(
    tracker, results, info, make_run, make_record, number
):
    run = make_run()
    with tracker.open_sweep(info) as sweep:
        sweep.start_run(run)
        sweep.finish_run(run.run_id, make_record(run))
    (child,) = MlflowClient(tracker.uri).search_runs(["1"], "tags.`orch.role` = 'run'")
    ui = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(results)], stdout=subprocess.PIPE, text=True
    )
    try:
        url, _, page = ui.stdout.readline().strip().partition("/#")
        assert page == "/experiments/1/runs?viewStateShareKey=orch&workflowType=machine_learning"
        assert "<html" in read(url).lower()
        identity = child.info.run_id
        record = read(f"{url}/get-artifact?path=record.json&run_uuid={identity}")
        assert '"run_id": "run-2-0"' in record
        servers = psutil.Process(ui.pid).children(recursive=True)
        assert servers
        ui.send_signal(number)
        rest, _ = ui.communicate(timeout=20)
    finally:
        ui.kill()
        ui.wait()
    assert rest == ("ended\n" if number == signal.SIGINT else "")
    assert not [server for server in servers if server.is_running()]
    with pytest.raises(urllib.error.URLError):
        read(url)
