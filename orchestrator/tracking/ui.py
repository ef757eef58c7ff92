"""MLflow's own pages for a store, on this machine only unless told otherwise."""

import http.client
import ipaddress
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
from orchestrator.tracking.moved import ARTIFACTS, find_artifacts
from orchestrator.tracking.store import database, is_server, scrubbed, shown
from orchestrator.tracking.view import opening

LOOPBACK = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - named to be warned of
"""Hosts that stand for every address of the machine."""
START_SECONDS = 120.0
"""How long the server may take to answer; it needs about ten seconds."""
STOP_SECONDS = 5.0
"""How long it may take to end when asked, before it is killed."""


def is_public(host: str) -> bool:
    """Whether what listens there can be reached from other machines."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def serve(
    uri: str,
    results: Path,
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    on_ready: Callable[[str], None],
) -> None:
    """Show a store in MLflow's pages until Ctrl-C; a server's own pages are only named.

    Args:
        uri: the store.
        results: where artifacts and the server's log are.
        host: address to listen on; others than the default are open to the network.
        port: free port to listen on; any if not given.
        on_ready: hears the address once the pages can be read: that of the newest study's runs.

    Raises:
        StoreError: the store cannot be opened, the port is taken, or the server does not start.
    """
    if is_server(uri):
        on_ready(shown(uri))
        return
    file = database(uri)
    if file is None or not file.exists():
        Tracker(uri, results)
    find_artifacts(uri, results)
    page = opening(uri)
    number = _free_port(host, port)
    address = f"http://{_reached(host)}:{number}"
    log = results / "mlflow-ui.log"
    command = _command(results, host, number)
    with suppress(KeyboardInterrupt), _server(command, uri, log) as server:
        _await_health(server, address, log, uri)
        on_ready(f"{address}{page}")
        server.wait()
        raise StoreError(f"{log}: the MLflow server ended by itself ({_last_line(log, uri)}).")


def _reached(host: str) -> str:
    """A host as a browser on this machine writes it."""
    if host in EVERYWHERE:
        return LOOPBACK
    return f"[{host}]" if ":" in host else host


def _command(results: Path, host: str, port: int) -> list[str]:
    options = {
        "--artifacts-destination": str(results.resolve() / ARTIFACTS),
        "--host": host,
        "--port": str(port),
        "--workers": "1",
    }
    return [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        *(w for pair in options.items() for w in pair),
    ]


def _free_port(host: str, port: int | None) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port or 0))
        except (OSError, OverflowError) as error:
            if port is None:
                raise StoreError(
                    f"--host: `{host}` is no address of this machine ({error}). Leave it out."
                ) from None
            raise StoreError(
                f"--port: `{port}` cannot be used on {host}: it is taken or not allowed. "
                "Leave it out to take a free one."
            ) from None
        return int(probe.getsockname()[1])


@contextmanager
def _server(command: list[str], uri: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running server that does not outlive the block, not even by SIGTERM or Ctrl-C.

    It reads the store's URI from its environment: every user of the machine may list the words of
    a command.
    """
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("wb") as output, _sigterm_as_exit():
        server = subprocess.Popen(  # noqa: S603 - fixed words
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**quiet, **os.environ, "MLFLOW_BACKEND_STORE_URI": uri},
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


def _await_health(server: subprocess.Popen[bytes], address: str, log: Path, uri: str) -> None:
    end = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310 - http
                return
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            time.sleep(0.2)
    raise StoreError(f"{log}: the MLflow server did not start ({_last_line(log, uri)}).")


def _last_line(log: Path, uri: str) -> str:
    lines = scrubbed(log.read_text(errors="replace"), uri).strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"
