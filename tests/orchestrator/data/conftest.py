"""A data set small enough to read, and the same as files to import."""

from pathlib import Path

import numpy as np
import pytest

from orchestrator.data import Content, Features, ItemTable, Origin
from orchestrator.data.interactions import sequences_of


@pytest.fixture
def content() -> Content:
    """Three users and four items; item 3 has no image."""
    pooled = np.array([[0, 0], [1, 2], [3, 4], [0, 0], [5, 6]], dtype=np.float32)
    tokens = np.arange(18, dtype=np.float16).reshape(6, 3)
    lengths = np.array([0, 1, 2, 2, 1], dtype=np.int32)
    return Content(
        sequences=sequences_of([[1, 2, 3, 4], [4, 1], [2, 2, 1]]),
        users=["anna", "bert", "carl"],
        items=ItemTable(
            ["", "a", "b", "c", "d"], ["", "one", "two", "", "four"], [None, None, None, None, None]
        ),
        features={
            "image": Features(pooled=pooled, missing=np.array([0, 0, 0, 1, 0], dtype=bool)),
            "text": Features(tokens=tokens, lengths=lengths),
        },
        origin=Origin(importer="test", licence="none"),
    )


BENCHMARK = {
    "user2index": "u0\t0\nu1\t1\n",
    "item2index": "A\t0\nB\t1\nC\t2\nD\t3\n",
    "text": "item_id:token\ttext:token_seq\nB\tbee\nA\tant\nD\t\nC\tcow\n",
    "test.inter": "0\t0 1 2 3\t1\n1\t3 2 1\t0\n",
    "valid.inter": "0\t0 1 2\t3\n1\t3 2\t1\n",
    "train.inter": "0\t0 1\t2\n0\t0\t1\n1\t3\t2\n",
}


@pytest.fixture
def benchmark_folder(tmp_path: Path) -> Path:
    """Two users (5 and 4 items) and four items in the benchmark layout, named Tiny."""
    folder = tmp_path / "source"
    folder.mkdir()
    for part, text in BENCHMARK.items():
        head = "user_id:token\titem_id_list:token_seq\titem_id:token\n" if "inter" in part else ""
        (folder / f"Tiny.{part}").write_text(head + text)
    np.arange(1, 9, dtype="<f4").tofile(folder / "Tiny.feat1CLS")
    np.array([[1, 1], [2, 2], [0, 0], [4, 4]], "<f4").tofile(folder / "Tiny.feat3CLS")
    return folder


@pytest.fixture
def plain_folder(tmp_path: Path) -> Path:
    """Two users in the plain layout, with a picture of one item."""
    folder = tmp_path / "amazon-tiny"
    (folder / "posters").mkdir(parents=True)
    (folder / "sequences.txt").write_text("anna\tx y z\nbert\tz x\n")
    items = (
        "id\ttitle\tplot\tyear\nz\tZed\t\t1999\nx\tEx!\tHe runs\t2000\ny\tWhy\tNo.\t\nq\tQ\tq\t1\n"
    )
    (folder / "items.tsv").write_text(items)
    (folder / "posters" / "x.jpg").write_bytes(b"picture of x")
    return folder
