"""Every damage to a stored data set is seen, and a sound one is called sound."""

import dataclasses
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator import api
from orchestrator.data.manifest import list_files, read_manifest, write_manifest
from orchestrator.diagnosis.soundness import check_dataset
from orchestrator.errors import DataError


@pytest.fixture
def folder(data_dir, tmp_path):
    """A copy of a small planted world."""
    return shutil.copytree(data_dir / "tiny", tmp_path / "tiny")


def problems(folder):
    return {one.subject: one.problems for one in check_dataset(folder) if one.problems}


def forged(folder):
    """The manifest agrees with the files that lie there now, as if it had been made so."""
    manifest = read_manifest(folder)
    write_manifest(folder, dataclasses.replace(manifest, files=list_files(folder)))


def rewrite(path, change):
    table = pq.read_table(path)
    columns = {name: table[name].to_numpy().copy() for name in table.column_names}
    change(columns)
    pq.write_table(pa.table(columns), path)


def test_a_sound_data_set_has_no_problems(folder):
    checks = check_dataset(folder)
    assert [one.subject for one in checks] == [
        "files",
        "counts",
        "interactions",
        "users and items",
        "image features",
        "text features",
    ]
    assert not any(one.problems for one in checks)


def test_a_changed_byte_is_seen(folder):
    path = folder / "features" / "text.tokens.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert problems(folder) == {
        "files": ("features/text.tokens.npy: its SHA-256 is not the manifest's",)
    }


def test_a_missing_a_shorter_and_a_foreign_file_are_seen(folder):
    (folder / "features" / "text.pooled.npy").unlink()
    users = folder / "users.parquet"
    users.write_bytes(users.read_bytes()[:-1])
    (folder / "notes.txt").write_text("mine")
    told = " ".join(problems(folder)["files"])
    assert "features/text.pooled.npy is missing" in told
    assert "users.parquet has " in told
    assert "notes.txt is not in the manifest" in told


def test_counts_that_the_files_do_not_have_are_seen(folder):
    path = folder / "manifest.json"
    plain = json.loads(path.read_text())
    plain["counts"]["targets"] += 1
    path.write_text(json.dumps(plain))
    (told,) = problems(folder)["counts"]
    assert "targets, the manifest says" in told


def test_an_item_out_of_range_is_seen(folder):
    def change(columns):
        columns["item"][0] = 10_000

    rewrite(folder / "interactions.parquet", change)
    forged(folder)
    assert "`item` must be within" in problems(folder)["interactions"][0]


def test_times_that_go_back_are_seen(folder):
    def change(columns):
        columns["timestamp"][0] = 2 * columns["timestamp"].max() + 10

    rewrite(folder / "interactions.parquet", change)
    forged(folder)
    clocked = read_manifest(folder)
    write_manifest(folder, dataclasses.replace(clocked, has_clock_times=True))
    assert problems(folder)["interactions"] == (
        "1 interactions are earlier than the one before them",
    )


def test_an_id_that_occurs_twice_is_seen(folder):
    def change(columns):
        columns["raw_id"][1] = columns["raw_id"][0]

    rewrite(folder / "items.parquet", change)
    forged(folder)
    assert problems(folder)["users and items"] == ("1 raw ids of items occur twice",)


@pytest.mark.parametrize(
    ("row", "value", "told"),
    [
        (3, np.nan, "`pooled` holds NaN or infinity"),
        (0, 1.0, "`pooled` is not zero for padding and missing items"),
    ],
)
def test_a_feature_that_cannot_be_is_seen(folder, row, value, told):
    path = folder / "features" / "text.pooled.npy"
    values = np.load(path)
    values[row, 0] = value
    np.save(path, values)
    forged(folder)
    assert problems(folder) == {"text features": (told,)}


def test_there_is_no_such_data_set(data_dir):
    with pytest.raises(DataError, match=r"There is no data set `tyni`\. Did you mean `tiny`"):
        api.check_data("tyni", data_dir=data_dir)
