"""Diagnoses: views of one model's training and of what it learned, run, tracked and drawn."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.api.command import Command
from orchestrator.api.evidence import draw_diagnosis
from orchestrator.api.results import RESULTS, DiagnosisResult
from orchestrator.api.tracked import Way, tracked
from orchestrator.config import flatten
from orchestrator.data import Dataset, open_dataset
from orchestrator.sweep.diagnosis import Diagnosis
from orchestrator.sweep.events import Listener
from orchestrator.sweep.options import Executor, Gpus
from orchestrator.sweep.prepare_diagnosis import Wish, prepare_diagnosis
from orchestrator.sweep.run import run_study
from orchestrator.sweep.settings_file import base_settings
from orchestrator.sweep.space import read_spaces
from orchestrator.tracking.runs import SweepInfo

BASELINE = "sasrec"
"""The model that gains are over, where no other is named."""


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
    num_workers: int = 2,
    num_threads: int = 1,
    num_gpus: Gpus | None = None,
    executor: Executor = "ray",
    address: str | None = None,
    storage: str | None = None,
    device: str = "auto",
    trial_time: str | None = None,
    stop_after: int = 5,
    results: Path = RESULTS,
    data_dir: Path | None = None,
    tracking_uri: str | None = None,
    listener: Listener | None = None,
    on_problem: Callable[[str], None] | None = None,
) -> DiagnosisResult:
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
        num_workers: as the following ones, see :func:`orchestrator.api.sweep`.
        num_threads: CPU threads per run.
        num_gpus: GPUs per run.
        executor: ``ray`` or ``local``.
        address: a Ray cluster to join.
        storage: of a cluster: URL where runs' files are kept.
        device: ``auto``, ``cpu``, ``cuda``.
        trial_time: how long a run may take, such as ``30m``; one that takes longer fails.
        stop_after: failures of one kind in a row that stop it all; 0 never does.
        results: folder of runs, sweeps and the default store.
        data_dir: folder of data sets.
        tracking_uri: an MLflow store.
        listener: told of progress.
        on_problem: told of what does not stop the runs, such as a view that cannot be drawn.

    Raises:
        OrchError: anything a user can mend, before the first run starts; a view that is named and
            that the model cannot have is refused.
    """
    command = Command("diagnose", locals())
    way = Way(
        num_workers=num_workers,
        num_threads=num_threads,
        num_gpus=num_gpus,
        executor=executor,
        address=address,
        storage=storage,
        device=device,
        trial_time=trial_time,
        stop_after=stop_after,
        results=results,
        data_dir=data_dir,
        tracking_uri=tracking_uri,
        listener=listener,
        on_problem=on_problem,
        command=command,
    )
    wish = Wish(
        views=views, against=against, num_seeds=num_seeds, overrides=overrides or {}, name=name
    )
    base = base_settings(model, dataset, config)
    declared = read_spaces(model)
    way.options()
    opened = open_dataset(dataset, data_dir, verify=True)
    plan = prepare_diagnosis(wish, declared, base, opened)
    info = diagnosis_info(plan, opened)
    draw = partial(
        draw_diagnosis,
        info=info,
        diagnosis=plan,
        dataset=opened,
        results=results,
        device=device,
        on_problem=way.problem,
    )
    return DiagnosisResult(**tracked(plan, info, way, partial(run_study, plan.study()), draw))


def diagnosis_info(diagnosis: Diagnosis, dataset: Dataset) -> SweepInfo:
    """What the tracker is told of a diagnosis."""
    base = diagnosis.base
    about = f"Diagnosis of {base.model}: {', '.join(diagnosis.views)}."
    return SweepInfo(
        name=diagnosis.name,
        kind="diagnosis",
        model=base.model,
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
