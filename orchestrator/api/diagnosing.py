"""Diagnoses: views of one model's training and of what it learned, run, tracked and drawn."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from orchestrator.api.command import Command
from orchestrator.api.evidence import draw_diagnosis
from orchestrator.api.jobs import Job, does
from orchestrator.api.results import DiagnosisResult
from orchestrator.api.way import How, Way
from orchestrator.config import flatten
from orchestrator.data import Dataset, open_dataset
from orchestrator.sweep.diagnosis import Diagnosis
from orchestrator.sweep.prepare_diagnosis import Wish, prepare_diagnosis
from orchestrator.sweep.run import run_study
from orchestrator.sweep.settings_file import base_settings
from orchestrator.sweep.space import read_spaces
from orchestrator.tracking.runs import SweepInfo
from orchestrator.training.inputs import label

BASELINE = "sasrec"
"""The model that gains are over, where no other is named."""


@does(DiagnosisResult)
def diagnose(
    model: str,
    *,
    dataset: str = "planted",
    num_seeds: int = 3,
    views: str | None = None,
    against: str = BASELINE,
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    **how: Unpack[How],
) -> Job:
    """Run what views of a model need, and leave a record in MLflow, figures and tables.

    The same call again goes on where it stopped, and a run that anything did before is not run
    again. Views: ``convergence`` (validation per epoch of the model's parts, alone and together),
    ``gradients`` (whether the parts pull alike), ``clusters`` (items without and with their
    cluster's embedding), ``recall`` (what items of a history recall; nothing is trained),
    ``unimodal`` (one modality ranks), ``cold`` (gain over another model by users' activity),
    ``attention`` (whether queries read the tokens that tell, where the data set says which).

    Args:
        model: a model of the zoo.
        dataset: a data set by name.
        num_seeds: seeds 0, 1, ... that everything is run with.
        views: views by commas; by default all that the model can have.
        against: the model that gains are over.
        config: a TOML file of settings to begin from, such as :func:`export_best` writes.
        overrides: dotted key -> value; those of the section ``model`` are for ``model`` alone.
        name: the diagnosis's name; by default it follows from the content.
        how: see :class:`orchestrator.api.way.How`.

    Raises:
        OrchError: anything a user can mend, before the first run starts; a view that is named and
            that the model cannot have is refused.
    """
    command = Command.of("diagnose", locals())
    way = Way(
        command=command,
        **how,
    )
    wish = Wish(
        views=views, against=against, num_seeds=num_seeds, overrides=overrides or {}, name=name
    )
    base = base_settings(model, dataset, config)
    declared = read_spaces(model)
    way.options()
    opened = open_dataset(dataset, way.data_dir, verify=True)
    plan = prepare_diagnosis(wish, declared, base, opened)
    info = diagnosis_info(plan, opened)
    draw = partial(
        draw_diagnosis,
        info=info,
        diagnosis=plan,
        dataset=opened,
        results=way.results,
        device=way.device,
        on_problem=way.problem,
    )
    work = partial(run_study, plan.study())
    return Job(study=plan, info=info, way=way, dataset=opened, work=work, draw=draw)


def diagnosis_info(diagnosis: Diagnosis, dataset: Dataset) -> SweepInfo:
    """What the tracker is told of a diagnosis."""
    base = diagnosis.base
    about = f"Diagnosis of {base.model}: {', '.join(diagnosis.views)}."
    return SweepInfo(
        name=diagnosis.name,
        kind="diagnosis",
        model=base.model,
        label=label(base, dataset),
        dataset=dataset.name,
        data_hash=diagnosis.data_hash,
        space="diagnosis",
        description=" ".join([about, *diagnosis.notes]),
        factors={},
        base=flatten(base),
        seeds=diagnosis.seeds,
        synthetic=dataset.manifest.origin.synthetic,
        variants=diagnosis.variants(),
    )
