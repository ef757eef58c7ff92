"""A data set on disk is whole, small to open, and shared between processes."""

import dataclasses
import json
import multiprocessing
import pickle
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from orchestrator.data import Content, Dataset, Features, add_features, write_dataset
from orchestrator.data.folders import building
from orchestrator.data.store import open_stored
from orchestrator.errors import DataError


@pytest.fixture
def stored(content: Content, tmp_path: Path) -> Dataset:
    return write_dataset(content, tmp_path / "tiny")


def test_what_is_written_comes_back(stored: Dataset, content: Content) -> None:
    again = open_stored(stored.folder, verify=True)
    assert again.name == "tiny"
    assert [again.sequences.of(user).tolist() for user in range(3)] == [
        [1, 2, 3, 4],
        [4, 1],
        [2, 2, 1],
    ]
    assert again.sequences.timestamps is None
    assert again.users == ["anna", "bert", "carl"]
    assert again.items == content.items


def test_counts_tell_targets_from_interactions(stored: Dataset) -> None:
    counts = stored.manifest.counts
    assert (counts.users, counts.items, counts.interactions) == (3, 4, 9)
    assert counts.targets == 3 + 1 + 2
    # Users of 4 and 3 items train on 2 and 1 of them; the one of 2 trains on both.
    assert counts.training_targets == 1 + 1 + 0


def test_features_come_back_with_padding_and_missing(stored: Dataset, content: Content) -> None:
    catalogue = stored.catalogue()
    image, text = catalogue.modality("image"), catalogue.modality("text")
    assert image.pooled is not None
    assert image.missing is not None
    assert text.tokens is not None
    assert np.array_equal(image.pooled.numpy(), content.features["image"].pooled)
    assert image.missing.tolist() == [False, False, False, True, False]
    assert image.tokens is None
    assert text.pooled is None
    assert text.missing is None
    assert text.tokens.lengths.tolist() == [0, 1, 2, 2, 1]
    assert np.array_equal(text.tokens.values.numpy(), content.features["text"].tokens)
    assert stored.manifest.modalities["image"].coverage == 0.75


def test_items_without_tokens_are_missing(content: Content, tmp_path: Path) -> None:
    tokens = Features(tokens=np.ones((2, 3), np.float16), lengths=np.array([0, 2, 0, 0, 0]))
    changed = dataclasses.replace(content, features={"text": tokens})
    missing = write_dataset(changed, tmp_path / "tiny").catalogue().modality("text").missing
    assert missing is not None
    assert missing.tolist() == [False, False, True, True, True]


def test_clock_times_travel_and_positions_do_not(content: Content, tmp_path: Path) -> None:
    timed = dataclasses.replace(content.sequences, timestamps=np.arange(100, 109))
    dataset = write_dataset(dataclasses.replace(content, sequences=timed), tmp_path / "timed")
    times = open_stored(dataset.folder).sequences.timestamps
    assert dataset.manifest.has_clock_times
    assert times is not None
    assert times.tolist() == list(range(100, 109))


def test_equal_content_gives_equal_bytes_and_hash(content: Content, tmp_path: Path) -> None:
    first = write_dataset(content, tmp_path / "one" / "tiny")
    second = write_dataset(content, tmp_path / "two" / "tiny")
    other = write_dataset(content, tmp_path / "renamed")
    for name in [*first.manifest.files, "manifest.json"]:
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    assert first.data_hash == other.data_hash


def test_another_feature_value_gives_another_hash(
    stored: Dataset, content: Content, tmp_path: Path
) -> None:
    tokens = np.arange(1, 19, dtype=np.float16).reshape(6, 3)
    text = dataclasses.replace(content.features["text"], tokens=tokens)
    changed = dataclasses.replace(content, features={**content.features, "text": text})
    assert write_dataset(changed, tmp_path / "changed").data_hash != stored.data_hash


def test_a_taken_name_is_refused_unless_overwritten(stored: Dataset, content: Content) -> None:
    with pytest.raises(DataError, match=r"is there already\. Add --overwrite .* another --name"):
        write_dataset(content, stored.folder)
    renamed = dataclasses.replace(content, users=["x", "y", "z"])
    assert write_dataset(renamed, stored.folder, overwrite=True).users == ["x", "y", "z"]


def test_failing_in_mid_write_leaves_nothing(
    content: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "save", _full_disk)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        write_dataset(content, tmp_path / "tiny")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_failing_in_mid_overwrite_keeps_the_old(
    stored: Dataset, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "save", _full_disk)
    with pytest.raises(DataError):
        write_dataset(content, stored.folder, overwrite=True)
    assert open_stored(stored.folder, verify=True).data_hash == stored.data_hash


def _full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_what_a_killed_writer_left_does_not_hinder(content: Content, tmp_path: Path) -> None:
    (tmp_path / ".tiny.draft").mkdir()
    (tmp_path / ".tiny.draft" / "half.npy").write_bytes(b"half")
    dataset = write_dataset(content, tmp_path / "tiny")
    assert not (dataset.folder / "half.npy").exists()


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    done: list[str] = []

    def write(word: str) -> None:
        with building(tmp_path / "x", overwrite=True) as draft:
            done.append(word)
            (draft / "word").write_text(word)

    with building(tmp_path / "x") as draft:
        other = threading.Thread(target=write, args=("second",))
        other.start()
        other.join(timeout=0.2)
        assert done == []
        (draft / "word").write_text("first")
    other.join()
    assert (tmp_path / "x" / "word").read_text() == "second"


def test_a_missing_file_is_named(stored: Dataset) -> None:
    (stored.folder / "features" / "text.tokens.npy").unlink()
    with pytest.raises(DataError, match=r"text\.tokens\.npy: is damaged: it is missing.*Import"):
        open_stored(stored.folder)


def test_a_cut_file_is_named(stored: Dataset) -> None:
    path = stored.folder / "interactions.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"interactions\.parquet: is damaged: it has \d+ bytes"):
        open_stored(stored.folder)


def test_a_flipped_byte_is_found_by_verifying_alone(stored: Dataset) -> None:
    path = stored.folder / "features" / "image.pooled.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    open_stored(stored.folder)
    with pytest.raises(DataError, match=r"image\.pooled\.npy: is damaged: its SHA-256"):
        open_stored(stored.folder, verify=True)


def test_a_damaged_table_is_named(stored: Dataset) -> None:
    path = stored.folder / "interactions.parquet"
    path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises(DataError, match=r"interactions\.parquet: is damaged: it is no readable"):
        _ = open_stored(stored.folder).sequences


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, r"`format` cannot be 99: this version reads 1"),
        ({"counts": {"users": "many"}}, r"`counts\."),
        ({"shoe_size": 43}, r"`shoe_size`"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(
    stored: Dataset, change: dict[str, object], message: str
) -> None:
    path = stored.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError, match=rf"manifest\.json: .*{message}"):
        open_stored(stored.folder)


def test_features_of_another_shape_than_the_manifest_says_are_refused(stored: Dataset) -> None:
    path = stored.folder / "features" / "image.pooled.npy"
    np.save(path, np.zeros((2, 5), np.float32))
    with pytest.raises(
        DataError, match=r"image\.pooled\.npy: .* must be float32 of shape \(5, 2\)"
    ):
        open_stored(stored.folder).catalogue()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "tokens, pooled vectors or layers"),
        ({"tokens": np.ones((2, 3), np.float16)}, "with their lengths"),
        (
            {"tokens": np.ones((2, 3), np.float16), "lengths": np.array([0, 1, 2])},
            "add up to 2 tokens",
        ),
        ({"pooled": np.ones((3, 2), np.float32)}, "row 0 must be zeros"),
        (
            {
                "pooled": np.eye(3, k=-1, dtype=np.float32),
                "missing": np.array([False, True, False]),
            },
            "zeros where they are missing",
        ),
    ],
)
def test_features_that_contradict_themselves_are_refused(
    given: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Features(**given)


def test_added_features_keep_the_rest_and_change_the_hash(stored: Dataset) -> None:
    pooled = np.zeros((5, 7), np.float16)
    pooled[1:] = 1
    more = add_features(stored, {"audio": Features(pooled=pooled)}, notes=("by ear",))
    assert set(open_stored(stored.folder, verify=True).manifest.modalities) == {
        "audio",
        "image",
        "text",
    }
    assert more.data_hash != stored.data_hash
    assert more.manifest.origin.notes == ("by ear",)
    assert more.sequences.of(0).tolist() == [1, 2, 3, 4]


def test_added_features_replace_older_ones_only_when_told_to(stored: Dataset) -> None:
    tokens = Features(tokens=np.ones((4, 7), np.float16), lengths=np.array([0, 1, 1, 1, 1]))
    with pytest.raises(DataError, match=r"has `text` features already \(tokens\)\. Add --overwr"):
        add_features(stored, {"text": tokens})
    text = add_features(stored, {"text": tokens}, overwrite=True).catalogue().modality("text")
    assert text.tokens is not None
    assert text.tokens.values.shape == (4, 7)


def test_added_features_of_other_items_are_refused(stored: Dataset) -> None:
    with pytest.raises(DataError, match="are of 2 items; the data set has 4"):
        add_features(stored, {"audio": Features(pooled=np.zeros((3, 7), np.float16))})


def test_pickling_carries_the_folder_and_not_the_content(stored: Dataset) -> None:
    _ = stored.sequences, stored.catalogue()
    pickled = pickle.dumps(stored)
    assert len(pickled) < 1000
    assert pickle.loads(pickled).data_hash == stored.data_hash


@pytest.fixture
def megabytes(content: Content, tmp_path: Path) -> Dataset:
    """A data set with 16 MB of token features."""
    tokens = np.ones((4 * 2**20, 2), np.float16)
    lengths = np.array([0, 2**20, 2**20, 2**20, 2**20])
    features = {"text": Features(tokens=tokens, lengths=lengths)}
    return write_dataset(dataclasses.replace(content, features=features), tmp_path / "large")


@pytest.fixture
def readers(megabytes: Dataset) -> Iterator[list[int]]:
    """Process ids of four processes that have read all features of one data set."""
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(4)]
    processes = [context.Process(target=_read, args=(megabytes, far)) for _, far in pipes]
    for process in processes:
        process.start()
    assert [near.recv() for near, _ in pipes] == [8 * 2**20] * 4
    yield [process.pid or 0 for process in processes]
    for (near, _), process in zip(pipes, processes, strict=True):
        near.send("end")
        process.join()


def _read(dataset: Dataset, pipe: Connection) -> None:
    tokens = open_stored(dataset.folder).catalogue().modality("text").tokens
    assert tokens is not None
    pipe.send(int(tokens.values.numpy().sum(dtype=np.int64)))
    pipe.recv()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_share_the_pages_of_the_features(readers: list[int]) -> None:
    if not Path("/proc/self/smaps").exists():
        pytest.skip("this system does not tell which pages are shared (no /proc/PID/smaps)")
    for reader in readers:
        memory = _memory(reader, "text.tokens.npy")
        assert memory["Rss"] >= 16 * 1024
        assert memory["Private_Dirty"] <= 64
        assert memory["Pss"] <= memory["Rss"] / 3


def _memory(process: int, file_name: str) -> dict[str, int]:
    """Kilobytes of a process's mapping of one file, by kind."""
    lines = Path(f"/proc/{process}/smaps").read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.endswith(file_name))
    fields = [line.split() for line in lines[start + 1 : start + 20]]
    return {f[0].rstrip(":"): int(f[1]) for f in fields if f[-1] == "kB"}
