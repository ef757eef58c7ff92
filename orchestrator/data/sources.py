"""Where data sets are kept, which there are, and how one is opened by name."""

import os
from dataclasses import dataclass
from pathlib import Path

from models import CATEGORIES, TIMESTAMPS
from orchestrator.data.categories import CATEGORIES_FILE
from orchestrator.data.manifest import Counts, Manifest, ModalityEntry, read_manifest
from orchestrator.data.planted import NAME as PLANTED
from orchestrator.data.planted import open_planted
from orchestrator.data.store import Dataset, is_dataset, open_stored
from orchestrator.errors import DataError, unknown

VARIABLE = "ORCH_DATA"
"""Environment variable that names the folder of data sets."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """One line of a list of data sets."""

    name: str
    counts: Counts | None = None
    """None where it is not generated yet, or damaged."""
    size_text: str = ""
    """Users, items and interactions in words."""
    modalities: tuple[str, ...] = ()
    """Such as ``text (pooled; tokens by bert-base-uncased)``."""
    others: tuple[str, ...] = ()
    """Of clock times and categories, those that it has."""
    synthetic: bool = False
    note: str = ""
    """Why there are no counts."""


def data_folder(option: Path | None = None) -> Path:
    """The folder of data sets: the option, else ``ORCH_DATA``, else the user's cache."""
    if option is not None:
        return option
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "orch" / "data"


def dataset_names(data_dir: Path | None = None) -> tuple[str, ...]:
    """All data sets that can be opened, in alphabetical order; ``planted`` is always one."""
    root = data_folder(data_dir)
    found = {folder.name for folder in root.glob("*") if is_dataset(folder)}
    return tuple(sorted(found | {PLANTED}))


def open_dataset(name: str, data_dir: Path | None = None, *, verify: bool = False) -> Dataset:
    """Open a data set by name; ``planted`` is generated when it is first asked for.

    Args:
        name: one of :func:`dataset_names`.
        data_dir: the folder of data sets; see :func:`data_folder`.
        verify: compare every file's hash with the manifest; sizes are always compared.

    Raises:
        DataError: there is none of this name, or a file of it is missing or damaged.
    """
    root = data_folder(data_dir)
    if name == PLANTED:
        return open_planted(root, verify=verify)
    if not is_dataset(root / name):
        hint = f"Import it first, or name the folder it is in ({VARIABLE})."
        raise DataError(f"{root}: {unknown('data set', name, dataset_names(root))} {hint}")
    return open_stored(root / name, verify=verify)


def describe(data_dir: Path | None = None) -> tuple[Description, ...]:
    """What there is to know of each data set without reading its content."""
    root = data_folder(data_dir)
    return tuple(_description(root / name) for name in dataset_names(root))


def _description(folder: Path) -> Description:
    if not is_dataset(folder):
        return Description(name=folder.name, synthetic=True, note="generated on first use")
    try:
        manifest = read_manifest(folder)
    except DataError as error:
        return Description(name=folder.name, note=str(error))
    modalities = manifest.modalities.items()
    return Description(
        name=folder.name,
        counts=manifest.counts,
        size_text=manifest.size_text,
        modalities=tuple(f"{name} ({_forms(entry)})" for name, entry in modalities),
        others=_others(manifest),
        synthetic=manifest.origin.synthetic,
    )


def _others(manifest: Manifest) -> tuple[str, ...]:
    there = {
        TIMESTAMPS: manifest.has_clock_times,
        CATEGORIES: CATEGORIES_FILE in manifest.files,
    }
    return tuple(name for name, is_there in there.items() if is_there)


def _forms(entry: ModalityEntry) -> str:
    """The forms, each with what made it; what one encoder made stands together."""
    by: dict[str, list[str]] = {}
    for form, made in entry.forms.items():
        encoder = f" by {made.encoder.name}" if made.encoder else ""
        by.setdefault(encoder, []).append(form)
    return "; ".join(f"{', '.join(forms)}{encoder}" for encoder, forms in by.items())
