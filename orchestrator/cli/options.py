"""Options that several commands share, and what completes them in the shell.

Completion lists files by name and imports nothing heavy.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import orchestrator

ROOT = Path(orchestrator.__file__).parents[1]
VIEWS = ("attention", "clusters", "cold", "convergence", "gradients", "recall", "unimodal")
"""Of a diagnosis; see :mod:`orchestrator.sweep.diagnostics`."""


KINDS = (
    *("sensitivity", "convergence", "gradients", "bars", "forest", "interactions", "tsne", "cold"),
    *("importance", "slice", "contour", "front", "history", "path"),
    *("recall", "unimodal", "attention"),
)
"""Of figures; see :mod:`orchestrator.reporting.plots.kinds`."""
PRESETS = ("ieee-column", "ieee-page", "acm-column", "acm-page")
"""Widths of figures; see :mod:`orchestrator.reporting.style`."""


def complete_kinds(incomplete: str) -> list[str]:
    """Kinds of figures that begin so."""
    return [name for name in (*KINDS, "all") if name.startswith(incomplete)]


def complete_presets(incomplete: str) -> list[str]:
    """Presets that begin so."""
    return [name for name in PRESETS if name.startswith(incomplete)]


def complete_models(incomplete: str) -> list[str]:
    """Names of models that begin so."""
    names = (file.stem for file in (ROOT / "models").glob("[!_]*.py"))
    return sorted(name for name in names if name.startswith(incomplete))


def complete_spaces(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the chosen model's spaces that begin so."""
    given = ctx.params.get("model") or next(iter(ctx.args), None)  # the line may end in --space
    names = _declared(given).get("spaces", {})
    return sorted(name for name in names if name.startswith(incomplete))


def complete_variants(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names so far, and those of the chosen model's variants and groups that go on so."""
    declared = _declared(ctx.params.get("model") or next(iter(ctx.args), None))
    before, comma, begun = incomplete.rpartition(",")
    names = sorted({**declared.get("variants", {}), **declared.get("ablations", {})})
    return [f"{before}{comma}{name}" for name in names if name.startswith(begun)]


def complete_views(incomplete: str) -> list[str]:
    """The views so far, and those that go on so."""
    before, comma, begun = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in VIEWS if name.startswith(begun)]


def complete_exhibits(incomplete: str) -> list[str]:
    """Tables and figures of the papers that begin so."""
    files = sorted((ROOT / "search_spaces" / "papers").glob("*.toml"))
    keys = {file.stem: tomllib.loads(file.read_text())["exhibits"] for file in files}
    names = (f"{paper}/{key}" for paper, declared in keys.items() for key in declared)
    return [name for name in names if name.startswith(incomplete)]


def _declared(model: str | None) -> dict[str, Any]:
    """What a model's file of spaces says; nothing where there is none."""
    file = ROOT / "search_spaces" / f"{model}.toml"
    return tomllib.loads(file.read_text()) if file.exists() else {}


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
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings to begin from, such as `orch best --export` writes; --set goes over them.",
    ),
]
MaxEpochs = Annotated[
    int | None, typer.Option("--max-epochs", help="Short for --set train.max_epochs=N.")
]
Workers = Annotated[int, typer.Option("--workers", help="Runs at once.")]
Threads = Annotated[int, typer.Option("--threads", help="CPU threads per run.")]
Gpus = Annotated[
    str | None,
    typer.Option(
        "--gpus-per-trial",
        metavar="NUMBER|auto",
        help="GPUs per run, such as 0.25; auto packs by memory; by default shared evenly.",
    ),
]
MaxTime = Annotated[
    str | None,
    typer.Option(
        "--max-time",
        metavar="TIME",
        help="Such as 2h, 90m, 3600s: after it no run starts, running ones end at their next "
        "epoch, and the same command goes on later.",
    ),
]
Bound = Annotated[
    float, typer.Option("--bound", help="Part of the base's mean that does not matter.")
]
Plan = Annotated[
    bool,
    typer.Option("--plan", help="Tell what would be run and what it costs; start nothing."),
]
Name = Annotated[
    str | None,
    typer.Option("--name", help="What to call it; by default the name follows from the content."),
]
Executor = Annotated[
    Literal["ray", "local"],
    typer.Option("--executor", help="Ray Tune, or one after the other here."),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        envvar="RAY_ADDRESS",
        help="A Ray cluster to join, or auto for the one here; by default Ray starts here.",
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="Of a cluster: where runs' files are kept, such as s3://bucket/folder; by default in "
        "--results.",
    ),
]
TrialTime = Annotated[
    str | None,
    typer.Option(
        "--trial-time",
        metavar="DURATION",
        help="Longest time of a run, such as 90s, 30m, 2h; one that takes longer is ended.",
    ),
]
StopAfter = Annotated[
    int,
    typer.Option("--stop-after", help="Like failures in a row that stop everything; 0: none do."),
]

API_NAMES = {
    "seeds": "num_seeds",
    "trials": "num_trials",
    "workers": "num_workers",
    "threads": "num_threads",
    "gpus": "num_gpus",
    "settings": "overrides",
}
"""Parameters that :mod:`orchestrator.api` calls otherwise than the command line does."""


def for_api(given: dict[str, Any]) -> dict[str, Any]:
    """A command's parameters as those of the function of :mod:`orchestrator.api`.

    Raises:
        ConfigError: an assignment is not KEY=VALUE.
    """
    values = renamed(given)
    if "max_epochs" not in values:
        return values
    max_epochs = values.pop("max_epochs")
    gpus = gpus_per_trial(values["num_gpus"])
    return {**values, "num_gpus": gpus, "overrides": overrides(values["overrides"], max_epochs)}


def gpus_per_trial(text: str | None) -> float | Literal["auto"] | None:
    """GPUs per run, as typed.

    Raises:
        ConfigError: it is neither a number nor ``auto``.
    """
    from orchestrator.errors import ConfigError

    try:
        return None if text is None else "auto" if text == "auto" else float(text)
    except ValueError:
        raise ConfigError(
            f"--gpus-per-trial cannot be {text!r}: it must be a number, such as 0.25, or auto."
        ) from None


def renamed(given: dict[str, Any]) -> dict[str, Any]:
    """A command's parameters by the names that :mod:`orchestrator.api` has for them."""
    return {API_NAMES.get(name, name): value for name, value in given.items()}


def overrides(assignments: list[str] | None, max_epochs: int | None) -> dict[str, Any]:
    """Settings given on the command line, as dotted key -> value.

    Raises:
        ConfigError: an assignment is not KEY=VALUE.
    """
    from orchestrator.config import parse_assignment

    values = dict(parse_assignment(text) for text in assignments or ())
    return values if max_epochs is None else {"train.max_epochs": max_epochs, **values}
