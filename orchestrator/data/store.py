"""A data set on disk: one folder, written whole or not at all, opened without reading it all.

::

    <name>/
      manifest.json          counts, modalities, origin; size and SHA-256 of every other file
      interactions.parquet   user, item, timestamp; by user, then by time
      items.parquet          item, raw_id, text, image
      users.parquet          user, raw_id
      categories.parquet     item, category; where the data set knows any
      features/              <modality>.{pooled,tokens,lengths,layers,missing}.npy,
                             <modality>.words.parquet (word; one row per token)
      images/                <item>.<suffix>
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models import CATEGORIES, IDS, TIMESTAMPS, Catalogue, Categories, Modality
from orchestrator.config import DataConfig
from orchestrator.data.categories import CATEGORIES_FILE, read_categories, write_categories
from orchestrator.data.controls import control
from orchestrator.data.derived import TrainingDerived
from orchestrator.data.features import (
    Features,
    load_modality,
    load_words,
    words_file,
    write_features,
)
from orchestrator.data.folders import building, link_or_copy
from orchestrator.data.interactions import (
    IMAGE,
    ITEM,
    ITEMS_FILE,
    RAW_ID,
    TEXT,
    USER,
    USERS_FILE,
    Sequences,
    corrupt,
    read_interactions,
    read_parquet,
    write_interactions,
)
from orchestrator.data.manifest import (
    MANIFEST_FILE,
    Counts,
    Manifest,
    ModalityEntry,
    Origin,
    check_files,
    list_files,
    read_manifest,
    write_manifest,
)
from orchestrator.data.split import Split, leave_one_out, training_lengths
from orchestrator.errors import DataError

IMAGES = "images"
DERIVED = ".derived"
"""Folder beside the data sets for what is derived from them; it may be deleted."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many of them are done, and how many there are."""


@dataclass(frozen=True)
class ItemTable:
    """What is known of each item; entry 0 of each list is padding, so an item is its index."""

    raw_ids: Sequence[str]
    texts: Sequence[str]
    """Empty where there is none."""
    images: Sequence[Path | None]
    """The item's picture; None where there is none."""

    @property
    def num_items(self) -> int:
        """Without padding."""
        return len(self.raw_ids) - 1


@dataclass(frozen=True, kw_only=True)
class Content:
    """A data set in memory, to be written."""

    sequences: Sequences
    users: Sequence[str]
    """Raw id of each user."""
    items: ItemTable
    features: Mapping[str, Features] = field(default_factory=dict)
    categories: Sequence[Sequence[str]] | None = None
    """Of each item, entry 0 being padding; None where the source has none."""
    origin: Origin


@dataclass(frozen=True)
class Dataset:
    """A stored data set; what it holds is read when first asked for.

    Pickling gives the folder alone: another process opens the files for itself and shares the
    features' pages.
    """

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """What it is called."""
        return self.manifest.name

    @property
    def data_hash(self) -> str:
        """Content hash: equal for equal data, whatever it is called and wherever it lies."""
        return self.manifest.data_hash

    @property
    def num_users(self) -> int:
        """Users, long enough to be evaluated or not."""
        return self.manifest.counts.users

    @property
    def num_items(self) -> int:
        """Items, without padding."""
        return self.manifest.counts.items

    @cached_property
    def sequences(self) -> Sequences:
        """All interactions."""
        return read_interactions(
            self.folder,
            num_users=self.num_users,
            num_items=self.num_items,
            has_clock_times=self.manifest.has_clock_times,
        )

    @cached_property
    def split(self) -> Split:
        """Training parts, validation users and test users."""
        return leave_one_out(self.sequences)

    @cached_property
    def derived(self) -> TrainingDerived:
        """What models may derive from the training parts."""
        return TrainingDerived(
            self.split.train, self.num_items, self.folder.parent / DERIVED, self.sequences
        )

    def catalogue(self, controls: DataConfig | None = None, *, seed: int = 0) -> Catalogue:
        """All items with their features, memory-mapped.

        Args:
            controls: modalities to make uninformative; these are held in memory.
            seed: decides what a control does at random.

        Raises:
            ValueError: a control names a modality that the data set does not have.
        """
        modalities = self.modalities()
        controlled = modalities if controls is None else control(modalities, controls, seed=seed)
        return Catalogue(
            self.num_items,
            controlled,
            self.derived,
            has_timestamps=self.manifest.has_clock_times,
            categories=self.categories,
        )

    def available(self) -> dict[str, tuple[str, ...]]:
        """Every input that models may read, by the manifest; of a modality, its forms."""
        manifest = self.manifest
        forms = {name: tuple(entry.forms) for name, entry in manifest.modalities.items()}
        there = {TIMESTAMPS: manifest.has_clock_times, CATEGORIES: self.has_categories}
        return {IDS: (), **forms, **{name: () for name, is_there in there.items() if is_there}}

    @property
    def has_categories(self) -> bool:
        """Whether anything is known of its items' categories."""
        return CATEGORIES_FILE in self.manifest.files

    @cached_property
    def categories(self) -> Categories | None:
        """Categories of the items; None where the data set knows none."""
        if not self.has_categories:
            return None
        return read_categories(self.folder, num_items=self.num_items)

    def modalities(self) -> dict[str, Modality]:
        """Features by modality, memory-mapped."""
        rows = self.num_items + 1
        return {
            name: load_modality(self.folder, name, entry, rows=rows)
            for name, entry in self.manifest.modalities.items()
        }

    def words(self, modality: str, item: int) -> list[str] | None:
        """What an item's tokens of a modality stand for; None where the data set does not say."""
        entry = self.manifest.modalities[modality].tokens
        if entry is None or words_file(modality) not in self.manifest.files:
            return None
        return load_words(self.folder, modality, entry, rows=self.num_items + 1, item=item)

    @cached_property
    def items(self) -> ItemTable:
        """Raw ids, texts and pictures of the items."""
        table = read_parquet(self.folder / ITEMS_FILE, (ITEM, RAW_ID, TEXT, IMAGE))
        if table[ITEM].to_pylist() != list(range(1, self.num_items + 1)):
            raise DataError(corrupt(self.folder / ITEMS_FILE, "items must count up from 1"))
        names = [None, *table[IMAGE].to_pylist()]
        return ItemTable(
            ["", *table[RAW_ID].to_pylist()],
            ["", *table[TEXT].to_pylist()],
            [None if name is None else self.folder / IMAGES / name for name in names],
        )

    @cached_property
    def users(self) -> Sequence[str]:
        """Raw id of each user."""
        table = read_parquet(self.folder / USERS_FILE, (USER, RAW_ID))
        return list(table[RAW_ID].to_pylist())

    def __reduce__(self) -> tuple[Callable[[Path], "Dataset"], tuple[Path]]:
        """Pickle the folder, not the content."""
        return open_stored, (self.folder,)


def open_stored(folder: Path, *, verify: bool = False) -> Dataset:
    """Open the data set in a folder.

    Args:
        folder: where it lies.
        verify: compare every file's hash with the manifest; sizes are always compared.

    Raises:
        DataError: it is missing, or a file is not what the manifest says.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest, verify=verify)
    return Dataset(folder, manifest)


def write_dataset(
    content: Content, folder: Path, *, overwrite: bool = False, progress: Progress | None = None
) -> Dataset:
    """Write a data set whole, or leave things as they were; its name is the folder's.

    Raises:
        DataError: one of this name is there and ``overwrite`` is not set, or the disk refuses.
    """
    with building(folder, overwrite=overwrite) as draft:
        write_interactions(draft, content.sequences)
        _write_users(draft, content.users)
        _write_items(draft, content.items, progress)
        if content.categories is not None:
            write_categories(draft, content.categories)
        entries = {
            name: write_features(draft, name, features)
            for name, features in content.features.items()
        }
        write_manifest(draft, _manifest(content, folder.name, draft, entries))
    return open_stored(folder)


def _write_users(folder: Path, users: Sequence[str]) -> None:
    columns = {USER: np.arange(len(users), dtype=np.int32), RAW_ID: pa.array(users, pa.string())}
    pq.write_table(pa.table(columns), folder / USERS_FILE)


def _write_items(folder: Path, items: ItemTable, progress: Progress | None) -> None:
    names = _place_images(folder / IMAGES, items.images, progress)
    columns = {
        ITEM: np.arange(1, items.num_items + 1, dtype=np.int32),
        RAW_ID: pa.array(items.raw_ids[1:], pa.string()),
        TEXT: pa.array(items.texts[1:], pa.string()),
        IMAGE: pa.array(names[1:], pa.string()),
    }
    pq.write_table(pa.table(columns), folder / ITEMS_FILE)


def _place_images(
    folder: Path, images: Sequence[Path | None], progress: Progress | None
) -> list[str | None]:
    """Put pictures into the data set under their item's number; their names, or None."""
    names: list[str | None] = [None] * len(images)
    pictures = [(item, image) for item, image in enumerate(images) if image is not None]
    for done, (item, image) in enumerate(pictures, start=1):
        folder.mkdir(exist_ok=True)
        names[item] = f"{item}{image.suffix.lower()}"
        link_or_copy(image, folder / f"{item}{image.suffix.lower()}")
        if progress is not None:
            progress("images", done, len(pictures))
    return names


def _manifest(
    content: Content, name: str, folder: Path, modalities: Mapping[str, ModalityEntry]
) -> Manifest:
    return Manifest(
        name=name,
        counts=_counts(content),
        has_clock_times=content.sequences.timestamps is not None,
        origin=content.origin,
        modalities=modalities,
        files=list_files(folder),
    )


def _counts(content: Content) -> Counts:
    sequences = content.sequences
    return Counts(
        users=len(sequences),
        items=content.items.num_items,
        interactions=len(sequences.items),
        targets=int(np.maximum(sequences.lengths - 1, 0).sum()),
        training_targets=int(np.maximum(training_lengths(sequences) - 1, 0).sum()),
    )


def is_dataset(folder: Path) -> bool:
    """Whether a folder holds a data set, sound or not."""
    return (folder / MANIFEST_FILE).is_file() and not folder.name.startswith(".")
