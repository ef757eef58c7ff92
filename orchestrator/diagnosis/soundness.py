"""Whether a stored data set is what its manifest says: every file, every count, every number."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import Modality
from orchestrator.data import Dataset, Progress
from orchestrator.data.manifest import MANIFEST_FILE, file_hash, read_manifest
from orchestrator.errors import DataError

ROWS = 2**14
"""Rows of features that are looked at together."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    subject: str
    looked_at: str
    """How much of it, in words."""
    problems: tuple[str, ...]
    """What is wrong; empty where all is well."""


def check_dataset(folder: Path, *, progress: Progress | None = None) -> tuple[Check, ...]:
    """Look at everything that a data set's manifest says.

    Args:
        folder: the data set's folder.
        progress: hears how many files were compared.

    Raises:
        DataError: the manifest itself cannot be read.
    """
    dataset = Dataset(folder, read_manifest(folder))
    parts: dict[str, Callable[[Dataset], Iterator[str]]] = {
        "counts": _counts,
        "interactions": _interactions,
        "users and items": _names,
        **{f"{name} features": _features(name) for name in dataset.manifest.modalities},
    }
    files = Check(
        subject="files",
        looked_at=f"{len(dataset.manifest.files):,} with size and SHA-256",
        problems=tuple(_files(dataset, progress)),
    )
    return (files, *(_check(dataset, subject, look) for subject, look in parts.items()))


def _check(dataset: Dataset, subject: str, look: Callable[[Dataset], Iterator[str]]) -> Check:
    try:
        problems = tuple(look(dataset))
    except DataError as error:
        problems = (str(error),)
    return Check(subject=subject, looked_at=_extent(dataset, subject), problems=problems)


def _extent(dataset: Dataset, subject: str) -> str:
    counts = dataset.manifest.counts
    return {
        "counts": "users, items, interactions, targets, training targets",
        "interactions": f"{counts.interactions:,}: ranges and order",
        "users and items": f"{counts.users:,} and {counts.items:,}: ids, texts, pictures",
    }.get(subject, f"of {counts.items:,} items: shape, range, what is missing")


def _files(dataset: Dataset, progress: Progress | None) -> Iterator[str]:
    told = dataset.manifest.files
    for number, (name, entry) in enumerate(told.items(), start=1):
        path = dataset.folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != entry.bytes:
            yield f"{name} has {path.stat().st_size:,} bytes, the manifest says {entry.bytes:,}"
        elif file_hash(path) != entry.sha256:
            yield f"{name}: its SHA-256 is not the manifest's"
        if progress is not None:
            progress("files", number, len(told))
    found = {path for path in dataset.folder.rglob("*") if path.is_file()}
    names = {path.relative_to(dataset.folder).as_posix() for path in found}
    for name in sorted(names - told.keys() - {MANIFEST_FILE}):
        yield f"{name} is not in the manifest"


def _counts(dataset: Dataset) -> Iterator[str]:
    sequences, told = dataset.sequences, dataset.manifest.counts
    targets = np.maximum(sequences.lengths - 1, 0).sum()
    training = np.maximum(dataset.split.train.lengths - 1, 0).sum()
    found = {
        "users": len(dataset.users),
        "items": dataset.items.num_items,
        "interactions": len(sequences.items),
        "targets": int(targets),
        "training_targets": int(training),
    }
    for name, number in found.items():
        if number != getattr(told, name):
            yield f"{number:,} {name.replace('_', ' ')}, the manifest says {getattr(told, name):,}"


def _interactions(dataset: Dataset) -> Iterator[str]:
    sequences = dataset.sequences  # items and users out of range are refused by the reading
    if empty := int((sequences.lengths == 0).sum()):
        yield f"{empty:,} users have no interaction"
    times = sequences.timestamps
    if times is not None:
        back = np.diff(times) < 0
        back[sequences.offsets[1:-1] - 1] = False
        if back.any():
            yield f"{int(back.sum()):,} interactions are earlier than the one before them"
        if (times < 0).any():
            yield f"{int((times < 0).sum()):,} timestamps are negative"


def _names(dataset: Dataset) -> Iterator[str]:
    for what, names in (("users", dataset.users), ("items", dataset.items.raw_ids[1:])):
        if len(set(names)) != len(names):
            yield f"{len(names) - len(set(names)):,} raw ids of {what} occur twice"
    lost = [path for path in dataset.items.images if path is not None and not path.is_file()]
    if lost:
        yield f"{len(lost):,} pictures are not there, {lost[0].name} for one"


def _features(modality: str) -> Callable[[Dataset], Iterator[str]]:
    def look(dataset: Dataset) -> Iterator[str]:
        found = dataset.modalities()[modality]
        rows = dataset.num_items + 1
        missing = torch.zeros(rows, dtype=torch.bool) if found.missing is None else found.missing
        covered = 1.0 - float(missing[1:].float().mean()) if rows > 1 else 1.0
        told = dataset.manifest.modalities[modality].coverage
        if abs(covered - told) > 1e-6:
            yield f"cover {covered:.4%} of the items, the manifest says {told:.4%}"
        for form, values in _values(found).items():
            if not _all(values, lambda part: part.isfinite().all()):
                yield f"`{form}` holds NaN or infinity"
        absent = missing.clone()
        absent[0] = True
        yield from _absent(found, absent)

    return look


def _absent(found: Modality, absent: Tensor) -> Iterator[str]:
    """Padding and missing items must be zeros and have no tokens."""
    for form, values in _values(found).items():
        if form != "tokens" and bool(values[absent].any()):
            yield f"`{form}` is not zero for padding and missing items"
    if found.tokens is not None and bool(found.tokens.lengths[absent].any()):
        yield "padding or missing items have tokens"


def _values(found: Modality) -> dict[str, Tensor]:
    tokens = None if found.tokens is None else found.tokens.values
    forms = {"pooled": found.pooled, "tokens": tokens, "layers": found.layers}
    return {form: values for form, values in forms.items() if values is not None}


def _all(values: Tensor, rule: Callable[[Tensor], Any]) -> bool:
    return all(bool(rule(part)) for part in values.split(ROWS))
