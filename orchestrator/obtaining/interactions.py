"""Who took what, from a published file to sequences: columns, k-core, numbers, order by time.

Made for tens of millions of rows: names become numbers while the file is read, and everything
after it is arithmetic on columns.

The rule for ties: of interactions of one user at one time, the one that stands first in the
publisher's file comes first. Users and items are numbered in the order of their first appearance
in the file.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32, Int32, Int64

from orchestrator.data import Sequences
from orchestrator.data.interactions import bounds, k_core
from orchestrator.errors import DataError
from orchestrator.obtaining.declaration import InteractionFile
from orchestrator.obtaining.reading import opened, records, rows, wrong

TABLE, USERS, ITEMS = "interactions.parquet", "users.parquet", "items.parquet"
RAW = "raw_id"
BLOCK = 2**22
"""Bytes of a separated file that are read at once."""


@dataclass(frozen=True)
class Interactions:
    """Rows of a file, in its order, with numbers for names."""

    users: Int32[np.ndarray, " rows"]
    """Places in ``user_names``."""
    items: Int32[np.ndarray, " rows"]
    """Places in ``item_names``."""
    times: Int64[np.ndarray, " rows"]
    """Unix seconds."""
    ratings: Float32[np.ndarray, " rows"] | None
    user_names: pa.Array
    """Raw ids, in the order of their first appearance."""
    item_names: pa.Array

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.users)

    def kept(self, mask: Bool[np.ndarray, " rows"]) -> "Interactions":
        """Some of the rows, with the same numbers."""
        ratings = None if self.ratings is None else self.ratings[mask]
        columns = (self.users[mask], self.items[mask], self.times[mask], ratings)
        return Interactions(*columns, self.user_names, self.item_names)


@dataclass(frozen=True)
class Core:
    """Sequences of the users and items that were kept."""

    sequences: Sequences
    user_names: pa.Array
    item_names: pa.Array
    """Raw id of each item; item ``i`` of the sequences is the one at ``i - 1``."""


def read_interactions(path: Path, layout: InteractionFile) -> Interactions:
    """Read a published file of interactions.

    Raises:
        DataError: it is not what its declaration says, or holds no rows; names the line.
    """
    if layout.format == "separated" and len(layout.separator) == 1:
        found = _from_columns(path, layout)
    else:
        found = _from_rows(path, layout)
    if not len(found):
        raise wrong(path, "holds no interactions")
    return found


def _from_columns(path: Path, layout: InteractionFile) -> Interactions:
    """By Arrow, block by block."""
    names = {place: name for name, place in layout.columns.items()}
    kinds = {
        "user": pa.string(),
        "item": pa.string(),
        "time": pa.int64(),
        "rating": pa.float32(),
    }
    with opened(path, layout.member) as stream:
        try:
            table = _table(stream, layout, names, {name: kinds[name] for name in layout.columns})
        except pa.ArrowException as error:
            raise wrong(path, str(error).partition("\n")[0][:300].rstrip(".")) from None
    users, items = (table[name].combine_chunks() for name in ("user", "item"))
    ratings = table["rating"].to_numpy() if "rating" in layout.columns else None
    return Interactions(
        users.indices.to_numpy(),
        items.indices.to_numpy(),
        table["time"].to_numpy(),
        ratings,
        users.dictionary,
        items.dictionary,
    )


def _table(
    stream: BufferedIOBase, layout: InteractionFile, names: dict[Any, Any], kinds: dict[Any, Any]
) -> pa.Table:
    head = stream.read(BLOCK).partition(b"\n")[0].decode(layout.encoding)
    stream.seek(0)
    columns = [names.get(place, f"_{place}") for place in range(len(head.split(layout.separator)))]
    if missing := kinds.keys() - set(columns):
        raise pa.ArrowInvalid(f"has {len(columns)} columns, too few for `{min(missing)}`")
    reader = pacsv.open_csv(
        stream,
        pacsv.ReadOptions(
            column_names=columns, encoding=layout.encoding, block_size=BLOCK, use_threads=False
        ),
        pacsv.ParseOptions(delimiter=layout.separator, quote_char=False),
        pacsv.ConvertOptions(
            column_types=kinds,
            include_columns=list(kinds),
            null_values=[],
            strings_can_be_null=False,
        ),
    )
    batches = [_encoded(batch) for batch in reader]
    return pa.Table.from_batches(batches).unify_dictionaries()


def _encoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A block with its names as places in a dictionary of its own."""
    names = batch.schema.names
    columns = [
        batch[name].dictionary_encode() if name in ("user", "item") else batch[name]
        for name in names
    ]
    return pa.RecordBatch.from_arrays(columns, names)


def _from_rows(path: Path, layout: InteractionFile) -> Interactions:
    """By Python, line by line."""
    users, items = _Names(), _Names()
    times, ratings = array("q"), array("f")
    for number, row in _rows(path, layout):
        try:
            users.add(row["user"])
            items.add(row["item"])
            times.append(int(row["time"]))
            if "rating" in layout.columns:
                ratings.append(float(row["rating"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            rule = f"has no {', '.join(layout.columns)} in the fields that are declared"
            raise wrong(path, rule, number) from None
    return Interactions(
        users.codes(),
        items.codes(),
        np.frombuffer(times, np.int64) if times else np.zeros(0, np.int64),
        np.frombuffer(ratings, np.float32) if ratings else None,
        users.names(),
        items.names(),
    )


class _Names:
    """Names -> numbers in the order of their first appearance."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._codes = array("i")

    def add(self, name: object) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(name)
        self._codes.append(self._places.setdefault(name, len(self._places)))

    def codes(self) -> Int32[np.ndarray, " rows"]:
        return np.array(self._codes, np.int32)

    def names(self) -> pa.Array:
        return pa.array(self._places, pa.string())


def _rows(path: Path, layout: InteractionFile) -> Iterator[tuple[int, dict[str, Any]]]:
    if layout.format == "json-lines":
        for number, found in records(path, layout):
            yield number, {name: found.get(str(key)) for name, key in layout.columns.items()}
        return
    for number, values in rows(path, layout):
        places = {name: int(place) for name, place in layout.columns.items()}
        if max(places.values()) >= len(values):
            raise wrong(path, f"has {len(values)} columns, too few", number)
        yield number, {name: values[place] for name, place in places.items()}


def without_repeats(found: Interactions) -> Interactions:
    """Of rows that are equal throughout, the first; the order stays."""
    columns = [found.times, found.items, found.users]
    if found.ratings is not None:
        columns.insert(0, found.ratings)
    order = np.lexsort(columns)  # stable: equal rows stay in the order of the file
    again = np.ones(len(order), dtype=np.bool_)
    again[:1] = False
    for column in columns:
        again[1:] &= np.diff(column[order]) == 0
    mask = np.ones(len(order), dtype=np.bool_)
    mask[order[again]] = False
    return found.kept(mask)


def only_items(found: Interactions, names: pa.Array) -> Interactions:
    """The rows of the items of these names."""
    listed = pc.is_in(found.item_names, value_set=names).to_numpy(zero_copy_only=False)
    return found.kept(listed[found.items])


def frequent_items(found: Interactions, minimum: int) -> pa.Array:
    """Names of the items that have so many rows; no other one can be in the k-core."""
    counts = np.bincount(found.items, minlength=len(found.item_names))
    return found.item_names.filter(pa.array(counts >= minimum))


def core_of(found: Interactions, *, minimum: int) -> Core:
    """The k-core of some rows, numbered anew and in order.

    Args:
        found: the rows.
        minimum: interactions that every remaining user and every remaining item has at least.

    Raises:
        DataError: nothing remains.
    """
    left = found.kept(k_core(found.users, found.items, minimum=minimum))
    if not len(left):
        raise DataError(f"No user and no item has {minimum} interactions: nothing is left.")
    users, user_places = _numbered(left.users, len(left.user_names))
    items, item_places = _numbered(left.items, len(left.item_names))
    order = np.lexsort((left.times, users))  # stable: ties keep the order of the file
    offsets = bounds(np.bincount(users, minlength=len(user_places)))
    sequences = Sequences(items[order] + np.int32(1), offsets, left.times[order])
    return Core(sequences, left.user_names.take(user_places), left.item_names.take(item_places))


def _numbered(codes: Int32[np.ndarray, " rows"], num: int) -> tuple[np.ndarray, pa.Array]:
    """Codes without gaps, in the same order, and which code each of them was."""
    present = np.zeros(num, dtype=np.bool_)
    present[codes] = True
    new = (np.cumsum(present) - 1).astype(np.int32)
    return new[codes], pa.array(np.flatnonzero(present))


def rows_of(core: Core) -> Interactions:
    """The interactions of sequences, by user and time, to make a smaller core of them."""
    times = core.sequences.timestamps
    assert times is not None
    items = core.sequences.items - np.int32(1)
    return Interactions(core.sequences.users, items, times, None, core.user_names, core.item_names)


def num_ties(sequences: Sequences) -> int:
    """Interactions at the same time as the one before them of the same user."""
    assert sequences.timestamps is not None
    equal = np.diff(sequences.timestamps) == 0
    equal[sequences.offsets[1:-1] - 1] = False
    return int(equal.sum())


def write_rows(folder: Path, found: Interactions) -> None:
    """Write rows below a folder."""
    columns: dict[str, Any] = {"user": found.users, "item": found.items, "time": found.times}
    if found.ratings is not None:
        columns["rating"] = found.ratings
    pq.write_table(pa.table(columns), folder / TABLE)
    _write_names(folder, found.user_names, found.item_names)


def read_rows(folder: Path) -> Interactions:
    """Read what :func:`write_rows` wrote."""
    table = pq.read_table(folder / TABLE)
    users, items, times = (table[name].to_numpy() for name in ("user", "item", "time"))
    ratings = table["rating"].to_numpy() if "rating" in table.column_names else None
    return Interactions(users, items, times, ratings, *_read_names(folder))


def write_core(folder: Path, core: Core) -> None:
    """Write sequences below a folder."""
    write_rows(folder, rows_of(core))


def read_core(folder: Path) -> Core:
    """Read what :func:`write_core` wrote."""
    found = read_rows(folder)
    offsets = bounds(np.bincount(found.users, minlength=len(found.user_names)))
    sequences = Sequences(found.items + np.int32(1), offsets, found.times)
    return Core(sequences, found.user_names, found.item_names)


def _write_names(folder: Path, *names: pa.Array) -> None:
    for file, column in zip((USERS, ITEMS), names, strict=True):
        pq.write_table(pa.table({RAW: column}), folder / file)


def _read_names(folder: Path) -> tuple[pa.Array, pa.Array]:
    users, items = (pq.read_table(folder / file)[RAW] for file in (USERS, ITEMS))
    return users.combine_chunks(), items.combine_chunks()
