"""Categories of items: which ones each item has, in a table of their own beside the items."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from models import Categories
from orchestrator.data.interactions import ITEM, corrupt, read_parquet
from orchestrator.errors import DataError

CATEGORIES_FILE = "categories.parquet"
CATEGORY = "category"


def write_categories(folder: Path, categories: Sequence[Sequence[str]]) -> None:
    """Write a row per item and category.

    Args:
        folder: the data set's folder.
        categories: of each item, in its order; entry 0 is padding and has none.
    """
    items = np.repeat(np.arange(len(categories)), [len(own) for own in categories])
    columns = {
        ITEM: items.astype(np.int32),
        CATEGORY: pa.array([name for own in categories for name in own], pa.string()),
    }
    pq.write_table(pa.table(columns), folder / CATEGORIES_FILE)


def read_categories(folder: Path, *, num_items: int) -> Categories:
    """Read what :func:`write_categories` wrote; names are in alphabetical order.

    Raises:
        DataError: the file is unreadable, or its items are not the manifest's.
    """
    path = folder / CATEGORIES_FILE
    table = read_parquet(path, (ITEM, CATEGORY))
    items = table[ITEM].to_numpy()
    if len(items) and ((np.diff(items) < 0).any() or items[0] < 1 or items[-1] > num_items):
        raise DataError(corrupt(path, f"`{ITEM}` must ascend within 1..{num_items}"))
    names, places = np.unique(table[CATEGORY].to_numpy(), return_inverse=True)
    lengths = np.bincount(items, minlength=num_items + 1)
    return Categories(tuple(map(str, names)), torch.from_numpy(places), torch.from_numpy(lengths))


def categories_of(categories: Categories, rows: torch.Tensor) -> Categories:
    """Those of some items alone; all names stay."""
    parts = categories.values.split(categories.lengths.tolist())
    values = torch.cat([parts[row] for row in rows.tolist()])
    return Categories(categories.names, values, categories.lengths[rows])
