"""``orch rm``, ``orch restore`` and ``orch doctor``: keeping things in order."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import short

if TYPE_CHECKING:
    from orchestrator.api import Removal

EXIT_PROBLEM = 1


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(rm)
    app.command()(restore)
    app.command()(doctor)


def rm(
    sweep: Annotated[
        str, typer.Argument(metavar="SWEEP", help="A sweep; `orch status` lists them.")
    ],
    runs: Annotated[
        bool,
        typer.Option("--runs", help="Also weights and records of runs that no other sweep has."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also one said to run on another machine, which is gone."),
    ] = False,
    results: options.Results = Path("results"),
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Remove a sweep, or anything like it: from MLflow, and its folder.

    Shows what would go and asks. Runs stay in the results folder unless --runs is given, so that
    the same command finds them again. `orch restore` brings the part in MLflow back.

    Example: orch rm tame-heads-planted-1a2b3c4d
    """
    from orchestrator import api
    from orchestrator.errors import ConfigError

    removal = api.plan_removal(
        sweep, with_runs=runs, results=results, tracking_uri=tracking_uri, force=force
    )
    if not yes and not sys.stdin.isatty():
        raise ConfigError(
            f"{sweep}: nothing was removed, since there is no terminal to ask on. Add --yes."
        )
    _show(removal, asked_for_runs=runs)
    if not yes and not typer.confirm("Remove it?"):
        typer.echo("Nothing was removed.")
        return
    api.remove(removal)
    typer.echo(
        f"Removed. MLflow keeps what is deleted: `orch restore {sweep}` brings it back, "
        f"{removal.purge} empties it."
    )


def _show(removal: "Removal", *, asked_for_runs: bool) -> None:
    typer.echo(f"{removal.name} ({removal.about})")
    typer.echo(f"MLflow: {removal.num_in_store} runs, its own among them")
    if removal.folder is not None:
        typer.echo(f"Folder: {short(removal.folder)}, with plan, figures and logs")
    if removal.spooled:
        typer.echo(f"{len(removal.spooled)} records that wait to be told to the store")
    if asked_for_runs:
        kept = f"; {removal.num_shared} stay, being of other sweeps or in training"
        shared = kept if removal.num_shared else ""
        typer.echo(f"Runs: {len(removal.runs)} folders with weights and records{shared}")
    typer.echo(f"{removal.num_bytes / 2**20:.1f} MB of files")


def restore(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep that was removed.")],
    results: options.Results = Path("results"),
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Bring back what `orch rm` took out of MLflow, unless `mlflow gc` has emptied it.

    Folders do not come back; the command that made the sweep makes them again.

    Example: orch restore tame-heads-planted-1a2b3c4d
    """
    from orchestrator import api

    num_runs = api.restore(sweep, results=results, tracking_uri=tracking_uri)
    typer.echo(f"{sweep}: {num_runs} runs are in MLflow again, its own among them.")
    typer.echo("Folders do not come back; `orch plot all NAME` draws the figures again.")


def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Compare sizes of data sets' files, not hashes.")
    ] = False,
    results: options.Results = Path("results"),
    data_dir: options.DataDir = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Look at Python, packages, devices, store, folders and data sets; exit code 1 is a problem.

    Nothing is made or changed.

    Example: orch doctor --data-dir data
    """
    from orchestrator import api

    found = api.doctor(
        results=results, data_dir=data_dir, tracking_uri=tracking_uri, verify=not quick
    )
    for finding in found:
        typer.echo(f"{finding.level:<8} {finding.subject}: {finding.text}")
    problems = sum(finding.level == "problem" for finding in found)
    if problems:
        typer.echo(f"orch: {problems} problem{'s' * (problems > 1)} found.", err=True)
        raise typer.Exit(EXIT_PROBLEM)
