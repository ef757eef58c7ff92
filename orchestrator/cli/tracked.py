"""What ``orch sweep`` and ``orch ablate`` share: progress while they run, and what they leave."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from orchestrator.api import SweepResult

EXIT_FAILED_RUNS = 1
EXIT_LEFT_RUNS = 3
EXIT_INTERRUPTED = 130


def run_or_plan(function: "Callable[..., SweepResult]", given: dict[str, Any]) -> None:
    """As :func:`run_tracked`, or tell the price alone where ``--plan`` asks for it."""
    if not given.pop("plan"):
        run_tracked(function, given)
        return
    from rich.console import Console

    from orchestrator import api
    from orchestrator.cli.progress import SweepProgress

    with SweepProgress(Console(stderr=True)) as progress:
        told = api.plan(function, **given, listener=progress, on_problem=problem)
    typer.echo(told.text)


def run_tracked(function: "Callable[..., SweepResult]", given: dict[str, Any]) -> None:
    """Call a function of :mod:`orchestrator.api`, show its progress and what it left behind.

    Args:
        function: runs a sweep or an ablation.
        given: its arguments, without those that watch it.
    """
    from rich.console import Console

    from orchestrator.cli.progress import SweepProgress

    try:
        with SweepProgress(Console()) as progress:
            result = function(**given, listener=progress, on_problem=problem)
    except KeyboardInterrupt:
        typer.echo("orch: interrupted. Type the same command again to go on.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _show(result, given["results"])


def problem(text: str) -> None:
    """Tell of something that does not stop a command."""
    typer.echo(f"orch: {text}", err=True)


def _show(result: "SweepResult", results: Path) -> None:
    typer.echo(f"\n{result.text}\n")
    for path in result.figures:
        typer.echo(f"{path.suffix[1:].upper()}: {short(path)}")
    typer.echo(f"MLflow: {result.tracking_uri}; browse it with `orch ui --results {results}`.")
    _tell_left(result.num_left)
    if result.failed:
        for record in result.failed:
            typer.echo(f"orch: run {record.run_id} failed: {record.reason}", err=True)
        typer.echo(
            f"orch: {len(result.failed)} of {len(result.records)} runs failed. "
            "Type the same command again to run those again.",
            err=True,
        )
        raise typer.Exit(EXIT_FAILED_RUNS)
    if result.num_left:
        raise typer.Exit(EXIT_LEFT_RUNS)


def _tell_left(num_left: int) -> None:
    if num_left:
        typer.echo(
            f"orch: --max-time is over: {num_left} runs are left, those cut among them. "
            "Type the same command again to go on.",
            err=True,
        )


def short(path: Path) -> str:
    """A path as the user would type it from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
