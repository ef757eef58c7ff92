"""``orch compare``."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import run_or_plan


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(compare)


def compare(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...",
            help="Two models or more; `orch models` lists them.",
            autocompletion=options.complete_models,
        ),
    ] = None,
    dataset: options.Dataset = "planted",
    seeds: Annotated[int, typer.Option(help="Seeds that every model is run with.")] = 5,
    tune: Annotated[
        int | None,
        typer.Option(metavar="N", help="Points of a search that each model gets of its own."),
    ] = None,
    tune_space: Annotated[
        str | None,
        typer.Option(help="The joint space of these searches; by default `joint`."),
    ] = None,
    has_all: Annotated[
        bool, typer.Option("--all", help="Every model that the data set can serve.")
    ] = False,
    ours: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Tell the gain of this one over the best of the others; by default that of the "
            "best over the second.",
            autocompletion=options.complete_models,
        ),
    ] = None,
    bound: Annotated[
        float, typer.Option("--bound", help="Part of a mean that does not matter.")
    ] = 0.02,
    max_time: options.MaxTime = None,
    plan: options.Plan = False,
    workers: options.Workers = 2,
    threads: options.Threads = 1,
    gpus: options.Gpus = None,
    configs: Annotated[
        list[Path] | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Settings of a model to begin from, such as `orch best --export` writes; may be "
            "given once for each model, and --set goes over them.",
        ),
    ] = None,
    max_epochs: options.MaxEpochs = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of every model that has it, such as model.dim=64; tame.model.dim=64 "
            "is for TAME alone.",
        ),
    ] = None,
    name: options.Name = None,
    executor: options.Executor = "ray",
    address: options.Address = None,
    storage: options.Storage = None,
    device: options.Device = "auto",
    trial_time: options.TrialTime = None,
    stop_after: options.StopAfter = 5,
    results: options.Results = Path("results"),
    data_dir: options.DataDir = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Compare models on a data set: same seeds, equal tuning, tests, the table of the papers.

    With --tune each model is searched with as many points and chosen from by validation. Runs that
    anything did before are reused, and the same command again goes on where it stopped. Exit code
    1 says that runs failed, 2 that nothing was started, 3 that --max-time left some.

    Example: orch compare sasrec gru4rec tame --dataset scientific --seeds 5 --tune 20
    """
    given = options.for_api(locals())
    from orchestrator import api

    run_or_plan(api.compare, given)
