"""``orch ui``: the runs in MLflow's own pages."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import problem


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(ui)


def ui(
    results: options.Results = Path("results"),
    tracking_uri: options.TrackingUri = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than 127.0.0.1 are open to all.")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port; a free one by default.")] = None,
) -> None:
    """Open the MLflow pages, for this machine alone, on the right store; Ctrl-C ends them.

    Example: orch ui
    """
    from orchestrator import api

    typer.echo("Starting the MLflow pages (about ten seconds) ...", err=True)
    api.ui(
        results=results,
        tracking_uri=tracking_uri,
        host=host,
        port=port,
        on_problem=problem,
        on_ready=lambda url: typer.echo(f"MLflow: {url} (Ctrl-C ends it)"),
    )
