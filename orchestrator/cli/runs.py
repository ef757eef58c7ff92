"""``orch train`` and ``orch sweep``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli import options

if TYPE_CHECKING:
    from orchestrator.api import SweepResult
    from orchestrator.results import Record

EXIT_FAILED_RUNS = 1
EXIT_INTERRUPTED = 130


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(sweep)
    app.command()(train)


def sweep(
    model: options.Model,
    space: Annotated[
        str,
        typer.Option(
            help="A search space; `orch spaces MODEL` lists them.",
            autocompletion=options.complete_spaces,
        ),
    ],
    dataset: options.Dataset = "planted",
    seeds: Annotated[int, typer.Option(help="Seeds that every point is run with.")] = 3,
    workers: Annotated[int, typer.Option(help="Runs at once.")] = 2,
    threads: Annotated[int, typer.Option(help="CPU threads per run.")] = 1,
    gpus: Annotated[
        float | None, typer.Option(help="GPUs per run; by default shared by the workers.")
    ] = None,
    trials: Annotated[int, typer.Option(help="Points to sample in a joint space.")] = 20,
    scheduler: Annotated[
        Literal["none", "asha"], typer.Option(help="Ends poor trials of a joint space early.")
    ] = "none",
    max_epochs: options.MaxEpochs = None,
    settings: options.Set = None,
    name: Annotated[
        str | None, typer.Option(help="The sweep's name; by default it follows from its content.")
    ] = None,
    executor: Annotated[
        Literal["ray", "local"], typer.Option(help="Ray Tune, or one after the other here.")
    ] = "ray",
    ray_address: Annotated[
        str | None, typer.Option(help="A Ray cluster to join; by default Ray starts here.")
    ] = None,
    device: options.Device = "auto",
    results: options.Results = Path("results"),
    data_dir: options.DataDir = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Run a search space: trials in parallel, each logged to MLflow, with a table and a figure.

    The same command again goes on where it stopped; runs that are done are not run again.
    Exit code 1 says that runs failed, 2 that nothing was started.

    Example: orch sweep tame --space heads --dataset scientific --seeds 3
    """
    from rich.console import Console

    from orchestrator import api
    from orchestrator.cli.progress import SweepProgress

    console = Console()
    values = options.overrides(settings, max_epochs)
    try:
        with SweepProgress(console) as progress:
            result = api.sweep(
                model,
                space,
                dataset=dataset,
                num_seeds=seeds,
                num_trials=trials,
                scheduler=scheduler,
                overrides=values,
                name=name,
                num_workers=workers,
                num_threads=threads,
                num_gpus=gpus,
                executor=executor,
                address=ray_address,
                device=device,
                results=results,
                data_dir=data_dir,
                tracking_uri=tracking_uri,
                listener=progress,
                on_problem=lambda text: typer.echo(f"orch: {text}", err=True),
            )
    except KeyboardInterrupt:
        typer.echo("orch: interrupted. Type the same command again to go on.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _show(result, results)


def _show(result: "SweepResult", results: Path) -> None:
    typer.echo(f"\n{result.text}\n")
    for path in result.figures:
        typer.echo(f"{path.suffix[1:].upper()}: {_short(path)}")
    typer.echo(f"MLflow: {result.tracking_uri}; browse it with `orch ui --results {results}`.")
    if result.failed:
        for record in result.failed:
            typer.echo(f"orch: run {record.run_id} failed: {record.reason}", err=True)
        typer.echo(
            f"orch: {len(result.failed)} of {len(result.records)} runs failed. "
            "Type the same command again to run those again.",
            err=True,
        )
        raise typer.Exit(EXIT_FAILED_RUNS)


def _short(path: Path) -> str:
    """A path as the user would type it from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def train(
    model: options.Model,
    dataset: options.Dataset = "planted",
    seed: Annotated[int, typer.Option(help="Decides weights, order and dropout.")] = 0,
    max_epochs: options.MaxEpochs = None,
    settings: options.Set = None,
    device: options.Device = "auto",
    results: options.Results = Path("results"),
    data_dir: options.DataDir = None,
) -> None:
    """Train one model at one seed, without Ray and without MLflow.

    A run that was cut goes on from its last epoch; one that is done is shown again.

    Example: orch train sasrec --dataset scientific --set model.dropout=0.3
    """
    from rich.console import Console

    from orchestrator import api
    from orchestrator.cli.progress import epoch_printer

    console = Console()
    try:
        record = api.train(
            model,
            dataset=dataset,
            seed=seed,
            overrides=options.overrides(settings, max_epochs),
            results=results,
            data_dir=data_dir,
            device=device,
            on_epoch=epoch_printer(console),
        )
    except KeyboardInterrupt:
        typer.echo("orch: interrupted. Type the same command again to go on.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _show_record(record, results)


def _show_record(record: "Record", results: Path) -> None:
    from orchestrator.cli.progress import describe

    typer.echo(describe(record))
    for prefix in ("val", "test"):
        names = ("recall@10", "recall@20", "ndcg@10", "ndcg@20", "mrr@10")
        values = (f"{name} {record.metrics[f'{prefix}/{name}']:.4f}" for name in names)
        typer.echo(f"{prefix}: {', '.join(values)}")
    typer.echo(f"Record and weights: {_short(results.resolve() / 'runs' / record.run_id)}")
    typer.echo("Nothing is tracked: `orch train` writes no MLflow run; `orch sweep` does.")
