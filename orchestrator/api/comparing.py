"""Comparisons of models on one data set: prepared, run, tracked and drawn."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from orchestrator.api.command import Command
from orchestrator.api.drawing import BOUND, checked_bound, draw_comparison
from orchestrator.api.jobs import Job, does
from orchestrator.api.results import ComparisonResult
from orchestrator.api.way import How, Way
from orchestrator.data import Dataset, open_dataset
from orchestrator.errors import ConfigError, unknown
from orchestrator.sweep.comparison import Comparison
from orchestrator.sweep.phases import run_phases
from orchestrator.sweep.prepare_comparison import Entry, named_models, prepare_comparison
from orchestrator.tracking.runs import SweepInfo


@does(ComparisonResult)
def compare(
    models: Sequence[str] | None = None,
    *,
    dataset: str = "planted",
    num_seeds: int = 5,
    tune: int | None = None,
    tune_space: str | None = None,
    has_all: bool = False,
    ours: str | None = None,
    bound: float = BOUND,
    configs: Sequence[Path] | None = None,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    **how: Unpack[How],
) -> Job:
    """Compare models on a data set, and leave a record in MLflow, tables and figures.

    All models run with the same seeds and, with ``tune``, after searches of equal budget. The same
    call again goes on where it stopped, and a run that anything did before is not run again.

    Args:
        models: two models of the zoo or more, in the order to show them; None with ``has_all``.
        dataset: a data set by name.
        num_seeds: seeds 0, 1, ... that every model is run with.
        tune: points of a search that each model gets of its own, chosen from by validation; None
            runs each at its own settings on the data set.
        tune_space: the joint space that is searched, by default ``joint``.
        has_all: every model that the data set can serve, instead of ``models``.
        ours: the model whose gain over the best of the others is told; by default it is that of
            the best over the second.
        bound: part of a mean below which a difference does not matter.
        configs: TOML files of settings to begin from, such as :func:`export_best` writes, each of
            one of the models.
        overrides: dotted key -> value, for every model that has the key; with a model's name
            before it (``tame.model.text_heads``) for that one alone.
        name: the comparison's name; by default it follows from the content.
        how: see :class:`orchestrator.api.way.How`.

    Raises:
        OrchError: anything a user can mend, before the first run starts; a model that the data set
            cannot serve is refused.
    """
    given = {**locals(), "models": list(models or ()), "configs": list(configs or ())}
    way = Way(command=Command.of("compare", given), **how)
    entry = Entry(
        models=tuple(models or ()),
        has_all=has_all,
        num_seeds=num_seeds,
        tune=tune,
        tune_space=tune_space,
        configs=tuple(configs or ()),
        overrides=overrides or {},
        name=name,
    )
    checked_bound(bound)
    _checked_ours(ours, named_models(entry))
    way.options()
    opened = open_dataset(dataset, way.data_dir, verify=True)
    plan = prepare_comparison(entry, opened, on_check=way.hears().checking)
    names = {each.model: each.name for each in plan.contenders}
    _checked_ours(ours, names)
    info = replace(comparison_info(plan, opened), bound=bound, ours=names[ours] if ours else "")
    draw = partial(
        draw_comparison, info=info, dataset=opened, results=way.results, on_problem=way.problem
    )
    work = partial(run_phases, plan)
    return Job(study=plan, info=info, way=way, dataset=opened, work=work, draw=draw)


def _checked_ours(ours: str | None, models: Collection[str]) -> None:
    if ours is not None and ours not in models:
        raise ConfigError(f"--ours: {unknown('compared model', ours, models)}")


def comparison_info(plan: Comparison, dataset: Dataset) -> SweepInfo:
    """What the tracker is told of a comparison."""
    names = [member.name for member in plan.members]
    tuned = f", each tuned by a search of {plan.num_tuned} points" if plan.num_tuned else ""
    return SweepInfo(
        name=plan.name,
        kind="comparison",
        model=", ".join(names),
        dataset=dataset.name,
        data_hash=plan.data_hash,
        space="comparison",
        description=" ".join([f"Comparison of {len(names)} models{tuned}.", *plan.notes]),
        factors={},
        base={},
        seeds=plan.seeds,
        synthetic=dataset.manifest.origin.synthetic,
        variants=plan.members,
        num_tuned=plan.num_tuned,
    )
