"""``orch plot`` and ``orch ui``: what the runs show."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import problem


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(plot)
    app.command()(ui)


def plot(
    sweep: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The name of a sweep, an ablation, a comparison, a path or a diagnosis.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write into.")],
    results: options.Results = Path("results"),
    data_dir: options.DataDir = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Draw the figures of a sweep, or of anything like it, from MLflow, with the numbers.

    Example: orch plot tame-heads-planted-1a2b3c4d --out figures
    """
    from orchestrator import api

    for path in api.plot(
        sweep,
        out=out,
        results=results,
        data_dir=data_dir,
        tracking_uri=tracking_uri,
        on_problem=problem,
    ):
        typer.echo(str(path))


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
