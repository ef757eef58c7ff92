"""What tokens stand for is kept beside them, and goes with them."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.data import (
    Content,
    Dataset,
    Features,
    PlantedConfig,
    add_features,
    make_planted,
    write_dataset,
)
from orchestrator.data.store import open_stored
from orchestrator.errors import DataError

WORDS = ["one", "two", "##s", "three", "##s", "four"]


def tokens(*lengths: int, words: list[str] | None = None) -> Features:
    return Features(
        tokens=np.ones((sum(lengths), 3), np.float16),
        lengths=np.array([0, *lengths], np.int32),
        words=words,
    )


@pytest.fixture
def named(content: Content, tmp_path: Path) -> Dataset:
    """Items of 1, 2, 2 and 1 tokens, with their words."""
    text = dataclasses.replace(content.features["text"], words=WORDS)
    changed = dataclasses.replace(content, features={**content.features, "text": text})
    return write_dataset(changed, tmp_path / "named")


def test_each_item_has_the_words_of_its_own_tokens(named: Dataset) -> None:
    again = open_stored(named.folder, verify=True)
    found = [again.words("text", item) for item in range(5)]
    assert found == [[], ["one"], ["two", "##s"], ["three", "##s"], ["four"]]
    assert "features/text.words.parquet" in again.manifest.files


def test_a_data_set_without_words_says_so(content: Content, tmp_path: Path) -> None:
    stored = write_dataset(content, tmp_path / "tiny")
    assert stored.words("text", 1) is None
    assert stored.words("image", 1) is None
    assert not (stored.folder / "features" / "text.words.parquet").exists()


def test_words_are_replaced_with_their_tokens_alone(named: Dataset) -> None:
    pooled = np.ones((5, 2), np.float16)
    pooled[0] = 0
    more = add_features(named, {"text": Features(pooled=pooled)})
    assert more.words("text", 2) == ["two", "##s"]
    other = tokens(1, 1, 3, 1, words=["a", "b", "c", "d", "e", "f"])
    other = add_features(more, {"text": other}, overwrite=True)
    assert other.words("text", 3) == ["c", "d", "e"]
    silent = add_features(other, {"text": tokens(1, 1, 3, 1)}, overwrite=True)
    assert silent.words("text", 3) is None
    assert "features/text.words.parquet" not in silent.manifest.files


def test_words_change_the_hash(named: Dataset, content: Content, tmp_path: Path) -> None:
    assert write_dataset(content, tmp_path / "tiny").data_hash != named.data_hash


@pytest.mark.parametrize("given", [tokens(1, 1), Features(pooled=np.zeros((3, 2), np.float16))])
def test_words_that_are_not_one_for_each_token_are_refused(given: Features) -> None:
    with pytest.raises(ValueError, match="`words` must be one for each token"):
        dataclasses.replace(given, words=["a", "b", "c"])


def test_a_file_of_other_words_is_named(named: Dataset) -> None:
    path = named.folder / "features" / "text.words.parquet"
    pq.write_table(pa.table({"word": WORDS[:-1]}), path)
    with pytest.raises(DataError, match=r"text\.words\.parquet: is damaged: it must name 6 tokens"):
        named.words("text", 1)


def test_the_planted_world_keeps_its_hash(tmp_path: Path) -> None:
    """Runs on it are known by it; its words follow from its parameters."""
    made = make_planted(PlantedConfig(), name="planted", data_dir=tmp_path)
    assert made.data_hash == "28d88007554609d2"
    assert made.words("text", 1) is None
