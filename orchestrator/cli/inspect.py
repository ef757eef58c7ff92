"""``orch models``, ``orch spaces`` and ``orch datasets``: what there is."""

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.data import Description
    from orchestrator.sweep.factors import Factor
    from orchestrator.sweep.space import Space


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(models)
    app.command()(spaces)
    app.command()(datasets)


def models(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="A model, to be told in full; all of them in a table by default.",
            autocompletion=options.complete_models,
        ),
    ] = None,
) -> None:
    """List the models: what they read and train on, their spaces and papers; or tell one in full.

    Inputs are those of the default settings: `a or b` is the first of the forms that a data set
    has; what stands behind `else` is a form that it also runs on, under a name of its own.

    Example: orch models tame
    """
    from orchestrator import api
    from orchestrator.cli.models import table, whole

    lines = table(api.models()) if model is None else whole(api.model(model))
    for line in lines:
        typer.echo(line)


def spaces(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="A model; all of them by default.",
            autocompletion=options.complete_models,
        ),
    ] = None,
) -> None:
    """List search spaces, settings per data set, variants and their groups, experiments.

    Example: orch spaces tame
    """
    from orchestrator import api

    for name, declared in api.spaces(model).items():
        for space in declared.spaces.values():
            _show_space(name, space)
        for dataset, settings in declared.datasets.items():
            typer.echo(f"{name} on {dataset}: {_listed(settings)}")
        for variant, settings in declared.variants.items():
            typer.echo(f"{name} --variants {variant}: {_listed(settings)}")
        for group, members in declared.ablations.items():
            typer.echo(f"{name} --variants {group} (group): {members.about}")
            typer.echo(f"  {', '.join(members.variants)}")
        for experiment in declared.experiments.values():
            typer.echo(
                f"{name} on {experiment.dataset}, {experiment.seeds} seeds: {experiment.about}"
            )
            typer.echo(f"  {experiment.command}")
            for line in experiment.lines():
                typer.echo(f"  {line}")


def _listed(settings: "Mapping[str, object]") -> str:
    return ", ".join(f"{key} = {value}" for key, value in settings.items())


def _show_space(model: str, space: "Space") -> None:
    typer.echo(f"{model} --space {space.name} ({space.kind}): {space.about}")
    for key, factor in space.factors.items():
        typer.echo(f"  {key}: {_values(factor)}")


def _values(factor: "Factor") -> str:
    from orchestrator.sweep.factors import Choice

    needed = [f"{key} = {' or '.join(map(str, values))}" for key, values in factor.when.items()]
    when = f" where {' and '.join(needed)}" if needed else ""
    if isinstance(factor, Choice):
        return ", ".join(map(str, factor.choices)) + when
    return f"{factor.low} to {factor.high}{' (log scale)' if factor.log else ''}{when}"


def datasets(data_dir: options.DataDir = None) -> None:
    """List the data sets that can be used.

    Example: orch datasets
    """
    from orchestrator import api

    for dataset in api.datasets(data_dir=data_dir):
        typer.echo(_line(dataset))


def _line(dataset: "Description") -> str:
    label = f"{dataset.name}{' (synthetic)' if dataset.synthetic else ''}"
    if dataset.counts is None:
        return f"{label}: {dataset.note}"
    features = "; ".join((*dataset.modalities, *dataset.others)) or "no features"
    return f"{label}: {dataset.size_text}; {features}"
