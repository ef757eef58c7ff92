"""What items are called and where their pictures lie, from a published file of items.

Two recipes make a text of an item's fields:

- ``sentences``: each field that says something is a sentence; a list's parts are joined by commas,
  each part once.
- ``unisrec``: what UniSRec and MISSRec do, which DeCoRec's texts show too. A list's parts are
  joined by spaces; each field that is there, though it be empty, loses its double quotes and line
  ends and ends in one full stop; one of 2,000 characters or more (a page's source in place of a
  title) becomes nothing; each is followed by a space.
"""

import html
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.data.plain import join_text
from orchestrator.obtaining.declaration import ItemFile
from orchestrator.obtaining.reading import item_records

ITEM, TEXT, PICTURE = "item", "text", "picture"
TABLE = "descriptions.parquet"
BATCH = 20_000
LONGEST_FIELD = 2000
"""Characters from which on the recipes take a field for something else than words."""


def write_descriptions(
    source: Path, layout: ItemFile, wanted: Collection[str], folder: Path
) -> None:
    """Write text and picture address of the wanted items that a file lists.

    Args:
        source: the published file.
        layout: how it is written, and which fields are used.
        wanted: raw ids.
        folder: where the table goes.

    Raises:
        DataError: a line of the file is not what its format says.
    """
    kinds = pa.schema([(ITEM, pa.string()), (TEXT, pa.string()), (PICTURE, pa.string())])
    with pq.ParquetWriter(folder / TABLE, kinds) as writer:
        batch: list[dict[str, str | None]] = []
        for raw, fields in item_records(source, layout, wanted):
            picture = picture_address(fields, layout)
            batch.append({ITEM: raw, TEXT: text_of(fields, layout), PICTURE: picture})
            if len(batch) == BATCH:
                writer.write_table(pa.Table.from_pylist(batch, kinds))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, kinds))


def read_descriptions(folder: Path) -> pa.Table:
    """Read what :func:`write_descriptions` wrote: ``item``, ``text``, ``picture``."""
    return pq.read_table(folder / TABLE)


def text_of(fields: Mapping[str, Any], layout: ItemFile) -> str:
    """An item's text by its source's recipe."""
    values = [fields[name] for name in layout.text if fields.get(name) is not None]
    if layout.recipe == "unisrec":
        return "".join(f"{_cleaned(' '.join(_parts(value)))} " for value in values)
    joined = (", ".join(dict.fromkeys(_parts(value))) for value in values)
    words = (re.sub(r"\s+", " ", html.unescape(text)).strip() for text in joined)
    return join_text(text for text in words if len(text) < LONGEST_FIELD)


def _cleaned(text: str) -> str:
    plain = re.sub(r'["\n\r]', "", html.unescape(text)).rstrip(".")
    return "" if len(plain) + 1 >= LONGEST_FIELD else f"{plain}."


def _parts(value: object) -> Iterator[str]:
    """The words of a field: its own, or its parts' where it is a list of words or of lists."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from _parts(part)
    elif value is not None:
        yield str(value)


def picture_address(fields: Mapping[str, Any], layout: ItemFile) -> str | None:
    """The first address of the first field that has one; None where there is no picture."""
    for name in layout.pictures:
        for address in _parts(fields.get(name)):
            if _is_address(address) and not any(sign in address for sign in layout.no_picture):
                return address
    return None


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://"))
