"""``orch status`` and ``orch best``: how sweeps stand, and what they chose."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.columns import aligned
from orchestrator.cli.tracked import short

if TYPE_CHECKING:
    from orchestrator.api import BestPoint, Status, SweepStatus
    from orchestrator.reporting.points import Mean
    from orchestrator.tracking.reading import RunState

_HEADER = ("name", "what", "model", "data set", "status", "runs", "best val NDCG@10", "started")
_RUNS = ("run", "id", "status", "epoch", "val NDCG@10", "seconds", "reason")
LISTED = ("ablation", "comparison", "diagnosis", "path")
"""Kinds that have no space."""
_ID_LENGTH = 8
"""Characters of a run's id that are shown; `orch show` takes them."""


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(status)
    app.command()(best)


def status(
    sweep: Annotated[
        str | None,
        typer.Argument(metavar="[SWEEP]", help="A sweep, ablation or diagnosis; all by default."),
    ] = None,
    results: options.Results = Path("results"),
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Show how sweeps stand, also while they run: all of them, or one with its runs.

    Nothing is written. `dead` is what the store says is running and whose process here is gone.

    Example: orch status tame-heads-planted-1a2b3c4d
    """
    from orchestrator import api

    if sweep is not None:
        _show_one(api.status_of(sweep, results=results, tracking_uri=tracking_uri))
        return
    every = api.status(results=results, tracking_uri=tracking_uri)
    if not every:
        typer.echo("The store holds no sweep yet.")
        return
    for line in aligned(_HEADER, [_row(found) for found in every]):
        typer.echo(line)


def _row(found: "Status") -> tuple[str, ...]:
    what = found.space if found.kind in LISTED else f"sweep {found.space}"
    dataset = f"{found.dataset} (synthetic)" if found.synthetic else found.dataset
    state = (found.condition, _counts(found), _best(found), f"{found.started:%Y-%m-%d %H:%M}")
    return (found.name, what, found.model, dataset, *state)


def _counts(found: "Status") -> str:
    of = "" if found.num_planned is None else f" of {found.num_planned}"
    parts = {
        "running": found.num_running,
        "failed": found.num_failed,
        "cut": found.num_cut,
    }
    return ", ".join([f"{found.num_done}{of} done", *(f"{n} {p}" for p, n in parts.items() if n)])


def _best(found: "Status") -> str:
    if found.best is None:
        return "-"
    return f"{found.best:.4f} ({found.num_seeds} seed{'s' * (found.num_seeds > 1)})"


def _show_one(found: "SweepStatus") -> None:
    synthetic = " (synthetic data)" if found.synthetic else ""
    typer.echo(f"{found.name}: {found.model}, {found.space}, on {found.dataset}{synthetic}")
    if found.description:
        typer.echo(found.description)
    reason = f": {found.reason}" if found.reason else ""
    if found.condition == "dead":
        reason = f": process {found.process} is gone without a word"
    elif found.condition == "running":
        reason = f", process {found.process}"
    typer.echo(f"Status: {found.condition}{reason}; started {found.started:%Y-%m-%d %H:%M}.")
    typer.echo(f"Runs: {_counts(found)}. Best val NDCG@10 of a point: {_best(found)}.")
    typer.echo("")
    for line in aligned(_RUNS, [_run_row(run) for run in found.runs]) if found.runs else ():
        typer.echo(line)
    typer.echo("\n" if found.runs else "No run has been told of yet.\n", nl=False)
    typer.echo("A finished run shows its best epoch; `orch show ID` tells more of a run.")
    _show_places(found)


def _show_places(found: "SweepStatus") -> None:
    if found.logs:
        folders = ", ".join(short(path.resolve()) for path in found.logs)
        typer.echo(f"Logs of the workers: {folders}")
    typer.echo(f"Store: {found.store}")
    if found.num_spooled:
        typer.echo(f"{found.num_spooled} records wait to be told to the store; a sweep tells them.")
    if found.go_on:
        typer.echo(f"Go on with: {found.go_on}")


def _run_row(run: "RunState") -> tuple[str, ...]:
    return (
        run.name,
        run.run_id[:_ID_LENGTH],
        run.condition,
        "" if run.epoch is None else str(run.epoch),
        "" if run.value is None else f"{run.value:.4f}",
        "" if run.seconds is None else f"{run.seconds:.1f}",
        run.reason,
    )


def best(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep; `orch status` has them.")],
    variant: Annotated[
        str | None,
        typer.Option(
            help="Of an ablation with --retune: whose settings; by default the base's. Of a "
            "comparison with --tune: the model."
        ),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write its settings as TOML, which --config reads.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    results: options.Results = Path("results"),
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Show a sweep's best point, by mean validation NDCG@10; test figures choose nothing.

    Points with fewer finished seeds than others are not compared. Of an ablation with --retune it
    is what a variant's own search chose.

    Example: orch best tame-joint-scientific-1a2b3c4d --export best.toml
    """
    from orchestrator import api

    if force and export is None:
        raise typer.BadParameter(
            "there is nothing to replace without --export", param_hint="--force"
        )
    point = api.best(sweep, variant=variant, results=results, tracking_uri=tracking_uri)
    if export is not None:
        api.export_best(point, export, overwrite=force)
    _show_best(point)
    if export is not None:
        typer.echo(f"\nSettings: {short(export.resolve())}; use them with --config {export}.")


def _show_best(point: "BestPoint") -> None:
    typer.echo(point.about)
    typer.echo("\nSettings that differ from the model's defaults (* varied by the sweep):")
    told = {**{key: point.settings[key] for key in point.swept}, **point.changed}
    for key, value in told.items():
        typer.echo(f"{'*' if key in point.swept else ' '} {key} = {value}")
    _show_figures("Validation, by which it was chosen", point, "val")
    _show_figures("Test, scored once per run and looked at by no choice", point, "test")
    typer.echo(f"\nRuns: {', '.join(point.runs)}")


def _show_figures(title: str, point: "BestPoint", split: str) -> None:
    typer.echo(f"\n{title}:")
    for name, mean in point.figures.items():
        if name.startswith(f"{split}/"):
            typer.echo(f"  {name.partition('/')[2]:<10} {_interval(mean)}")


def _interval(mean: "Mean") -> str:
    if len(mean.seeds) < 2:
        return f"{mean.mean:.4f} (one seed)"
    return (
        f"{mean.mean:.4f} ± {mean.half:.4f} "
        f"(95 % t interval over {len(mean.seeds)} seeds: {mean.low:.4f} to {mean.high:.4f})"
    )
