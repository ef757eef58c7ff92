"""Sweeps and ablations: prepared, run, tracked and drawn."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from orchestrator.api.command import Command
from orchestrator.api.drawing import BOUND, checked_bound, draw_ablation, draw_sweep
from orchestrator.api.jobs import Job, does
from orchestrator.api.results import AblationResult, SweepResult
from orchestrator.api.way import How, Way
from orchestrator.config import flatten
from orchestrator.data import Dataset, open_dataset
from orchestrator.errors import ConfigError
from orchestrator.sweep.ablation import Ablation
from orchestrator.sweep.factors import Choice, plain
from orchestrator.sweep.phases import run_phases
from orchestrator.sweep.prepare import at_least_one, prepare
from orchestrator.sweep.prepare_ablation import Question, prepare_ablation
from orchestrator.sweep.prepare_search import check_executor, read_objectives
from orchestrator.sweep.proof import prove
from orchestrator.sweep.resolve import check_resolvable, run_resolved
from orchestrator.sweep.settings_file import base_settings, overruled
from orchestrator.sweep.settle import Rule
from orchestrator.sweep.space import find_space, read_spaces
from orchestrator.sweep.study import Sampler, Scheduler, SpaceStudy
from orchestrator.tracking.runs import SweepInfo
from orchestrator.training.inputs import label

SAMPLED = 20
"""Points of a sampled space where no number is asked for."""


@does(SweepResult)
def sweep(
    model: str,
    space: str,
    *,
    dataset: str = "planted",
    num_seeds: int = 3,
    num_trials: int | None = None,
    sampler: Sampler = "tpe",
    scheduler: Scheduler = "none",
    objectives: str = "ndcg",
    until_resolved: bool = False,
    bound: float = BOUND,
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    **how: Unpack[How],
) -> Job:
    """Run a search space and leave a record in MLflow, a table and a figure.

    The same call again goes on where it stopped: runs that are done are not run again.

    Args:
        model: a model of the zoo.
        space: one of its search spaces.
        dataset: a data set by name.
        num_seeds: seeds 0, 1, ... that every point is run with.
        num_trials: points at most. A joint space with more is sampled, 20 points by default; of
            any other all are run by default, or the first so many.
        sampler: what proposes them: ``tpe``, ``gp``, ``cmaes``, ``random``; ``grid`` runs all.
        scheduler: ``asha``, ``hyperband`` or ``median`` end poor trials of a sampled space early.
        objectives: ``ndcg``, or with a comma also ``parameters`` or ``seconds``, for a front of
            points none of which is better in both.
        until_resolved: add seeds one by one, from 3 to ``num_seeds``, and only to points whose
            difference to the base is not settled by validation; not for joint spaces.
        bound: part of the base's mean below which a difference does not matter.
        config: a TOML file of settings to begin from, such as :func:`export_best` writes.
        overrides: dotted key -> value for the base point.
        name: the sweep's name; by default it follows from the content.
        how: see :class:`orchestrator.api.way.How`.

    Raises:
        OrchError: anything a user can mend, before the first run starts.
    """
    command = Command.of("sweep", locals())
    way = Way(
        command=command,
        max_trials=None if num_trials is None else at_least_one("--max-trials", num_trials),
        rule=_rule(num_seeds, bound, is_asked=until_resolved),
        **how,
    )
    wanted = read_objectives(objectives)
    check_executor(way.executor, scheduler)
    base = base_settings(model, dataset, config)
    declared = find_space(model, space)
    way.options()
    opened = open_dataset(dataset, way.data_dir, verify=True)
    study = prepare(
        declared,
        base,
        opened,
        overrides=overrides or {},
        num_seeds=at_least_one("--seeds", num_seeds),
        num_trials=num_trials or SAMPLED,
        scheduler=scheduler,
        name=name,
        sampler=sampler,
        objectives=wanted,
    )
    if until_resolved:
        check_resolvable(study)
    if config is not None:
        study = replace(study, notes=(*study.notes, *overruled(declared, config)))
    prove(study.space, study.base, opened, on_check=way.hears().checking)
    info = replace(sweep_info(study, opened), looks=way.looks)
    draw = partial(draw_sweep, info=info, base=study.base, dataset=opened)
    work = partial(run_resolved, study)
    return Job(study=study, info=info, way=way, dataset=opened, work=work, draw=draw)


@does(AblationResult)
def ablate(
    model: str,
    *,
    dataset: str = "planted",
    num_seeds: int = 5,
    num_trials: int | None = None,
    variants: str | None = None,
    retune: int | None = None,
    retune_space: str | None = None,
    pairs: bool = False,
    modality_controls: bool = False,
    bound: float = BOUND,
    until_resolved: bool = False,
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    **how: Unpack[How],
) -> Job:
    """Compare a model's variants with its base, and leave a record in MLflow, tables and figures.

    Base and variants run with the same seeds. The same call again goes on where it stopped, and
    a run that any sweep or ablation did before is not run again.

    Args:
        model: a model of the zoo.
        dataset: a data set by name.
        num_seeds: seeds 0, 1, ... that base and variants are run with.
        num_trials: points at most: the base and the first variants; by default all of them.
        variants: variants and groups of them by commas; by default the group ``components``,
            else all.
        retune: points of a search that base and variants each get of their own, chosen from by
            validation; None searches nothing.
        retune_space: the joint space that is searched; by default ``joint``.
        pairs: also every two variants together.
        modality_controls: also the base with each modality's features shuffled, noise, and mean.
        bound: part of the base's mean below which a difference does not matter.
        until_resolved: add seeds one by one, from 3 to ``num_seeds``, and only to variants whose
            difference to the base is not settled by validation.
        config: a TOML file of settings to begin from, such as :func:`export_best` writes.
        overrides: dotted key -> value, for the base and thereby for all variants.
        name: the ablation's name; by default it follows from the content.
        how: see :class:`orchestrator.api.way.How`.

    Raises:
        OrchError: anything a user can mend, before the first run starts; a variant that changes
            nothing is refused.
    """
    command = Command.of("ablate", locals())
    way = Way(
        command=command,
        max_trials=None if num_trials is None else at_least_one("--max-trials", num_trials),
        rule=_rule(num_seeds, bound, is_asked=until_resolved),
        **how,
    )
    question = Question(
        variants=variants,
        has_pairs=pairs,
        has_controls=modality_controls,
        num_seeds=num_seeds,
        retune=retune,
        retune_space=retune_space,
        overrides=overrides or {},
        name=name,
    )
    _checked_members(num_trials)
    base = base_settings(model, dataset, config)
    declared = read_spaces(model)
    way.options()
    opened = open_dataset(dataset, way.data_dir, verify=True)
    on_check = way.hears().checking
    ablation = prepare_ablation(question, declared, base, opened, on_check=on_check)
    if ablation.search:
        prove(ablation.search.space, ablation.base, opened, on_check=on_check)
    info = replace(ablation_info(ablation, opened, bound=bound), looks=way.looks)
    draw = partial(draw_ablation, info=info, results=way.results, on_problem=way.problem)
    work = partial(run_phases, ablation)
    return Job(study=ablation, info=info, way=way, dataset=opened, work=work, draw=draw)


def _rule(num_seeds: int, bound: float, *, is_asked: bool) -> Rule | None:
    """When seeds are enough; the bound is checked in any case."""
    checked_bound(bound)
    return Rule(num_seeds=num_seeds, bound=bound) if is_asked else None


def _checked_members(num_trials: int | None) -> None:
    """The base counts, and one variant at least is compared with it."""
    if num_trials == 1:
        raise ConfigError(
            "--max-trials cannot be 1: the base counts, and is compared with one variant or more."
        )


def sweep_info(study: SpaceStudy, dataset: Dataset) -> SweepInfo:
    """What the tracker is told of a study."""
    factors = study.space.factors.items()
    return SweepInfo(
        name=study.name,
        kind=study.space.kind,
        model=study.base.model,
        label=label(study.base, dataset),
        dataset=dataset.name,
        data_hash=study.data_hash,
        space=study.space.name,
        description=" ".join([study.space.about, *study.notes]),
        factors={key: f.choices if isinstance(f, Choice) else () for key, f in factors},
        base=flatten(study.base),
        seeds=study.seeds,
        synthetic=dataset.manifest.origin.synthetic,
        domains={key: plain(factor) for key, factor in factors},
        objectives=study.objectives,
    )


def ablation_info(ablation: Ablation, dataset: Dataset, *, bound: float) -> SweepInfo:
    """What the tracker is told of an ablation."""
    base = ablation.base
    about = f"Ablation of {base.model}: the base against {len(ablation.variants)} variants."
    return SweepInfo(
        name=ablation.name,
        kind="ablation",
        model=base.model,
        label=label(base, dataset),
        dataset=dataset.name,
        data_hash=ablation.data_hash,
        space="ablation",
        description=" ".join([about, *ablation.notes]),
        factors={},
        base=flatten(base),
        seeds=ablation.seeds,
        synthetic=dataset.manifest.origin.synthetic,
        variants=ablation.variants,
        bound=bound,
    )
