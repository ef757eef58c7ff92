"""The steps' outcomes put together to the content of a data set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from orchestrator.config import content_hash
from orchestrator.data import Content, ItemTable, Origin
from orchestrator.obtaining import interactions
from orchestrator.obtaining.declaration import Source
from orchestrator.obtaining.describing import ITEM, PICTURE, TEXT, read_descriptions
from orchestrator.obtaining.interactions import Core
from orchestrator.obtaining.pictures import Picture
from orchestrator.obtaining.steps import Step


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a data set is made of."""

    source: Source
    core: Step
    items: Step
    pictures: Mapping[str, Picture]
    """Address -> what came of it."""
    picture_folder: Path
    with_pictures: bool
    """Whether pictures were asked for."""
    files: Mapping[str, str]
    """Published file -> its SHA-256."""

    @cached_property
    def recipe(self) -> str:
        """A note that is the same for data sets of the same origin and making, and for no other."""
        parts: dict[str, Any] = {
            "core": self.core.digest,
            "items": self.items.digest,
            "pictures": {address: one.sha256 for address, one in self.pictures.items()},
            "with_pictures": self.with_pictures,
            **self.source.plain("rules"),
        }
        return f"Recipe {content_hash(parts)} of {self.source.name}."


@dataclass(frozen=True)
class _Described:
    """Item -> its text and picture, where it has them."""

    texts: Mapping[str, str]
    pictures: Mapping[str, Path]


def assemble(made: Made) -> Content:
    """The content of the data set.

    Raises:
        DataError: nothing is left once items without a modality are dropped.
    """
    whole = interactions.read_core(made.core.folder)
    described = _described(made)
    core, dropped = _complete(made, whole, described)
    raw_ids = core.item_names.to_pylist()
    return Content(
        sequences=core.sequences,
        users=core.user_names.to_pylist(),
        items=ItemTable(
            ["", *raw_ids],
            ["", *(described.texts.get(raw, "").strip() for raw in raw_ids)],
            [None, *(described.pictures.get(raw) for raw in raw_ids)],
        ),
        origin=Origin(
            importer=made.source.name,
            licence=made.source.publisher.licence,
            sources=dict(made.files),
            notes=(made.recipe, *dropped, *_notes(made, core, described)),
        ),
    )


def _described(made: Made) -> _Described:
    table = read_descriptions(made.items.folder)
    columns = [table[name].to_pylist() for name in (ITEM, TEXT, PICTURE)]
    texts, pictures = {}, {}
    for raw, text, address in zip(*columns, strict=True):
        texts[raw] = text
        picture = made.pictures.get(address) if address else None
        if picture is not None and picture.file is not None:
            pictures[raw] = made.picture_folder / picture.file
    return _Described(texts, pictures)


def _complete(made: Made, whole: Core, described: _Described) -> tuple[Core, tuple[str, ...]]:
    """Without the items that lack a modality, where the rules say so; and a note of it."""
    rules = made.source.publisher.rules
    if rules.incomplete == "mark":
        return whole, ()
    kept = [raw for raw in whole.item_names.to_pylist() if _has_all(made, described, raw)]
    found = interactions.only_items(interactions.rows_of(whole), pa.array(kept, pa.string()))
    core = interactions.core_of(found, minimum=rules.min_interactions)
    lacking = len(whole.item_names) - len(kept)
    rare = len(kept) - len(core.item_names)
    what = "text or picture" if made.with_pictures else "text (pictures were not asked for)"
    note = (
        f"{lacking} items without {what} dropped, and then {rare} items and "
        f"{len(whole.user_names) - len(core.user_names)} users with fewer than "
        f"{rules.min_interactions} interactions."
    )
    return core, (note,)


def _has_all(made: Made, described: _Described, raw: str) -> bool:
    has_text = bool(described.texts.get(raw, "").strip(" ."))
    return has_text and (raw in described.pictures or not made.with_pictures)


def _notes(made: Made, core: Core, described: _Described) -> Iterator[str]:
    """What a reader of numbers should know."""
    ties = interactions.num_ties(core.sequences)
    share = ties / max(1, len(core.sequences.items))
    yield (
        f"{ties} interactions ({share:.1%}) have the time of the one before them; these stand in "
        "the order of the publisher's file."
    )
    raw_ids = core.item_names.to_pylist()
    if empty := sum(not described.texts.get(raw, "").strip() for raw in raw_ids):
        yield f"{empty} items have no text."
    if lacking := made.with_pictures * sum(raw not in described.pictures for raw in raw_ids):
        yield f"{lacking} items have no picture."
