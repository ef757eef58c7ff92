import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.errors import StoreError
from orchestrator.evaluation.rank_file import read_ranks, write_ranks

USERS = np.array([0, 2, 5])
RANKS = {"val": np.array([1.0, 2.5, 9.0]), "test": np.array([3.0, 1.0, 40.0])}


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "run" / "ranks.parquet"
    write_ranks(path, USERS, RANKS)
    found = read_ranks(path)
    assert found.users.tolist() == [0, 2, 5]
    assert found.val.tolist() == [1.0, 2.5, 9.0]
    assert found.test.tolist() == [3.0, 1.0, 40.0]
    assert found.test.flags.writeable  # torch takes no others
    assert pq.read_schema(path).names == ["user", "val", "test"]


def test_writing_again_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "ranks.parquet"
    for ranks in (RANKS, {**RANKS, "test": np.array([1.0, 1.0, 1.0])}):
        write_ranks(path, USERS, ranks)
    assert read_ranks(path).test.tolist() == [1.0, 1.0, 1.0]
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_is_cut_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "ranks.parquet"
    write_ranks(path, USERS, RANKS)

    def full(table, where):
        where.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(StoreError, match=r"ranks\.parquet: cannot be written \(No space left"):
        write_ranks(path, USERS, {**RANKS, "test": np.array([1.0, 1.0, 1.0])})
    assert read_ranks(path).test.tolist() == [3.0, 1.0, 40.0]


def test_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be written .*Choose another --results folder\."):
        write_ranks(tmp_path / "file" / "ranks.parquet", USERS, RANKS)


def test_missing_ranks_say_what_to_do(tmp_path):
    rule = r"ranks\.parquet: is missing\. Delete .* to train this run again\.$"
    with pytest.raises(StoreError, match=rule):
        read_ranks(tmp_path / "ranks.parquet")


@pytest.mark.parametrize("content", [b"", b"no table", None])
def test_a_file_that_is_no_table_of_ranks_is_refused(tmp_path, content):
    path = tmp_path / "ranks.parquet"
    if content is None:
        pq.write_table(pa.table({"user": [1], "val": [1.0]}), path)
    else:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=r"ranks\.parquet: is no table of ranks \(.+\)\. Delete"):
        read_ranks(path)
