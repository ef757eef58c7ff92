"""``orch diagnose``."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import run_or_plan


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(diagnose)


def diagnose(
    model: options.Model,
    dataset: options.Dataset = "planted",
    seeds: Annotated[int, typer.Option(help="Seeds that everything is run with.")] = 3,
    views: Annotated[
        str | None,
        typer.Option(
            help="By commas: convergence, gradients, clusters, recall, unimodal, cold, attention. "
            "By default all that the model can have.",
            autocompletion=options.complete_views,
        ),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            help="The model that gains are over, in view cold.",
            autocompletion=options.complete_models,
        ),
    ] = "sasrec",
    max_time: options.MaxTime = None,
    plan: options.Plan = False,
    workers: options.Workers = 2,
    threads: options.Threads = 1,
    gpus: options.Gpus = None,
    config: options.Config = None,
    max_epochs: options.MaxEpochs = None,
    settings: options.Set = None,
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
    """Look into a model: how its parts learn and pull, what clusters and modalities give.

    Runs what the views need, each variant once, and draws a figure and a table per view. Runs that
    any sweep or ablation did before are reused, and the same command again goes on where it
    stopped. Exit code 1 says that runs failed, 2 that nothing was started, 3 that --max-time left
    some.

    Example: orch diagnose decorec --dataset scientific --seeds 5
    """
    given = options.for_api(locals())
    from orchestrator import api

    run_or_plan(api.diagnose, given)
