"""The store in MLflow's own pages."""

from collections.abc import Callable
from pathlib import Path

from orchestrator.api.results import RESULTS
from orchestrator.tracking import store
from orchestrator.tracking.ui import LOOPBACK, is_public, serve


def ui(
    *,
    results: Path = RESULTS,
    tracking_uri: str | None = None,
    host: str = LOOPBACK,
    port: int | None = None,
    on_ready: Callable[[str], None],
    on_problem: Callable[[str], None] | None = None,
) -> None:
    """Show the store in MLflow's own pages, on this machine alone by default, until interrupted.

    Args:
        results: the results folder.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.
        host: address to listen on; with any but a loopback one, everyone who reaches this machine
            can read and write the runs.
        port: port to listen on; a free one by default.
        on_ready: hears the address once the pages answer.
        on_problem: told when the pages are open to the network.

    Raises:
        StoreError: the store cannot be opened, or the port is taken.
    """
    if is_public(host) and on_problem is not None:
        on_problem(
            f"--host {host}: everyone on the network can read and write these runs, without a "
            "password."
        )
    uri = store.tracking_uri(tracking_uri, results)
    serve(uri, results, host=host, port=port, on_ready=on_ready)
