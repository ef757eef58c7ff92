"""What an exhibit needs of data and models, and which of it is here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import models as zoo
from orchestrator.data import dataset_names
from orchestrator.data.manifest import read_manifest
from orchestrator.data.sources import data_folder
from orchestrator.errors import DataError
from orchestrator.reproduction.declared import Exhibit
from orchestrator.reproduction.kept import Outcome, outcomes


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An exhibit, and how far it can be had here."""

    exhibit: Exhibit
    here: tuple[str, ...]
    """The paper's data sets that are here."""
    lacking: Mapping[str, str]
    """The paper's data sets that are not, or not as its model reads them -> what to do."""
    no_models: tuple[str, ...]
    """Models that it compares and the zoo does not have."""
    outcomes: tuple[Outcome, ...]
    """What became of it so far."""

    @property
    def can_run(self) -> str:
        """``yes``, ``in part``, ``no``; empty where there is nothing to run."""
        if self.exhibit.kind == "drawing":
            return ""
        if not self.here:
            return "no"
        is_whole = not self.lacking and not self.no_models
        return "yes" if is_whole else "in part"


def standing(exhibit: Exhibit, *, results: Path, data_dir: Path | None) -> Standing:
    """How far an exhibit can be had here.

    Raises:
        StoreError: what is kept of it is damaged.
    """
    known = dataset_names(data_dir)
    lacking = {one: lack for one in exhibit.datasets if (lack := lacks(exhibit, one, data_dir))}
    return Standing(
        exhibit=exhibit,
        here=tuple(one for one in exhibit.datasets if one in known),
        lacking=lacking,
        no_models=missing_models(exhibit),
        outcomes=outcomes(results, exhibit),
    )


def missing_models(exhibit: Exhibit) -> tuple[str, ...]:
    """Models of an exhibit that the zoo does not have."""
    known: Collection[str] = zoo.names()
    return tuple(model for model in exhibit.every_model if model not in known)


def lacks(exhibit: Exhibit, dataset: str, data_dir: Path | None) -> str:
    """What a data set lacks for an exhibit, with the command that brings it; empty where nothing.

    Args:
        exhibit: what is to be made.
        dataset: by name.
        data_dir: folder of data sets.
    """
    if dataset not in dataset_names(data_dir):
        return f"not here; {how_to_get(dataset)}"
    try:
        modalities = read_manifest(data_folder(data_dir) / dataset).modalities
    except DataError:
        return ""  # generated at its first use, or damaged, which opening it will say
    for modality, form in exhibit.needs.items():
        forms = modalities[modality].forms if modality in modalities else {}
        if form not in forms:
            encoder = exhibit.encoders[modality]
            return (
                f"without {form} of {modality}; `orch data encode {dataset} --modality {modality} "
                f"--encoder {encoder} --forms {form}`"
            )
    return ""


def how_to_get(dataset: str) -> str:
    """The command that brings a data set."""
    source = _sources().get(dataset)
    return f"`orch data get {source}`" if source else f"`orch data import FOLDER --name {dataset}`"


@cache
def _sources() -> Mapping[str, str]:
    """What a public data set is called here -> its source."""
    from orchestrator.obtaining import read_sources

    return {source.dataset: name for name, source in read_sources().items()}
