"""The ranks of a run's targets, one Parquet file: what tests over users are made of.

Columns ``user`` (index in the data set's sequences), ``val`` and ``test``: the rank of the user's
validation and test target under the run's kept weights.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float64, Int64

from orchestrator.errors import StoreError
from orchestrator.evaluation.evaluate import Prefix

USER = "user"
COLUMNS = (USER, "val", "test")


@dataclass(frozen=True)
class UserRanks:
    """Ranks of one run; all three run along the same users, ascending."""

    users: Int64[np.ndarray, " users"]
    """Which user each one is, as an index into the data set's sequences."""
    val: Float64[np.ndarray, " users"]
    test: Float64[np.ndarray, " users"]


def write_ranks(
    path: Path,
    users: Int64[np.ndarray, " users"],
    ranks: Mapping[Prefix, Float64[np.ndarray, " users"]],
) -> None:
    """Write a run's ranks, whole or not at all.

    Args:
        path: the file; its folder is made.
        users: which user each rank is of.
        ranks: of the targets of ``val`` and of ``test``.

    Raises:
        StoreError: the folder cannot be written.
    """
    table = pa.table({USER: users, "val": ranks["val"], "test": ranks["test"]})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, temporary)
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}). Choose another --results folder."
        ) from None


def read_ranks(path: Path) -> UserRanks:
    """Read a run's ranks.

    Raises:
        StoreError: the file is missing, unreadable or lacks a column.
    """
    advice = f"Delete {path.parent} to train this run again."
    try:
        table = pq.read_table(path, columns=list(COLUMNS), use_threads=False)
    except FileNotFoundError:
        raise StoreError(f"{path}: is missing. {advice}") from None
    except (OSError, KeyError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StoreError(f"{path}: is no table of ranks ({reason}). {advice}") from None
    return UserRanks(*(table.column(name).to_numpy().copy() for name in COLUMNS))  # to be writable
