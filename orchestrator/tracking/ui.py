"""MLflow's own pages for a store, on this machine only."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.errors import StoreError
from orchestrator.tracking.mlflow import Tracker
from orchestrator.tracking.store import database, is_server, shown

HOST = "127.0.0.1"
START_SECONDS = 120.0
"""How long the server may take to answer; it needs about ten seconds."""
STOP_SECONDS = 5.0
"""How long it may take to end when asked, before it is killed."""


def serve(
    uri: str, results: Path, *, port: int | None = None, on_ready: Callable[[str], None]
) -> None:
    """Show a store in MLflow's pages until Ctrl-C; a server's own pages are only named.

    Args:
        uri: the store.
        results: where artifacts and the server's log are.
        port: free port to listen on; any if not given.
        on_ready: hears the address once the pages can be read.

    Raises:
        StoreError: the store cannot be opened, the port is taken, or the server does not start.
    """
    if is_server(uri):
        on_ready(shown(uri))
        return
    file = database(uri)
    if file is None or not file.exists():
        Tracker(uri, results)
    address = f"http://{HOST}:{_free_port(port)}"
    log = results / "mlflow-ui.log"
    with suppress(KeyboardInterrupt), _server(_command(uri, results, address), log) as server:
        _await_health(server, address, log)
        on_ready(address)
        server.wait()
        raise StoreError(f"{log}: the MLflow server ended by itself ({_last_line(log)}).")


def _command(uri: str, results: Path, address: str) -> list[str]:
    options = {
        "--backend-store-uri": uri,
        "--artifacts-destination": str(results.resolve() / "mlartifacts"),
        "--host": HOST,
        "--port": address.rpartition(":")[2],
        "--workers": "1",
    }
    return [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        *(w for pair in options.items() for w in pair),
    ]


def _free_port(port: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port or 0))
        except (OSError, OverflowError):
            raise StoreError(
                f"--port: `{port}` cannot be used on {HOST}: it is taken or not allowed. "
                "Leave it out to take a free one."
            ) from None
        return int(probe.getsockname()[1])


@contextmanager
def _server(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running server that does not outlive the block, not even by SIGTERM or Ctrl-C."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("wb") as output, _sigterm_as_exit():
        server = subprocess.Popen(  # noqa: S603 - fixed words
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**quiet, **os.environ},
            start_new_session=True,  # its workers end with it; Ctrl-C reaches it through us
        )
        try:
            yield server
        finally:
            _end(server)


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server's whole process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
            server.wait(timeout=STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _await_health(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310 - http
                return
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            time.sleep(0.2)
    raise StoreError(f"{log}: the MLflow server did not start ({_last_line(log)}).")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"
