"""Adding features to a stored data set: form by form, the whole data set anew or not at all.

A modality may have its forms from different encoders, and these may know different items. What is
``missing`` is missing in every form. An item that has tokens alone would have a row of zeros in
the pooled features, which no mask tells of; models and controls would take it for a vector. So
vectors must cover every item that the modality has at all. Tokens need not: an item without any
has the length 0, which every reader of tokens sees.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from orchestrator.data.features import (
    Features,
    feature_files,
    load_modality,
    without_tokens,
    write_features,
)
from orchestrator.data.folders import building, link_or_copy, locked
from orchestrator.data.manifest import (
    Manifest,
    ModalityEntry,
    Origin,
    list_files,
    read_manifest,
    write_manifest,
)
from orchestrator.data.store import Dataset, open_stored
from orchestrator.errors import DataError


def add_features(
    dataset: Dataset,
    features: Mapping[str, Features],
    *,
    folder: Path | None = None,
    overwrite: bool = False,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Store forms of features with a data set, as an encoder makes them; other forms stay.

    The data set is built anew beside the old one (unchanged files are linked) and then takes its
    place, so that it is whole at any time; its data hash becomes another.

    Args:
        dataset: what they belong to.
        features: modality -> its features; arrays may be memory-mapped.
        folder: where the data set goes that has them, in the old one's place unless given; in
            another folder they replace forms of the old one without more ado.
        overwrite: replace forms that the modality has already, or what is in ``folder``.
        notes: what a reader of numbers should know; goes into the manifest. A note that begins
            with modality and form (see :func:`form_note`) goes when the form is replaced.

    Raises:
        DataError: a form is there already and ``overwrite`` is not set, features are not of as
            many items as the data set has, forms disagree about their items, or the disk refuses.
    """
    target = folder or dataset.folder
    in_place = target == dataset.folder
    with locked(dataset.folder), building(target, overwrite=overwrite or in_place) as draft:
        manifest = read_manifest(dataset.folder)
        for modality, given in features.items():
            if in_place and not overwrite:
                refuse_present(manifest, modality, given.forms)
            _check_items(dataset, modality, given)
        _link_rest(dataset.folder, draft, manifest, features)
        entries = {
            modality: _write(Dataset(dataset.folder, manifest), draft, modality, given)
            for modality, given in features.items()
        }
        added = dataclasses.replace(
            manifest,
            name=target.name,
            origin=_noted(manifest.origin, features, notes),
            modalities={**manifest.modalities, **entries},
            files=list_files(draft),
        )
        write_manifest(draft, added)
    return open_stored(target)


def form_note(modality: str, form: str, text: str) -> str:
    """A note about one form, which goes when the form is replaced."""
    return f"{_head(modality, form)}{text}"


def _head(modality: str, form: str) -> str:
    return f"{modality} {form}: "


def refuse_present(manifest: Manifest, modality: str, forms: tuple[str, ...]) -> None:
    """Refuse forms of a modality that a data set has already.

    Raises:
        DataError: it has one of them.
    """
    entry = manifest.modalities.get(modality)
    there = [form for form in forms if entry is not None and form in entry.forms]
    if there:
        raise DataError(
            f"{manifest.name}: has `{modality}` features already ({', '.join(there)}). "
            "Add --overwrite to replace them, or --as NAME to make a new data set."
        )


def _check_items(dataset: Dataset, modality: str, given: Features) -> None:
    if given.num_items != dataset.num_items:
        raise DataError(
            f"{dataset.name}: `{modality}` features are of {given.num_items} items; "
            f"the data set has {dataset.num_items}. Encode all of them, in their order."
        )


def _link_rest(
    source: Path, draft: Path, manifest: Manifest, features: Mapping[str, Features]
) -> None:
    """Every file but those of the forms that are replaced."""
    files = [feature_files(modality, given.forms) for modality, given in features.items()]
    for name in manifest.files.keys() - set[str]().union(*files):
        (draft / name).parent.mkdir(exist_ok=True)
        link_or_copy(source / name, draft / name)


def _write(dataset: Dataset, draft: Path, modality: str, given: Features) -> ModalityEntry:
    """Write the new forms, and say what the modality is with those that stay."""
    missing = shared_missing(dataset, modality, given.forms, given.without())
    entry = write_features(draft, modality, dataclasses.replace(given, missing=missing))
    return dataclasses.replace(entry, **_kept(dataset, modality, given.forms))


def _kept(dataset: Dataset, modality: str, forms: tuple[str, ...]) -> dict[str, Any]:
    """The entries of a modality's forms that stay when some are written."""
    old = dataset.manifest.modalities.get(modality)
    return {} if old is None else {f: e for f, e in old.forms.items() if f not in forms}


def shared_missing(
    dataset: Dataset, modality: str, forms: tuple[str, ...], lacking: Bool[np.ndarray, " rows"]
) -> Bool[np.ndarray, " rows"]:
    """The items that will lack a modality once some forms are added.

    Args:
        dataset: what the forms are for.
        modality: what they are of.
        forms: their names.
        lacking: the items that they do not have.

    Raises:
        DataError: they do not go with the forms that stay (see the module's text).
    """
    kept = tuple(_kept(dataset, modality, forms))
    if not {"pooled", "tokens"} & {*kept, *forms}:
        raise DataError(
            f"{dataset.name}: `{modality}` cannot have layers alone: models read tokens or "
            "pooled features. Encode one of these too."
        )
    if not kept:
        return lacking
    absent = _absent(dataset, modality, kept)
    for short, holes, full in ((forms, lacking & ~absent, kept), (kept, absent & ~lacking, forms)):
        if holes.any() and set(short) - {"tokens"}:
            raise DataError(
                f"{dataset.name}: `{modality}`: {holes.sum()} items have {' and '.join(full)} but "
                f"no {' and '.join(short)}, whose zeros no mask would tell of. "
                "Encode all its forms at once, with --overwrite."
            )
    return absent & lacking


def _absent(dataset: Dataset, modality: str, kept: tuple[str, ...]) -> Bool[np.ndarray, " rows"]:
    """The items that the forms which stay do not have."""
    rows = dataset.manifest.counts.items + 1
    entry = dataset.manifest.modalities[modality]
    stored = load_modality(dataset.folder, modality, entry, rows=rows)
    if kept == ("tokens",):
        assert stored.tokens is not None
        return without_tokens(stored.tokens.lengths.numpy())
    if stored.missing is None:
        return np.zeros(rows, dtype=np.bool_)
    return stored.missing.numpy()


def _noted(origin: Origin, features: Mapping[str, Features], notes: tuple[str, ...]) -> Origin:
    """The origin with new notes, without those of forms that are replaced."""
    replaced = tuple(_head(name, form) for name, given in features.items() for form in given.forms)
    stay = [note for note in origin.notes if not note.startswith(replaced)]
    return dataclasses.replace(origin, notes=(*stay, *notes))
