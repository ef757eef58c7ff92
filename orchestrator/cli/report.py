"""``orch report``: a study as one page."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import short


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(report)


def report(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY", help="A sweep, an ablation, a path or a diagnosis, by name."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="The file; by default report.html in the study's folder."),
    ] = None,
    results: options.Results = Path("results"),
    data_dir: options.DataDir = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Write a study as one HTML page that needs no network and no other file.

    It tells the question, what was found, figures, tables, settings, budget, failures, versions,
    the data set, and the command that repeats it; all from the runs in MLflow.

    Example: orch report tame-heads-planted-1a2b3c4d --output report.html
    """
    from orchestrator import api

    path = api.report(
        study, output=output, results=results, data_dir=data_dir, tracking_uri=tracking_uri
    )
    typer.echo(f"Report: {short(path.resolve())} ({path.stat().st_size / 2**20:.1f} MB)")
