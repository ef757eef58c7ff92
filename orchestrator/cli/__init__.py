"""The command line: parse, call :mod:`orchestrator.api`, print.

``main`` is the only place that turns an OrchError into one sentence and exit code 2. Nothing here
imports torch, Ray or MLflow before a command needs it: ``orch --help`` answers at once.
"""

import typer

from orchestrator.cli import data, inspect, runs, views
from orchestrator.errors import OrchError

EXIT_USER_ERROR = 2

app = typer.Typer(
    name="orch",
    help="Sweeps and ablations for multi-modal sequential recommenders.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (runs, views, inspect):
    module.add_to(app)
app.add_typer(data.app)


def main() -> None:
    """Run the command line; exit 2 with one sentence for what the user can mend."""
    try:
        app()
    except OrchError as error:
        typer.echo(f"orch: {error}", err=True)
        raise SystemExit(EXIT_USER_ERROR) from None
