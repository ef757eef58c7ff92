"""What studies of an exhibit measured, judged and written down."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.api.exhibits import Asked, Found
from orchestrator.api.results import SweepResult
from orchestrator.data import open_dataset
from orchestrator.reproduction.declared import Exhibit
from orchestrator.reproduction.standing import lacks

if TYPE_CHECKING:
    from orchestrator.reproduction.part import Part


def judged_part(exhibit: Exhibit, dataset: str, found: Found, asked: Asked) -> "Part":
    """Every claim judged."""
    from orchestrator.reproduction.claims import claims
    from orchestrator.reproduction.part import Part
    from orchestrator.reproduction.verdict import judge

    data_dir = asked.how.get("data_dir")
    opened = open_dataset(dataset, data_dir)
    every = claims(exhibit, dataset)
    lack = lacks(exhibit, dataset, data_dir)
    notes = [f"{dataset} is not as the paper's model reads it: {lack}."] if lack else []
    return Part(
        exhibit=exhibit,
        dataset=dataset,
        is_synthetic=opened.manifest.origin.synthetic,
        num_seeds=asked.num_seeds,
        changed=asked.changed,
        studies=tuple(result.name for result in found.results),
        judged=tuple(judge(claim, found.measured, absent=found.absent) for claim in every),
        measured=found.measured,
        notes=(*notes, *_tuning(exhibit, asked), *_failures(found.results)),
    )


def _tuning(exhibit: Exhibit, asked: Asked) -> list[str]:
    """How the settings of compared models were found."""
    if exhibit.kind != "comparison":
        return []
    if asked.tune is None:
        return ["Each model at its own settings here; --tune N gives each a search of N points."]
    return [f"Each model's settings are the best of a search of {asked.tune} points by validation."]


def _failures(results: Sequence[SweepResult]) -> list[str]:
    """What is missing of the runs, as sentences."""
    told = []
    for result in results:
        if result.failed:
            told.append(
                f"{len(result.failed)} of {len(result.records)} runs of {result.name} failed; "
                f"`orch status {result.name}` says why."
            )
        if result.stop_reason:
            told.append(f"{result.name} was stopped: {result.stop_reason}")
    return told


def counted_part(exhibit: Exhibit, dataset: str, asked: Asked) -> "Part":
    """A data set's counts beside the paper's."""
    from orchestrator.reproduction.part import Part
    from orchestrator.reproduction.statistics import counted

    manifest = open_dataset(dataset, asked.how.get("data_dir"), verify=True).manifest
    return Part(
        exhibit=exhibit,
        dataset=dataset,
        is_synthetic=manifest.origin.synthetic,
        num_seeds=asked.num_seeds,
        changed={},
        counts=counted(exhibit, dataset, manifest.counts),
    )


def written(part: "Part", results: Sequence[SweepResult], asked: Asked) -> list[Path]:
    """Tables and the studies' figures in the exhibit's folder, and both in MLflow.

    Raises:
        StoreError: the folder or the store cannot be written.
    """
    from orchestrator.reporting.style import write_whole
    from orchestrator.reproduction.kept import keep, place
    from orchestrator.reproduction.report import summary, write_part
    from orchestrator.tracking.mlflow import Tracker

    folder = place(asked.results.resolve(), part.exhibit, part.dataset)
    tables = write_part(part, folder)
    drawn = [
        write_whole(folder / path.name, path.read_bytes())
        for result in results
        for path in result.figures
    ]
    for result in results:
        tags = {"orch.reproduces": part.exhibit.name, "orch.verdicts": summary(part)}
        tracker = Tracker(result.tracking_uri, asked.results.resolve())
        tracker.attach(result.name, tags=tags, artifacts=tables, folder="reproduction")
    keep(part, folder)
    return [*tables, *drawn]
