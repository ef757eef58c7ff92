"""The store in MLflow's own pages."""

from collections.abc import Callable
from pathlib import Path

from orchestrator.api.results import RESULTS
from orchestrator.tracking import store
from orchestrator.tracking.ui import serve


def ui(
    *,
    results: Path = RESULTS,
    tracking_uri: str | None = None,
    port: int | None = None,
    on_ready: Callable[[str], None],
) -> None:
    """Show the store in MLflow's own pages on 127.0.0.1 until interrupted.

    Args:
        results: the results folder.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.
        port: port to listen on; a free one by default.
        on_ready: hears the address once the pages answer.

    Raises:
        StoreError: the store cannot be opened, or the port is taken.
    """
    serve(store.tracking_uri(tracking_uri, results), results, port=port, on_ready=on_ready)
