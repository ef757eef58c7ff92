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
    from orchestrator.tracking.store import shown

    typer.echo(f"\n{result.text}\n")
    for path in result.figures:
        typer.echo(f"{path.suffix[1:].upper()}: {short(path)}")
    typer.echo(
        f"MLflow: {shown(result.tracking_uri)}; browse it with `orch ui --results {results}`."
    )
    if result.stop_reason:
        typer.echo(f"orch: stopped: {result.stop_reason}", err=True)
    tell_left(result.num_left)
    if result.failed:
        from orchestrator.sweep.failures import described

        for record in result.failed:
            typer.echo(f"orch: run {record.run_id} failed: {described(record)}", err=True)
        typer.echo(
            f"orch: {len(result.failed)} of {len(result.records)} runs failed. "
            "Type the same command again to run those again.",
            err=True,
        )
        for text in _where_to_look(result, results):
            typer.echo(f"orch: {text}", err=True)
    if result.failed or result.stop_reason:
        raise typer.Exit(EXIT_FAILED_RUNS)
    if result.num_left:
        raise typer.Exit(EXIT_LEFT_RUNS)


def tell_left(num_left: int) -> None:
    """Tell of runs that a deadline left, if there are any."""
    if num_left:
        typer.echo(
            f"orch: --max-time is over: {num_left} runs are left, those cut among them. "
            "Type the same command again to go on.",
            err=True,
        )


def _where_to_look(result: "SweepResult", results: Path) -> list[str]:
    """Where the traceback of a failed run is, and what its worker said."""
    from orchestrator.api.watching import worker_logs

    logs = [short(path.resolve()) for path in worker_logs(results, result.name)]
    option = "" if results == Path("results") else f" --results {results}"
    lines = [f"`orch show {result.failed[0].run_id[:8]}{option}` tells more of the first."]
    return [*lines, f"What the workers said is in {logs[-1]}."] if logs else lines


def short(path: Path) -> str:
    """A path as the user would type it from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
