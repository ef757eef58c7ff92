"""Encoding a data set's texts or pictures, and storing what comes out with it."""

import importlib.metadata
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, Int64

from orchestrator.config import content_hash
from orchestrator.data import (
    Dataset,
    ItemTable,
    Progress,
    add_features,
    refuse_present,
    shared_missing,
)
from orchestrator.data.planted import NAME as PLANTED
from orchestrator.encoding.locate import Located, locate
from orchestrator.encoding.partial import Partial, alone
from orchestrator.encoding.pictures import ImageTower
from orchestrator.encoding.recording import features, missing, notes
from orchestrator.encoding.settings import Settings
from orchestrator.encoding.texts import TextTower
from orchestrator.encoding.tower import States, Tower
from orchestrator.errors import ConfigError, DataError
from orchestrator.training.loop import pick_device

SECURED_SECONDS = 2.0
"""How much work a killed process may lose, and a batch."""
VERSIONED = ("torch", "transformers", "tokenizers", "pillow", "numpy")
"""Packages whose version may change a result's last bits."""


@dataclass(frozen=True)
class Encoded:
    """What an encoding came to."""

    dataset: Dataset
    """As it is now, with the features."""
    encoder: str
    num_items: int
    """Encoded items."""
    num_missing: int
    """Items that have no text or no picture."""
    num_cut: int
    """Texts that were longer than the limit."""
    num_tokens: int
    width: int
    num_resumed: int
    """Items that an earlier call, which was cut, had done."""


def encode(
    dataset: Dataset,
    settings: Settings,
    *,
    folder: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Encoded:
    """Encode one modality of a data set and store it, whole or not at all.

    The same call goes on where an earlier one was cut, to the same bits (on the same kind of
    device, with the same number of threads).

    Args:
        dataset: what to encode.
        settings: what to make of it, and by what.
        folder: where the data set goes that has the features; by default in the old one's place.
        overwrite: replace forms that are there, or the data set in ``folder``.
        progress: hears how many items are done.

    Raises:
        ConfigError: the encoder cannot be had, or does not do what is asked.
        DataError: the data set has nothing to encode, forms are there already, a picture cannot be
            read, values do not fit the type they are to be stored in, or the disk refuses.
    """
    _check(dataset, settings, folder, overwrite)
    inputs = _inputs(dataset, settings.modality)
    device = pick_device(settings.device)
    located = locate(settings.encoder, settings.revision)
    with alone(dataset.folder), torch.inference_mode():
        tower = _tower(located, settings, inputs, device)
        shared_missing(dataset, settings.modality, settings.forms, missing(tower))
        key = _key(dataset, inputs, located, settings, tower)
        partial = Partial(
            dataset.folder.with_name(f".{dataset.name}.encoding-{key}"),
            _shapes(tower, settings, dataset.num_items + 1),
            settings.dtype,
        )
        batches = list(_batches(tower.plan.order, settings.batch_size))
        num_resumed = sum(map(len, batches[: partial.num_done]))
        _fill(partial, tower, settings, batches, progress)
        stored = add_features(
            dataset,
            {settings.modality: features(partial, tower, located, settings)},
            folder=folder,
            overwrite=overwrite,
            notes=notes(tower, settings),
        )
        partial.remove()
    return _encoded(stored, located, tower, num_resumed)


def _check(dataset: Dataset, settings: Settings, folder: Path | None, overwrite: bool) -> None:
    if dataset.name == PLANTED:
        raise DataError(
            f"{PLANTED}: is the built-in data set, whose features are generated. Import one, or "
            "make one with `orch data planted --name NAME`."
        )
    if folder is None and not overwrite:
        refuse_present(dataset.manifest, settings.modality, settings.forms)
    if folder is not None and folder.exists() and not overwrite:
        raise DataError(
            f"--as: {folder.name} is there already. Add --overwrite to replace it, or choose "
            "another name."
        )


def _inputs(dataset: Dataset, modality: str) -> ItemTable:
    """The items, refused where none of them has the modality."""
    items = dataset.items
    texts = [text for text in items.texts if text.strip()]
    images = [image for image in items.images if image is not None]
    if not {"text": texts, "image": images}[modality]:
        what = {"text": "texts", "image": "pictures"}[modality]
        raise DataError(
            f"{dataset.name}: no item has one of the {what} to encode. Import the data set with "
            f"its {what} (see `orch data import --help`)."
        )
    return items


def _tower(located: Located, settings: Settings, items: ItemTable, device: torch.device) -> Tower:
    if settings.modality == "text":
        return TextTower(located, settings, items.texts, device)
    return ImageTower(located, settings, items.images, device)


def _key(
    dataset: Dataset,
    items: ItemTable,
    located: Located,
    settings: Settings,
    tower: Tower,
) -> str:
    """Digest of everything that decides the result."""
    names = ("modality", "pooling", "batch_size", "dtype")
    inputs = items.texts if settings.modality == "text" else _picture_hashes(dataset, items)
    parts = {
        "settings": {name: getattr(settings, name) for name in names},
        "preprocessing": dict(tower.preprocessing()),
        "forms": sorted(settings.forms),
        "inputs": content_hash(list(inputs)),
        "encoder": [located.name, located.digest],
        "device": pick_device(settings.device).type,
        "versions": {name: importlib.metadata.version(name) for name in VERSIONED},
    }
    return content_hash(parts)[:16]


def _picture_hashes(dataset: Dataset, items: ItemTable) -> list[str | None]:
    """SHA-256 of each item's picture, as the manifest knows it."""
    files, root = dataset.manifest.files, dataset.folder
    return [
        None if image is None else files[image.relative_to(root).as_posix()].sha256
        for image in items.images
    ]


def _shapes(tower: Tower, settings: Settings, rows: int) -> dict[str, tuple[int, ...]]:
    plan = tower.plan
    shapes = {
        "tokens": (int(plan.lengths.sum()), plan.width),
        "pooled": (rows, plan.width),
        "layers": (rows, plan.num_layers, plan.width),
    }
    return {form: shapes[form] for form in settings.forms}


def _batches(order: Int[np.ndarray, " present"], size: int) -> Iterator[list[int]]:
    for start in range(0, len(order), size):
        yield order[start : start + size].tolist()


def _fill(
    partial: Partial,
    tower: Tower,
    settings: Settings,
    batches: list[list[int]],
    progress: Progress | None,
) -> None:
    """Encode the batches that are not done yet."""
    lengths = tower.plan.lengths.astype(np.int64)
    starts: Int64[np.ndarray, " rows"] = np.cumsum(lengths) - lengths
    total = len(tower.plan.order)
    done, secured = sum(map(len, batches[: partial.num_done])), time.monotonic()
    for number in range(partial.num_done, len(batches)):
        batch = batches[number]
        _write(partial, settings, batch, _encode(tower, batch), lengths, starts)
        done += len(batch)
        if time.monotonic() - secured >= SECURED_SECONDS or number + 1 == len(batches):
            partial.secure(number + 1)
            secured = time.monotonic()
        if progress is not None:
            progress(settings.modality, done, total)


def _encode(tower: Tower, items: list[int]) -> States:
    try:
        return tower.encode(items)
    except torch.OutOfMemoryError:
        raise ConfigError(
            f"--batch-size: cannot be {len(items)}: the device's memory does not hold so many at "
            "once. Choose a smaller one."
        ) from None


def _write(
    partial: Partial,
    settings: Settings,
    items: list[int],
    states: States,
    lengths: Int64[np.ndarray, " rows"],
    starts: Int64[np.ndarray, " rows"],
) -> None:
    """Put a batch's states where its items' rows are."""
    for form in settings.forms:
        values = _cast(getattr(states, form), settings, items)
        if form == "tokens":
            parts = np.split(values, np.cumsum(lengths[items])[:-1])
            rows = starts[items]
        else:
            parts, rows = np.split(values, len(items)), np.asarray(items)
        for row, part in zip(rows.tolist(), parts, strict=True):
            partial.write(form, row, part)


def _cast(
    values: Float[torch.Tensor, "..."], settings: Settings, items: list[int]
) -> Float[np.ndarray, "..."]:
    """Values in the type they are stored in, refused where that could not hold them."""
    largest = float(values.abs().max())
    if not np.isfinite(largest):
        raise DataError(
            f"--encoder: {settings.encoder} gives NaN or infinity among items "
            f"{min(items)} to {max(items)}. Choose another encoder."
        )
    if largest > float(np.finfo(settings.dtype).max):
        raise DataError(
            f"--dtype: cannot be {settings.dtype}: {settings.encoder} gives values up to "
            f"{largest:.0f}. Take --dtype float32."
        )
    return values.numpy().astype(settings.dtype)


def _encoded(stored: Dataset, located: Located, tower: Tower, num_resumed: int) -> Encoded:
    plan = tower.plan
    return Encoded(
        dataset=stored,
        encoder=located.name,
        num_items=len(plan.order),
        num_missing=stored.num_items - len(plan.order),
        num_cut=plan.num_cut,
        num_tokens=int(plan.lengths.sum()),
        width=plan.width,
        num_resumed=num_resumed,
    )
