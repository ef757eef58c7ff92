"""The command line: parse, call :mod:`orchestrator.api`, print.

``main`` is the only place that turns an OrchError into one sentence and exit code 2. Nothing here
imports torch, Ray or MLflow before a command needs it: ``orch --help`` answers at once.
"""

import signal
from typing import Any

import typer

from orchestrator.cli import (
    ablate,
    compare,
    data,
    diagnose,
    explain,
    inspect,
    manage,
    path,
    plot,
    report,
    reproduce,
    runs,
    show,
    status,
    table,
    tracked,
    views,
)
from orchestrator.errors import OrchError

EXIT_USER_ERROR = 2
UsageError: Any = typer.BadParameter.__base__
"""An unknown option, a missing one, a value that none may have."""

app = typer.Typer(
    name="orch",
    help="Sweeps and ablations for multi-modal sequential recommenders.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (
    runs,
    ablate,
    compare,
    path,
    diagnose,
    reproduce,
    explain,
    plot,
    views,
    report,
    status,
    show,
    manage,
    inspect,
):
    module.add_to(app)
app.add_typer(data.app)
app.add_typer(table.app)


def main() -> None:
    """Run the command line; exit 2 with one sentence for what the user can mend."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(prog_name="orch", standalone_mode=False)
    except OrchError as error:
        typer.echo(f"orch: {error}", err=True)
        raise SystemExit(EXIT_USER_ERROR) from None
    except UsageError as error:
        _tell(error)
        raise SystemExit(EXIT_USER_ERROR) from None
    except typer.Abort:
        typer.echo("orch: interrupted.", err=True)
        raise SystemExit(tracked.EXIT_INTERRUPTED) from None
    raise SystemExit(code)


def _interrupt(number: int, frame: object) -> None:
    """Being asked to end is as Ctrl-C: what runs is closed, and can go on later."""
    raise KeyboardInterrupt


def _tell(error: UsageError) -> None:
    """One sentence, or the help where no command was given."""
    text = error.format_message().replace(": Value error, ", ": ")
    if text.startswith("Usage:"):
        error.show()
        return
    ending = "" if text.endswith((".", "?")) else "."
    typer.echo(f"orch: {text}{ending} See `{error.ctx.command_path} --help`.", err=True)
