import numpy as np
import pytest
import torch

from orchestrator.data import derived, open_dataset
from orchestrator.data.derived import TrainingDerived, summed_pairs
from orchestrator.data.interactions import sequences_of

SEQUENCES = sequences_of([[1, 2, 3], [2, 1], [4], [1, 5, 1, 2]])


def dense(max_distance=50, sequences=SEQUENCES, num_items=6):
    return TrainingDerived(sequences, num_items).cooccurrence(max_distance=max_distance).to_dense()


def test_cooccurrence_sums_inverse_distances_over_users_and_pairs():
    found = dense()
    assert found[1, 2] == 1 + 1 + 1 / 3 + 1  # two users side by side; in the last, 3 apart and 1
    assert found[1, 3] == 1 / 2
    assert found[2, 3] == 1
    assert found[1, 5] == 1 + 1
    assert found[2, 5] == 1 / 2


def test_cooccurrence_is_symmetric_without_self_pairs_and_without_padding():
    found = dense()
    assert torch.equal(found, found.T)
    assert not found.diagonal().any()  # 1 stands twice in the last sequence
    assert not found[0].any()
    assert not found[4].any()
    assert not found[6].any()


def test_cooccurrence_is_coalesced_in_truth():
    found = TrainingDerived(SEQUENCES, 6).cooccurrence(max_distance=50)
    again = torch.sparse_coo_tensor(
        found.indices(), found.values(), found.shape, check_invariants=True
    ).coalesce()
    assert found.is_coalesced()
    assert torch.equal(found.indices(), again.indices())
    assert torch.equal(found.values(), again.values())


def test_pairs_beyond_the_distance_limit_do_not_count():
    assert dense(max_distance=1)[1, 3] == 0
    assert dense(max_distance=2)[1, 2] == 1 + 1 + 1


def test_chunks_of_pairs_sum_to_the_same(monkeypatch):
    generator = np.random.default_rng(0)
    lists = [generator.integers(1, 30, size=length).tolist() for length in (40, 3, 1, 17)]
    whole = summed_pairs(sequences_of(lists), 31, max_distance=20)
    monkeypatch.setattr(derived, "MAX_PAIRS", 10)
    parts = summed_pairs(sequences_of(lists), 31, max_distance=20)
    np.testing.assert_allclose(parts.toarray(), whole.toarray(), rtol=1e-12)


def test_cooccurrence_equals_a_plain_count_over_all_pairs():
    generator = np.random.default_rng(1)
    lists = [generator.integers(1, 12, size=length).tolist() for length in (9, 2, 14)]
    expected = np.zeros((13, 13))
    for items in lists:
        for i, one in enumerate(items):
            for j, other in enumerate(items):
                if i != j and one != other:
                    expected[one, other] += 1 / abs(i - j)
    found = dense(sequences=sequences_of(lists), num_items=12)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_no_sequence_of_two_items_gives_an_empty_matrix():
    found = TrainingDerived(sequences_of([[1], [2]]), 3).cooccurrence(max_distance=5)
    assert found.shape == (4, 4)
    assert found._nnz() == 0


def test_held_out_items_occur_with_nothing(data_dir):
    dataset = open_dataset("tiny", data_dir)
    split = dataset.split
    trained = set(split.train.items.tolist())
    found = dataset.derived.cooccurrence(max_distance=50).to_dense()
    only_held_out = sorted(set(range(1, dataset.num_items + 1)) - trained)
    assert not found[only_held_out].any()
    expected = summed_pairs(split.train, dataset.num_items + 1, max_distance=50).toarray()
    np.testing.assert_allclose(found.numpy(), expected + expected.T, rtol=1e-6)


def test_clusters_find_groups_that_lie_apart():
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    vectors = torch.cat([c + 0.1 * torch.randn(5, 2, generator=generator) for c in centres])
    found = TrainingDerived(SEQUENCES, 15).clusters(vectors, 3, seed=0)
    groups = found.view(3, 5)
    assert (groups == groups[:, :1]).all()
    assert sorted(groups[:, 0].tolist()) == [0, 1, 2]


@pytest.mark.parametrize("seed", [0, 2**40 + 3])
def test_equal_seeds_give_equal_clusters_and_other_seeds_others(seed):
    vectors = torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
    of = TrainingDerived(SEQUENCES, 60)
    assert torch.equal(of.clusters(vectors, 8, seed=seed), of.clusters(vectors, 8, seed=seed))
    assert not torch.equal(of.clusters(vectors, 8, seed=seed), of.clusters(vectors, 8, seed=7))


def test_clusters_that_would_take_hours_are_refused_with_the_number_that_would_not(monkeypatch):
    of, vectors = TrainingDerived(SEQUENCES, 60), torch.randn(60, 4)
    monkeypatch.setattr(derived, "MAX_PRODUCTS", 60 * 4 * 5)
    with pytest.raises(ValueError, match=r"60 items .* 6 clusters .* `model.num_clusters` to 5"):
        of.clusters(vectors, 6, seed=0)
    assert of.clusters(vectors, 5, seed=0).max() == 4


def test_popularity_counts_occurrences_in_training():
    assert TrainingDerived(SEQUENCES, 6).popularity().tolist() == [0, 4, 3, 1, 1, 1, 0]


def test_clusters_of_a_few_rounds_are_as_many_and_repeat():
    vectors = torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
    of = TrainingDerived(SEQUENCES, 60)
    found = of.clusters(vectors, 30, seed=3, rounds=2)
    assert len(found.unique()) == 30
    assert torch.equal(found, of.clusters(vectors, 30, seed=3, rounds=2))
    assert not torch.equal(found, of.clusters(vectors, 30, seed=3))


def test_fewer_distinct_vectors_than_clusters_are_clusters_of_their_own():
    vectors = torch.randn(3, 4, generator=torch.Generator().manual_seed(1)).repeat(5, 1)
    found = TrainingDerived(SEQUENCES, 15).clusters(vectors, 6, seed=0, rounds=5)
    assert (found.view(5, 3) == found[:3]).all()
    assert len(found.unique()) == 3


def test_pairs_may_count_as_one_whatever_their_distance():
    found = TrainingDerived(SEQUENCES, 6).cooccurrence(max_distance=50, inverse=False).to_dense()
    assert found[1, 2] == 4
    assert found[1, 3] == 1


def test_held_out_items_are_counted_where_that_is_asked_for_alone(data_dir):
    dataset = open_dataset("tiny", data_dir)
    found = dataset.derived.cooccurrence(max_distance=50, held_out=True).to_dense()
    everything = summed_pairs(dataset.sequences, dataset.num_items + 1, max_distance=50).toarray()
    np.testing.assert_allclose(found.numpy(), everything + everything.T, rtol=1e-6)
    assert found.sum() > dataset.derived.cooccurrence(max_distance=50).to_dense().sum()
    with pytest.raises(ValueError, match="no held-out items"):
        TrainingDerived(SEQUENCES, 6).cooccurrence(max_distance=50, held_out=True)
