"""``orch ablate``."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import run_or_plan


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(ablate)


def ablate(
    model: options.Model,
    dataset: options.Dataset = "planted",
    seeds: Annotated[int, typer.Option(help="Seeds that base and variants are run with.")] = 5,
    variants: Annotated[
        str | None,
        typer.Option(
            help="Variants or groups of them, by commas; `orch spaces MODEL` lists them. "
            "By default the group `components`, else all.",
            autocompletion=options.complete_variants,
        ),
    ] = None,
    retune: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Points of a search that base and variants each get of their own."
        ),
    ] = None,
    retune_space: Annotated[
        str | None,
        typer.Option(
            help="The joint space of these searches; by default `joint`.",
            autocompletion=options.complete_spaces,
        ),
    ] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Also every two variants together.")] = (
        False
    ),
    modality_controls: Annotated[
        bool,
        typer.Option(
            "--modality-controls",
            help="Also each modality's features shuffled, replaced by noise, and by their mean.",
        ),
    ] = False,
    bound: options.Bound = 0.02,
    trials: Annotated[
        int | None,
        typer.Option(
            "--max-trials",
            metavar="N",
            help="Points at most: the base and the first N - 1 variants (all if not given).",
        ),
    ] = None,
    until_resolved: Annotated[
        bool,
        typer.Option(
            "--until-resolved",
            help="Add seeds one by one, from 3 to --seeds, and only to variants whose difference "
            "to the base validation has not settled.",
        ),
    ] = False,
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
    """Compare a model's variants with its base, same seeds, with tests, tables and figures.

    A variant that changes nothing is refused before the start. Runs that any sweep or ablation
    did before are reused, and the same command again goes on where it stopped. Exit code 1 says
    that runs failed, 2 that nothing was started, 3 that --max-time left some.

    Example: orch ablate tame --dataset scientific --seeds 5 --retune 20
    """
    given = options.for_api(locals())
    from orchestrator import api

    run_or_plan(api.ablate, given)
