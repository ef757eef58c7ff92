"""``orch explain``."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import EXIT_INTERRUPTED, short


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(explain)


def explain(
    model: options.Model,
    item: Annotated[
        str,
        typer.Argument(
            metavar="ITEM",
            help="An item: its raw id, its number as '#17' (in quotes), or a part of its text.",
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(help="A data set; `orch datasets` lists them. By default planted."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the run; by default 0.")] = None,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN_ID",
            help="A finished run by the beginning of its id, instead of data set and settings.",
        ),
    ] = None,
    config: options.Config = None,
    max_epochs: options.MaxEpochs = None,
    settings: options.Set = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write into; by default explain in the results.")
    ] = None,
    device: options.Device = "auto",
    results: options.Results = Path("results"),
    data_dir: options.DataDir = None,
) -> None:
    """Show which words and patches of an item each query of a model reads.

    The run is the one that `orch train` trains with these settings: reused if it is done, trained
    if it is not. Leaves a figure (PDF, PNG) and all weights (CSV).

    Example: orch explain tame jumanji --dataset movielens-1m
    """
    from rich.console import Console

    from orchestrator import api
    from orchestrator.cli.progress import epoch_printer

    try:
        result = api.explain(
            model,
            item,
            dataset=dataset,
            seed=seed,
            run=run,
            config=config,
            overrides=options.overrides(settings, max_epochs),
            out=out,
            results=results,
            data_dir=data_dir,
            device=device,
            on_training=lambda text: typer.echo(text, err=True),
            on_epoch=epoch_printer(Console(stderr=True)),
        )
    except KeyboardInterrupt:
        typer.echo("orch: interrupted. Type the same command again to go on.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    typer.echo(f"{result.text}\n")
    for path in result.files:
        typer.echo(f"{path.suffix[1:].upper()}: {short(path)}")
