"""Options that several commands share, and what completes them in the shell.

Completion lists files by name and imports nothing heavy.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

import orchestrator

ROOT = Path(orchestrator.__file__).parents[1]


def complete_models(incomplete: str) -> list[str]:
    """Names of models that begin so."""
    names = (file.stem for file in (ROOT / "models").glob("[!_]*.py"))
    return sorted(name for name in names if name.startswith(incomplete))


def complete_spaces(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the chosen model's spaces that begin so."""
    given = ctx.params.get("model") or next(iter(ctx.args), None)  # the line may end in --space
    file = ROOT / "search_spaces" / f"{given}.toml"
    if not file.exists():
        return []
    names = tomllib.loads(file.read_text()).get("spaces", {})
    return sorted(name for name in names if name.startswith(incomplete))


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A model; `orch models` lists them.", autocompletion=complete_models
    ),
]
Dataset = Annotated[str, typer.Option("--dataset", help="A data set; `orch datasets` lists them.")]
Results = Annotated[Path, typer.Option("--results", help="Folder of runs, database and figures.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", envvar="ORCH_DATA", help="Folder of data sets; by default the user's cache."
    ),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        envvar="MLFLOW_TRACKING_URI",
        help="An MLflow store; by default SQLite in the results folder.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as train.patience=5."),
]
MaxEpochs = Annotated[
    int | None, typer.Option("--max-epochs", help="Short for --set train.max_epochs=N.")
]


def overrides(assignments: list[str] | None, max_epochs: int | None) -> dict[str, Any]:
    """Settings given on the command line, as dotted key -> value.

    Raises:
        ConfigError: an assignment is not KEY=VALUE.
    """
    from orchestrator.config import parse_assignment

    values = dict(parse_assignment(text) for text in assignments or ())
    return values if max_epochs is None else {"train.max_epochs": max_epochs, **values}
