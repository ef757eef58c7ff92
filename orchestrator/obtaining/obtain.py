"""All steps from a source's addresses to a stored data set.

::

    <data folder>/.sources/<source>/
      files/       as published, each with a receipt
      rows/        who took what, as the file says; names as numbers
      items/       text and picture address of the items that may remain
      core/        the k-core, numbered, in order of time
      pictures/    pictures by content, and the journal of what came of each address

Every step is made anew only where what it is made of has changed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from orchestrator.data import Dataset, Progress, write_dataset
from orchestrator.data.manifest import read_manifest
from orchestrator.data.store import is_dataset, open_stored
from orchestrator.errors import DataError
from orchestrator.obtaining import interactions
from orchestrator.obtaining.assembling import Made, assemble
from orchestrator.obtaining.declaration import Source
from orchestrator.obtaining.describing import read_descriptions, write_descriptions
from orchestrator.obtaining.download import Receipt, download
from orchestrator.obtaining.network import Network
from orchestrator.obtaining.pictures import Picture, counted, fetch_pictures
from orchestrator.obtaining.steps import Step, Steps, alone

FOLDER = ".sources"
CODE = 1
"""Raised when a step comes to make something else of the same files."""

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a user may choose."""

    name: str
    """Of the data set."""
    mirror: str | None = None
    """A folder on the web that holds the publisher's files, in place of the declared ones."""
    pictures: bool = True
    """Whether pictures are fetched."""
    retry_pictures: bool = False
    """Ask again for pictures that were missing."""
    overwrite: bool = False
    """Replace a data set of that name that was made of something else."""


@dataclass(frozen=True, kw_only=True)
class Obtained:
    """What came of it."""

    dataset: Dataset
    was_there: bool
    """Whether the very data set was stored before."""
    differences: tuple[tuple[str, int, int], ...]
    """What was counted, how many were printed, and how many there are."""


def obtain(
    source: Source,
    choices: Choices,
    data_dir: Path,
    *,
    network: Network,
    tell: Tell,
    progress: Progress | None = None,
) -> Obtained:
    """Have a public data set stored; typed again, it goes on where it was cut.

    Args:
        source: which one.
        choices: what the user chose.
        data_dir: the folder of data sets.
        network: how patient and how busy downloads are.
        tell: hears the licence before anything is downloaded, and what each step came to.
        progress: hears how far a step is.

    Raises:
        DataError: a file cannot be had or is not what it should be, a data set of that name is
            made of something else, another process obtains the source, or the disk refuses.
    """
    folder = data_dir / FOLDER / source.name
    _tell_source(source, tell)
    with alone(folder, source.name):
        work = _Work(source, choices, folder, network, tell, progress)
        made = work.made()
        dataset, was_there = _stored(work, made, data_dir / choices.name)
    expected = source.expected
    differences = () if expected is None else expected.differences(dataset.manifest.counts)
    return Obtained(dataset=dataset, was_there=was_there, differences=tuple(differences))


def _tell_source(source: Source, tell: Tell) -> None:
    publisher = source.publisher
    tell(f"{source.name}: {publisher.about}; {publisher.page}")
    tell(f"Licence: {publisher.licence}")


@dataclass(frozen=True)
class _Work:
    """The steps of one call, up to the content of the data set."""

    source: Source
    choices: Choices
    folder: Path
    network: Network
    tell: Tell
    progress: Progress | None

    @property
    def steps(self) -> Steps:
        return Steps(self.folder)

    def made(self) -> Made:
        """Everything that the data set is made of."""
        receipts = {path: self._file(path) for path in self.source.paths}
        rows = self._rows(receipts)
        items = self._items(receipts, rows)
        core = self._core(rows, items)
        return Made(
            source=self.source,
            core=core,
            items=items,
            pictures=self._pictures(core, items),
            picture_folder=self.folder / "pictures",
            with_pictures=self._wants_pictures,
            files={Path(path).name: receipt.sha256 for path, receipt in receipts.items()},
        )

    @property
    def _wants_pictures(self) -> bool:
        return self.choices.pictures and bool(self.source.publisher.items.pictures)

    def path_of(self, published: str) -> Path:
        """Where a published file lies here."""
        return self.folder / "files" / Path(published).name

    def _file(self, published: str) -> Receipt:
        mirror = self.choices.mirror
        places = self.source.publisher.addresses if mirror is None else (mirror,)
        name = Path(published).name
        receipt, was_there = download(
            [f"{place.rstrip('/')}/{published}" for place in places],
            self.path_of(published),
            network=self.network,
            checksum=self.source.publisher.checksums.get(name),
            tell=self.tell,
            progress=self.progress,
        )
        came = "is there" if was_there else f"from {receipt.address}"
        self.tell(f"file: {name}, {receipt.bytes:,} bytes, SHA-256 {receipt.sha256[:12]}, {came}")
        return receipt

    def _run(self, name: str, inputs: dict[str, Any], build: Callable[[Path], str]) -> Step:
        """Do a step and tell what it came to, or that it was done."""
        told = []

        def built(draft: Path) -> None:
            told.append(build(draft))

        step = self.steps.run(name, {"code": CODE, **inputs}, built)
        self.tell(f"{name}: {told[0] if told else 'done before'}")
        return step

    def _rows(self, receipts: dict[str, Receipt]) -> Step:
        path, layout = self.source.interactions_path, self.source.publisher.interactions

        def build(draft: Path) -> str:
            found = interactions.read_interactions(self.path_of(path), layout)
            interactions.write_rows(draft, found)
            return (
                f"{len(found):,} interactions of {len(found.user_names):,} users with "
                f"{len(found.item_names):,} items"
            )

        inputs = {"file": receipts[path].sha256, **self.source.plain("interactions")}
        return self._run("rows", inputs, build)

    def _items(self, receipts: dict[str, Receipt], rows: Step) -> Step:
        path, layout = self.source.items_path, self.source.publisher.items
        minimum = self.source.publisher.rules.min_interactions

        def build(draft: Path) -> str:
            found = interactions.read_rows(rows.folder)
            wanted = set(interactions.frequent_items(found, minimum).to_pylist())
            write_descriptions(self.path_of(path), layout, wanted, draft)
            table = read_descriptions(draft)
            pictured = len(table) - table["picture"].null_count
            return f"{len(table):,} described, {pictured:,} of them with the address of a picture"

        inputs = {
            "file": receipts[path].sha256,
            "rows": rows.digest,
            "minimum": minimum,
            **self.source.plain("items"),
        }
        return self._run("items", inputs, build)

    def _core(self, rows: Step, items: Step) -> Step:
        rules = self.source.publisher.rules

        def build(draft: Path) -> str:
            found, notes = interactions.read_rows(rows.folder), []
            if rules.drop_repeats:
                before, found = len(found), interactions.without_repeats(found)
                notes.append(f"; repeats dropped: {before - len(found):,}")
            if rules.listed_items_only:
                listed = read_descriptions(items.folder)["item"].combine_chunks()
                found = interactions.only_items(found, listed)
            core = interactions.core_of(found, minimum=rules.min_interactions)
            interactions.write_core(draft, core)
            return (
                f"{len(core.user_names):,} users, {len(core.item_names):,} items, "
                f"{len(core.sequences.items):,} interactions{''.join(notes)}"
            )

        listed = items.digest if rules.listed_items_only else None
        inputs = {"rows": rows.digest, "listed": listed, **self.source.plain("rules")}
        return self._run("core", inputs, build)

    def _pictures(self, core: Step, items: Step) -> dict[str, Picture]:
        if not self._wants_pictures:
            return {}
        named = interactions.read_core(core.folder).item_names
        table = read_descriptions(items.folder)
        table = table.filter(pc.is_in(table["item"], value_set=named))
        addresses = table["picture"].drop_null().to_pylist()
        found = fetch_pictures(
            addresses,
            self.folder / "pictures",
            network=self.network,
            retry=self.choices.retry_pictures,
            progress=self.progress,
        )
        missing = counted(found)
        self.tell(
            f"pictures: {len(found) - sum(missing.values()):,} of {len(found):,} addresses gave one"
        )
        for reason, number in missing.items():
            self.tell(f"  {number:,} missing: {reason}")
        return found


def _stored(work: _Work, made: Made, folder: Path) -> tuple[Dataset, bool]:
    """The data set, stored before or now."""
    if is_dataset(folder) and made.recipe in read_manifest(folder).origin.notes:
        work.tell(f"dataset: {folder.name} is stored already, made of the very same")
        return open_stored(folder), True
    if is_dataset(folder) and not work.choices.overwrite:
        raise DataError(
            f"{folder}: is there already, and is not made of what {work.source.name} gives now. "
            "Add --overwrite to replace it, or choose another --name."
        )
    content = assemble(made)
    dataset = write_dataset(
        content, folder, overwrite=work.choices.overwrite, progress=work.progress
    )
    work.tell(f"dataset: {dataset.manifest.size_text}")
    return dataset, False
