import dataclasses

import numpy as np
import pytest
import torch

from orchestrator.data import open_dataset, quantise
from orchestrator.data.derived import TrainingDerived
from orchestrator.data.interactions import sequences_of
from orchestrator.data.quantise import Codebooks, quantised

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.standard_normal((40, 10)).astype(np.float32)
ALL = np.ones(40, dtype=bool)


@pytest.mark.parametrize("rotate", [True, False])
@pytest.mark.parametrize(("codebooks", "centroids"), [(5, 4), (4, 16), (16, 2)])
def test_each_part_of_each_vector_has_a_code(rotate, codebooks, centroids):
    """Whether the width is a multiple of the number of parts or not."""
    found = quantised(VECTORS, ALL, Codebooks(codebooks, centroids, rotate), kept=None)
    assert found.shape == (40, codebooks)
    assert found.max() < centroids
    assert len(np.unique(found, axis=0)) > 10
    again = quantised(VECTORS, ALL, Codebooks(codebooks, centroids, rotate), kept=None)
    np.testing.assert_array_equal(found, again)


def test_vectors_that_lie_close_share_their_codes():
    centres = 10 * RANDOM.standard_normal((4, 6)).astype(np.float32)
    vectors = np.repeat(centres, 8, axis=0)
    vectors += 0.01 * RANDOM.standard_normal(vectors.shape).astype(np.float32)
    found = quantised(vectors, np.ones(32, dtype=bool), Codebooks(3, 4, rotate=True), kept=None)
    groups = [{tuple(code) for code in group} for group in found.reshape(4, 8, 3)]
    assert sum(map(len, groups)) <= 8
    assert len(set.union(*groups)) == sum(map(len, groups)), "those that lie apart share none"


def test_what_is_not_learnt_from_changes_no_other_code():
    learnt_from = ALL.copy()
    learnt_from[30:] = False
    changed = VECTORS.copy()
    changed[30:] *= 7
    shape = Codebooks(5, 8, rotate=True)
    found, other = (quantised(v, learnt_from, shape, kept=None) for v in (VECTORS, changed))
    np.testing.assert_array_equal(found[:30], other[:30])
    assert (found[30:] != other[30:]).any()


def test_codes_are_made_once_for_the_same_inputs(tmp_path, monkeypatch):
    shape = Codebooks(5, 4, rotate=True)
    kept = tmp_path / "kept"
    first = quantised(VECTORS, ALL, shape, kept=kept)
    made = []
    monkeypatch.setattr(quantise, "_codes", lambda *of: made.append(of) or np.array(first))
    np.testing.assert_array_equal(quantised(VECTORS, ALL, shape, kept=kept), first)
    assert not made
    learnt_from = np.arange(40) < 30
    for inputs in [(VECTORS + 1, ALL, shape), (VECTORS, learnt_from, shape)]:
        quantised(*inputs, kept=kept)
    quantised(VECTORS, ALL, shape._replace(rotate=False), kept=kept)
    assert len(made) == 3
    assert all(file.suffix == ".npy" for file in kept.iterdir())


def test_a_damaged_file_is_made_anew(tmp_path):
    shape = Codebooks(5, 4, rotate=False)
    first = quantised(VECTORS, ALL, shape, kept=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    np.testing.assert_array_equal(quantised(VECTORS, ALL, shape, kept=tmp_path), first)
    assert len(np.load(file)) == 40


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    found = quantised(VECTORS, ALL, Codebooks(5, 4, rotate=False), kept=blocked)
    assert found.shape == (40, 5)


def test_codes_and_popularity_are_of_the_training_part(data_dir):
    dataset = open_dataset("tiny", data_dir)
    trained = dataset.split.train.items.tolist()
    counts = dataset.derived.popularity()
    assert counts.tolist() == [trained.count(item) for item in range(dataset.num_items + 1)]


def test_codebooks_are_learnt_from_items_that_occur_in_training():
    of = TrainingDerived(sequences_of([[1, 2, 3, 4], [5, 6, 7, 8]]), 40)
    shape = {"num_codebooks": 5, "num_centroids": 8, "rotate": False}
    found = of.product_codes(torch.from_numpy(VECTORS), **shape)
    learnt_from = np.arange(40) < 8
    expected = quantised(VECTORS, learnt_from, Codebooks(5, 8, rotate=False), kept=None)
    np.testing.assert_array_equal(found.numpy(), expected)
    with pytest.raises(ValueError, match=r"`num_centroids` cannot be 16: only 8 items"):
        of.product_codes(torch.from_numpy(VECTORS), **{**shape, "num_centroids": 16})


def test_codes_are_kept_beside_the_data_sets(data_dir):
    dataset = open_dataset("tiny", data_dir)
    vectors = torch.from_numpy(RANDOM.standard_normal((dataset.num_items, 6)).astype(np.float32))
    shape = {"num_codebooks": 2, "num_centroids": 4, "rotate": False}
    found = dataset.derived.product_codes(vectors, **shape)
    assert list((data_dir / ".derived").glob("codes-*.npy"))
    elsewhere = dataclasses.replace(dataset.derived, kept=None)
    assert torch.equal(elsewhere.product_codes(vectors, **shape), found)
