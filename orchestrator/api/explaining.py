"""Which tokens of an item the queries of a run's model read."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.api.results import RESULTS, ExplanationResult
from orchestrator.api.training import planned
from orchestrator.config import TrialConfig, model_type, trial_from_json
from orchestrator.data import PLANTED, Dataset, open_dataset
from orchestrator.diagnosis.explain import Readings, item_readings
from orchestrator.diagnosis.items import find_item
from orchestrator.errors import ConfigError, DataError
from orchestrator.results import Epoch, Record, run_id
from orchestrator.sweep.objective import (
    CHECKPOINTS,
    WEIGHTS,
    finished_record,
    run_folder,
    train_recorded,
)
from orchestrator.sweep.stored import matching_run

if TYPE_CHECKING:
    from orchestrator.reporting.explain_figure import Picture


def explain(
    model: str,
    item: str,
    *,
    dataset: str | None = None,
    seed: int | None = None,
    run: str | None = None,
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    out: Path | None = None,
    results: Path = RESULTS,
    data_dir: Path | None = None,
    device: str = "auto",
    on_training: Callable[[str], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> ExplanationResult:
    """Show which words and patches of an item each query of a model reads.

    By default the run is the one that :func:`orchestrator.api.train` trains with these settings:
    it is reused where it is done, and trained where it is not.

    Args:
        model: a model of the zoo that attends to an item's tokens.
        item: its raw id, ``#`` and its number, or a part of its text.
        dataset: a data set by name, ``planted`` unless given.
        seed: of the run, 0 unless given.
        run: a finished run by its id or the beginning of it, from whichever sweep, instead of
            data set, seed, config and overrides.
        config: a TOML file of settings to begin from.
        overrides: dotted key -> value.
        out: folder to write into, by default ``explain`` in the results folder.
        results: folder of runs.
        data_dir: folder of data sets.
        device: where a run is trained: ``auto``, ``cpu``, ``cuda``.
        on_training: told, before a run is trained, that it will be.
        on_epoch: called after each epoch.

    Raises:
        OrchError: unknown names, an item that is not there or not one alone, a model that has no
            choice among tokens, a run that is none, another model's or of other data.
    """
    model_type(model)
    if run is None:
        planned_run = planned(
            model,
            dataset=dataset or PLANTED,
            seed=seed or 0,
            config=config,
            overrides=overrides,
            data_dir=data_dir,
            device=device,
        )
        trial, opened, record = *planned_run, None
    else:
        given = {
            "--dataset": dataset,
            "--seed": seed,
            "--config": config,
            "--set or --max-epochs": overrides or None,
        }
        _refuse_beside_run(run, [option for option, value in given.items() if value is not None])
        record = _find_run(run, model, results)
        trial = trial_from_json(record.config)
        opened = _data_of(record, trial, data_dir)
    number = find_item(opened, item)
    item_readings(trial, None, opened, number)  # refuses, before anything is trained
    if record is None:
        _tell(trial, opened, results, on_training)
        record = train_recorded(
            trial, opened, results=results.resolve(), device=device, on_epoch=on_epoch
        )
    readings = item_readings(trial, run_folder(results, record.run_id) / WEIGHTS, opened, number)
    return _reported(record, opened, number, readings, out or results / "explain")


def _refuse_beside_run(run: str, options: list[str]) -> None:
    if options:
        raise ConfigError(
            f"{options[0]}: cannot be given with --run {run}, which has its own. Leave it out."
        )


def _find_run(begin: str, model: str, results: Path) -> Record:
    """The finished run of a model whose id begins so."""
    found = matching_run(begin, results, where="--run")
    record = finished_record(results, found)
    if record is None:
        raise ConfigError(f"--run: {found} has not finished. Choose one that has.")
    if record.config["model"] != model:
        raise ConfigError(
            f"--run: {found} is a run of {record.config['model']}, not of {model}. Choose "
            f"another, or explain {record.config['model']}."
        )
    return record


def _data_of(record: Record, config: TrialConfig, data_dir: Path | None) -> Dataset:
    """The very data that a run was trained on."""
    opened = open_dataset(config.dataset, data_dir, verify=True)
    if opened.data_hash != record.provenance.data:
        raise DataError(
            f"--run: {record.run_id} was trained on other data than {opened.folder} holds now "
            f"(data hash {record.provenance.data}, now {opened.data_hash}). Choose another run, or "
            "name the folder of its data with --data-dir."
        )
    return opened


def _tell(
    config: TrialConfig,
    dataset: Dataset,
    results: Path,
    on_training: Callable[[str], None] | None,
) -> None:
    """Say that a run is to be trained, where it is."""
    run = run_id(config, dataset.data_hash)
    if on_training is None or finished_record(results, run) is not None:
        return
    was_cut = (run_folder(results, run) / CHECKPOINTS).exists()
    on_training(
        f"{config.model} on {dataset.name}, seed {config.seed}: no run of these settings has "
        f"finished in {results / 'runs'}. "
        f"{'Goes on with the one that was cut' if was_cut else 'Training it'}; Ctrl-C is safe."
    )


def _reported(
    record: Record, dataset: Dataset, item: int, readings: Readings, folder: Path
) -> ExplanationResult:
    from orchestrator.reporting.explain import About, report_explanation

    about = About(
        model=record.config["model"],
        dataset=dataset.name,
        is_synthetic=dataset.manifest.origin.synthetic,
        item=item,
        raw_id=dataset.items.raw_ids[item],
        text=dataset.items.texts[item],
        seed=record.config["seed"],
        run_id=record.run_id,
    )
    pictures = _pictures(dataset, item, readings)
    report = report_explanation(about, readings, pictures, folder=folder.resolve())
    return ExplanationResult(
        item=item, record=record, table=report.table, text=report.text, files=report.files
    )


def _pictures(dataset: Dataset, item: int, readings: Readings) -> dict[str, "Picture"]:
    """The item's picture, as the encoder saw it, for each modality that has patches."""
    from orchestrator.encoding.seen import picture_seen

    path = dataset.items.images[item]
    with_patches = [of for of in readings.shown if of.grid is not None]
    if path is None:
        return {}
    seen = {of.modality: picture_seen(path, of.preprocessing) for of in with_patches}
    return {modality: picture for modality, picture in seen.items() if picture is not None}
