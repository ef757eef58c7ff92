"""``orch reproduce``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import (
    EXIT_FAILED_RUNS,
    EXIT_INTERRUPTED,
    EXIT_LEFT_RUNS,
    problem,
    short,
    tell_left,
)

if TYPE_CHECKING:
    from orchestrator.api import Reproduction
    from orchestrator.reproduction.standing import Standing


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(reproduce)


def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A table or figure, such as decorec/table4.",
            autocompletion=options.complete_exhibits,
        ),
    ] = None,
    show_list: Annotated[
        bool,
        typer.Option(
            "--list",
            help="Show every table and figure: what it needs, whether it can run here, and its "
            "verdicts so far.",
        ),
    ] = False,
    datasets: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            help="A data set, again for more; by default those of the paper that are here. "
            "Another one stands in for them, and is called so.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds that everything is run with.")] = 5,
    tune: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Of a comparison of models: points of a search that each gets of its own.",
        ),
    ] = None,
    max_time: options.MaxTime = None,
    plan: options.Plan = False,
    workers: options.Workers = 2,
    threads: options.Threads = 1,
    gpus: options.Gpus = None,
    config: options.Config = None,
    max_epochs: options.MaxEpochs = None,
    settings: options.Set = None,
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
    """Make a table or figure of the papers again, and say which of its claims hold.

    Runs what no sweep, ablation or diagnosis ran before, draws it, and sets the paper's numbers
    beside ours, with an interval and a verdict on each claim. The same command again goes on
    where it stopped. Exit code 1 says that runs failed, 2 that nothing was started, 3 that
    --max-time left some.

    Example: orch reproduce decorec/table4 --seeds 5
    """
    given = options.for_api({k: v for k, v in locals().items() if k not in ("name", "show_list")})
    is_plan = given.pop("plan")
    given["datasets"] = tuple(given["datasets"] or ())
    if name is None:
        _show_list(results, data_dir, is_asked=show_list)
        return
    if show_list:
        raise typer.BadParameter(f"--list shows all: leave {name} or --list out")
    _run(name, given, is_plan=is_plan)


def _run(name: str, given: dict[str, Any], *, is_plan: bool) -> None:
    from rich.console import Console

    from orchestrator import api
    from orchestrator.cli.progress import SweepProgress

    try:
        with SweepProgress(Console(stderr=is_plan)) as progress:
            watched = {**given, "listener": progress, "on_problem": problem}
            if is_plan:
                told = api.plan_reproduction(name, **watched)
            else:
                made = api.reproduce(name, **watched)
    except KeyboardInterrupt:
        typer.echo("orch: interrupted. Type the same command again to go on.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if is_plan:
        typer.echo(told)
        return
    _show(made, given["results"])


def _show(made: "Reproduction", results: Path) -> None:
    from orchestrator.tracking.store import shown

    typer.echo(f"\n{made.text}\n")
    for path in made.files:
        typer.echo(f"{path.suffix[1:].upper()}: {short(path)}")
    for uri in dict.fromkeys(result.tracking_uri for result in made.results):
        typer.echo(f"MLflow: {shown(uri)}; browse it with `orch ui --results {results}`.")
    num_left = sum(result.num_left for result in made.results)
    tell_left(num_left)
    if any(result.failed or result.stop_reason for result in made.results):
        raise typer.Exit(EXIT_FAILED_RUNS)
    if num_left:
        raise typer.Exit(EXIT_LEFT_RUNS)


def _show_list(results: Path, data_dir: Path | None, *, is_asked: bool) -> None:
    if not is_asked:
        raise typer.BadParameter("name a table or figure, or add --list to see all")
    from orchestrator import api

    every = api.reproductions(results=results, data_dir=data_dir)
    for one in every:
        for line in _lines(one):
            typer.echo(line)
    lacking = {f"  {name}: {what}" for one in every for name, what in one.lacking.items()}
    if lacking:
        typer.echo("\nData that are not here, or not as the papers' models read them:")
        typer.echo("\n".join(sorted(lacking)))


def _lines(one: "Standing") -> list[str]:
    exhibit = one.exhibit
    head = f"{exhibit.name} ({exhibit.label}): {exhibit.about}"
    if exhibit.kind == "drawing":
        return [head, "  a drawing: there is nothing to run"]
    model = f" of {exhibit.model}" if exhibit.model else ""
    needs = f"  {exhibit.kind}{model} on {', '.join(exhibit.datasets)}"
    done = [f"  {outcome.text()}" for outcome in one.outcomes]
    return [head, needs, f"  {_here(one)}", *(done or ["  not run so far"])]


def _here(one: "Standing") -> str:
    """Whether it can run here, and what it must do without."""
    if not one.here:
        return "cannot run: none of these data sets is here; --dataset lets another stand in"
    if one.can_run == "yes":
        return "can run"
    whole = [name for name in one.here if name not in one.lacking]
    poor = [name for name in one.here if name in one.lacking]
    told = [f"on {', '.join(whole)}"] if whole else []
    told += [f"on {', '.join(poor)}, but not with the features that the paper's model reads"] * (
        bool(poor)
    )
    told += [f"without {', '.join(one.no_models)}: not in the zoo"] * bool(one.no_models)
    return f"can run in part: {'; '.join(told)}"
