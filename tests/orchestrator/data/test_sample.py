"""A few users and items of a data set, as one of its own."""

import numpy as np
import pytest
import torch

from orchestrator.data import Features, Origin, Sequences, open_dataset, write_dataset
from orchestrator.data import sample as sample_module
from orchestrator.data.interactions import sequences_of
from orchestrator.data.sample import sample
from orchestrator.data.store import Content, ItemTable

LISTS = [[9, 2, 5, 7, 3], [1, 2], [8, 8, 4, 6], [10, 1, 4, 2]]
TIMES = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]


@pytest.fixture
def dataset(tmp_path):
    """Ten items; item ``i`` has ``i % 3`` text tokens and a pooled image, all worth ``i``."""
    lengths = np.arange(11) % 3
    tokens = np.repeat(np.arange(11), lengths)[:, None] * np.ones((1, 2))
    pooled = np.arange(11)[:, None] * np.ones((1, 3))
    features = {
        "text": Features(tokens=tokens.astype(np.float32), lengths=lengths),
        "image": Features(
            pooled=pooled.astype(np.float16),
            layers=np.stack([pooled, -pooled], axis=1).astype(np.float16),
        ),
    }
    names = [str(item) for item in range(11)]
    content = Content(
        sequences=sequences_of(LISTS, TIMES),
        users=["a", "b", "c", "d"],
        items=ItemTable(names, names, [None] * 11),
        features=features,
        origin=Origin(importer="test", licence="none"),
    )
    return write_dataset(content, tmp_path / "ten")


@pytest.fixture
def few(dataset, monkeypatch):
    """The first and the third user: the second trains nothing, the fourth is one too many."""
    monkeypatch.setattr(sample_module, "MAX_ITEMS", 8)
    monkeypatch.setattr(sample_module, "MIN_ITEMS", 2)
    return sample(dataset)


def lists(sequences: Sequences):
    return [sequences.of(user).tolist() for user in range(len(sequences))]


def test_a_small_data_set_is_its_own_sample(dataset):
    assert sample(dataset) is dataset


def test_the_first_users_come_with_their_items(few):
    assert (few.num_users, few.num_items) == (2, 8)
    assert few.kept.tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    back = [0, *few.kept.tolist()]
    restored = [[back[item] for item in items] for items in lists(few.sequences)]
    assert restored == [LISTS[0], LISTS[2]]
    assert few.sequences.timestamps.tolist() == [*TIMES[0], *TIMES[2]]
    assert lists(few.split.train) == [items[:-2] for items in lists(few.sequences)]


def test_features_go_with_their_items(few):
    catalogue = few.catalogue()
    assert catalogue.num_items == 8
    text, image = (catalogue.modality(name) for name in ("text", "image"))
    assert text.tokens.lengths.tolist() == [0, 2, 0, 1, 2, 0, 1, 2, 0]
    assert text.tokens.values[:, 0].tolist() == [2, 2, 4, 5, 5, 7, 8, 8]
    assert text.missing.nonzero().flatten().tolist() == [2, 5, 8]
    assert image.pooled[:, 0].tolist() == [0, 2, 3, 4, 5, 6, 7, 8, 9]
    assert image.pooled.dtype == torch.float16
    assert image.layers[:, 1, 0].tolist() == [0, -2, -3, -4, -5, -6, -7, -8, -9]


def test_what_is_derived_is_of_the_sample(few):
    near = few.catalogue().derivations().cooccurrence(max_distance=1).to_dense()
    assert near.shape == (9, 9)
    assert near[8, 1] == 1  # 9 and 2 stand beside each other


def test_wide_features_leave_room_for_fewer_items(dataset, monkeypatch):
    """An item here has about 1 token of width 2 and three vectors of width 3."""
    monkeypatch.setattr(sample_module, "MIN_ITEMS", 2)
    monkeypatch.setattr(sample_module, "MAX_FEATURES", 60)
    few = sample(dataset)
    assert few.num_items == 5
    assert few.num_users == 1


def test_only_the_newest_of_a_long_history_are_taken(dataset, monkeypatch):
    monkeypatch.setattr(sample_module, "MAX_ITEMS", 9)
    monkeypatch.setattr(sample_module, "MAX_LENGTH", 4)
    few = sample(dataset)
    back = [0, *few.kept.tolist()]
    assert [back[item] for item in few.sequences.of(0)] == LISTS[0][1:]


def test_a_data_set_without_a_user_who_fits_is_taken_whole(dataset, monkeypatch):
    monkeypatch.setattr(sample_module, "MAX_ITEMS", 2)
    assert sample(dataset) is dataset


def test_a_sample_of_a_planted_world_trains(data_dir, monkeypatch):
    monkeypatch.setattr(sample_module, "MAX_ITEMS", 20)
    few = sample(open_dataset("tiny", data_dir))
    assert few.num_items <= 20
    assert len(few.split.train.items)
