"""``orch plot``: figures of finished studies, ready for a paper."""

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import problem, short

_ALL = "all"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(plot)


def plot(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help=f"{', '.join(options.KINDS)}; or {_ALL}, every kind that the study can give.",
            autocompletion=options.complete_kinds,
        ),
    ],
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY...",
            help="Names of sweeps, ablations, paths or diagnoses; several become panels of one "
            "figure.",
        ),
    ],
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", help="What is shown, such as test/recall@20; may be repeated."),
    ] = None,
    factors: Annotated[
        list[str] | None,
        typer.Option("--factor", help="A swept setting; may be repeated. By default all."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Of `cold`: the study whose base gains are over."),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Of `convergence`: all studies in one panel.")
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(
            help=f"Width to draw for: {', '.join(options.PRESETS)}.",
            autocompletion=options.complete_presets,
        ),
    ] = None,
    bare: Annotated[
        bool,
        typer.Option("--bare", help="Title and notes go to a text file, for the caption."),
    ] = False,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "--out", help="A folder, or a file that ends in .pdf, .png or .svg."
        ),
    ] = Path("figures"),
    formats: Annotated[str, typer.Option("--format", help="By commas: pdf, png, svg.")] = "pdf,png",
    results: options.Results = Path("results"),
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Draw a figure of finished runs from MLflow alone, with the numbers behind it as CSV.

    Example: orch plot sensitivity tame-queries-planted-1a2b3c4d --preset ieee-column
    """
    given: dict[str, Any] = {
        "metrics": tuple(metrics or ()),
        "factors": tuple(factors or ()),
        "against": against,
        "together": together,
        "preset": preset,
        "bare": bare,
        "output": output,
        "formats": tuple(word.strip() for word in formats.split(",") if word.strip()),
        "results": results,
        "tracking_uri": tracking_uri,
        "on_problem": problem,
    }
    if kind == _ALL:
        _plot_all(studies, given)
    else:
        _plot(kind, studies, given)


def _plot(kind: str, studies: list[str], given: dict[str, Any]) -> None:
    from orchestrator import api

    for path in api.plot(kind, *studies, **given).files:
        typer.echo(short(path))


def _plot_all(studies: list[str], given: dict[str, Any]) -> None:
    """Every kind of each study, less those that are seen to be impossible by computing alone."""
    from orchestrator import api
    from orchestrator.errors import ConfigError

    _check_all(given)
    where = {name: given[name] for name in ("results", "tracking_uri")}
    for study in studies:
        for kind in api.kinds(study, **where):
            try:
                _plot(kind, [study], given)
            except ConfigError as error:
                problem(str(error))


def _check_all(given: dict[str, Any]) -> None:
    """Options that mean something to some kinds only cannot be given to all.

    Raises:
        ConfigError: one of them is given.
    """
    from orchestrator.errors import ConfigError

    options_of = {"metrics": "--metric", "factors": "--factor", "against": "--against"}
    for name, option in {**options_of, "together": "--together"}.items():
        if given[name]:
            raise ConfigError(f"{option}: `{_ALL}` has no use for it. Name one kind of figure.")
    if given["output"].suffix:
        raise ConfigError(
            f"--output: `{_ALL}` writes many files, and {given['output']} is one. Name a folder."
        )
