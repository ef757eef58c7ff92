"""``orch path``."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import run_tracked


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(path)


def path(
    search: Annotated[
        str, typer.Argument(metavar="SWEEP", help="The name of a sweep of a joint space or grid.")
    ],
    seeds: Annotated[int, typer.Option(help="Seeds that every step is run with.")] = 3,
    max_time: options.MaxTime = None,
    workers: options.Workers = 2,
    threads: options.Threads = 1,
    gpus: options.Gpus = None,
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
    """Go from a search's base to its best point by real runs, one setting at a time.

    Each step changes the setting that then has the highest validation NDCG@10 over the seeds, and
    shows its gain with an interval. Runs of the search are reused, and the same command again goes
    on where it stopped.

    Example: orch path tame-joint-planted-1a2b3c4d --seeds 5
    """
    given = options.renamed(locals())
    from orchestrator import api

    run_tracked(api.path, given)
