"""Who took what, in order: column names, sequences, k-core filtering, and their files.

Users count from 0, items from 1: item 0 is padding and is no item.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Int, Int32, Int64

from orchestrator.errors import DataError

USER, ITEM, TIMESTAMP = "user", "item", "timestamp"
RAW_ID, TEXT, IMAGE = "raw_id", "text", "image"

INTERACTIONS_FILE = "interactions.parquet"
ITEMS_FILE = "items.parquet"
USERS_FILE = "users.parquet"


@dataclass(frozen=True)
class Sequences:
    """Every user's items, oldest first, in one flat array: user ``u`` owns one slice of it."""

    items: Int32[np.ndarray, " interactions"]
    offsets: Int64[np.ndarray, " bounds"]
    """User ``u`` owns ``items[offsets[u]:offsets[u + 1]]``; one entry more than there are users."""
    timestamps: Int64[np.ndarray, " interactions"] | None = None
    """Unix seconds beside ``items``; None where only the order is known."""

    def __len__(self) -> int:
        """Number of users."""
        return len(self.offsets) - 1

    def of(self, user: int) -> Int32[np.ndarray, " length"]:
        """One user's items, oldest first; a view."""
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    @property
    def lengths(self) -> Int64[np.ndarray, " users"]:
        """Number of interactions of each user."""
        return np.diff(self.offsets)

    @property
    def users(self) -> Int32[np.ndarray, " interactions"]:
        """The user of each interaction, beside ``items``."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.lengths)


def sequences_of(
    lists: Sequence[Sequence[int]], times: Sequence[Sequence[int]] | None = None
) -> Sequences:
    """Flat sequences of per-user lists of items and, where clock times exist, of timestamps."""
    stamps = None if times is None else _flat(times, np.int64)
    return Sequences(_flat(lists, np.int32), bounds([len(items) for items in lists]), stamps)


def _flat(lists: Sequence[Sequence[int]], kind: type[np.signedinteger]) -> np.ndarray:
    total = sum(map(len, lists))
    return np.fromiter((value for row in lists for value in row), dtype=kind, count=total)


def bounds(lengths: Sequence[int] | Int[np.ndarray, " users"]) -> Int64[np.ndarray, " bounds"]:
    """Where each of some consecutive slices begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int64)


def k_core(
    users: Int[np.ndarray, " interactions"],
    items: Int[np.ndarray, " interactions"],
    *,
    minimum: int,
) -> Bool[np.ndarray, " interactions"]:
    """Which interactions remain when rare users and items are dropped until none is left.

    Args:
        users: the user of each interaction, counted from 0.
        items: the item of each interaction, counted from 0.
        minimum: interactions that every remaining user and every remaining item has at least.
    """
    kept = np.ones(len(users), dtype=np.bool_)
    while True:
        enough = (np.bincount(users[kept], minlength=1 + users.max(initial=0)) >= minimum)[users]
        enough &= (np.bincount(items[kept], minlength=1 + items.max(initial=0)) >= minimum)[items]
        if not (kept & ~enough).any():
            return kept
        kept &= enough


def write_interactions(folder: Path, sequences: Sequences) -> None:
    """Write the interactions, by user and then by time; without clock times by position."""
    times = sequences.timestamps
    if times is None:
        starts = np.repeat(sequences.offsets[:-1], sequences.lengths)
        times = np.arange(len(sequences.items), dtype=np.int64) - starts
    columns = {USER: sequences.users, ITEM: sequences.items, TIMESTAMP: times}
    pq.write_table(pa.table(columns), folder / INTERACTIONS_FILE)


def read_interactions(
    folder: Path, *, num_users: int, num_items: int, has_clock_times: bool
) -> Sequences:
    """Read what :func:`write_interactions` wrote.

    Raises:
        DataError: the file is unreadable, or its users or items are not the manifest's.
    """
    path = folder / INTERACTIONS_FILE
    table = read_parquet(path, (USER, ITEM, TIMESTAMP))
    users, items, times = (table[name].to_numpy().copy() for name in (USER, ITEM, TIMESTAMP))
    if (np.diff(users) < 0).any() or _outside(users, 0, num_users - 1):
        raise DataError(corrupt(path, f"`{USER}` must ascend within 0..{num_users - 1}"))
    if _outside(items, 1, num_items):
        raise DataError(corrupt(path, f"`{ITEM}` must be within 1..{num_items}"))
    offsets = bounds(np.bincount(users, minlength=num_users))
    return Sequences(items, offsets, times if has_clock_times else None)


def _outside(values: Int[np.ndarray, " rows"], low: int, high: int) -> bool:
    return bool(len(values)) and not (low <= values.min() and values.max() <= high)


def read_parquet(path: Path, columns: tuple[str, ...]) -> pa.Table:
    """Read one of a data set's tables.

    Raises:
        DataError: it is missing, unreadable or lacks a column.
    """
    try:
        return pq.read_table(path, columns=list(columns), use_threads=False)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise DataError(corrupt(path, f"it is no readable table ({_first_line(error)})")) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def corrupt(path: Path, rule: str) -> str:
    """Sentence for a file of a stored data set that is not what its manifest says."""
    return f"{path}: is damaged: {rule}. Import the data set again with --overwrite."
