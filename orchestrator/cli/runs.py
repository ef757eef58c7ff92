"""``orch train`` and ``orch sweep``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import EXIT_INTERRUPTED, run_or_plan, run_tracked, short

if TYPE_CHECKING:
    from orchestrator.results import Record


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(sweep)
    app.command()(resume)
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
    workers: options.Workers = 2,
    threads: options.Threads = 1,
    gpus: options.Gpus = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--max-trials",
            "--trials",
            metavar="N",
            help="Points at most: of a joint space that has more, so many are sampled (20 if not "
            "given); of any other the first ones are run (all if not given).",
        ),
    ] = None,
    sampler: Annotated[
        Literal["tpe", "gp", "cmaes", "random", "grid"],
        typer.Option(help="What proposes the points of a joint space; grid runs all of them."),
    ] = "tpe",
    scheduler: Annotated[
        Literal["none", "asha", "hyperband", "median"],
        typer.Option(help="Ends poor trials of a joint space early."),
    ] = "none",
    objectives: Annotated[
        str,
        typer.Option(
            help="What a joint space is searched for: ndcg, or ndcg,parameters or ndcg,seconds "
            "for a trade-off; validation alone."
        ),
    ] = "ndcg",
    config: options.Config = None,
    until_resolved: Annotated[
        bool,
        typer.Option(
            "--until-resolved",
            help="Add seeds one by one, from 3 to --seeds, and only to points whose difference to "
            "the base validation has not settled.",
        ),
    ] = False,
    bound: options.Bound = 0.02,
    max_time: options.MaxTime = None,
    plan: options.Plan = False,
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
    """Run a search space: trials in parallel, each logged to MLflow, with a table and a figure.

    The same command again goes on where it stopped; runs that are done are not run again.
    A swept value that changes nothing is refused before the start. Exit code 1 says that runs
    failed, 2 that nothing was started, 3 that --max-time left some.

    Example: orch sweep tame --space queries --dataset scientific --seeds 3
    """
    given = options.for_api(locals())
    from orchestrator import api

    run_or_plan(api.sweep, given)


def resume(
    sweep: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="The name of a sweep, an ablation, a comparison or a diagnosis."
        ),
    ],
    workers: Annotated[int | None, typer.Option(help="Runs at once; as before.")] = None,
    executor: Annotated[
        Literal["ray", "local"] | None, typer.Option(help="Ray Tune or this process; as before.")
    ] = None,
    address: options.Address = None,
    storage: options.Storage = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda; as before.")] = None,
    trial_time: options.TrialTime = None,
    stop_after: Annotated[int | None, typer.Option(help="As before.")] = None,
    max_time: options.MaxTime = None,
    results: options.Results = Path("results"),
    data_dir: options.DataDir = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Go on with a sweep, an ablation, a comparison or a diagnosis by its name.

    What is done is kept, what was cut goes on from its last epoch. Options that are left out are
    those of the first call, which can also be typed again.

    Example: orch resume tame-heads-planted-1a2b3c4d
    """
    given = options.for_api({"name": sweep, **{k: v for k, v in locals().items() if k != "sweep"}})
    from orchestrator import api

    run_tracked(api.resume, given)


def train(
    model: options.Model,
    dataset: options.Dataset = "planted",
    seed: Annotated[int, typer.Option(help="Decides weights, order and dropout.")] = 0,
    config: options.Config = None,
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
            config=config,
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
    typer.echo(f"Record and weights: {short(results.resolve() / 'runs' / record.run_id)}")
    typer.echo("Nothing is tracked: `orch train` writes no MLflow run; `orch sweep` does.")
