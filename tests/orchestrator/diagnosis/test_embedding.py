import math

import numpy as np
import pytest

from orchestrator.diagnosis import embedding
from orchestrator.diagnosis.embedding import drawn_items, largest_clusters, plane, silhouette


@pytest.fixture(scope="module")
def bundles():
    """Three bundles of directions, and which of them each vector is of."""
    random = np.random.default_rng(0)
    centres = np.eye(3, 6)
    clusters = np.repeat(np.arange(3), 12)
    vectors = 5 * centres[clusters] + random.normal(0, 0.3, (36, 6))
    return vectors.astype(np.float32), clusters


def cosine_distance(a, b):
    return 1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def test_silhouette_is_its_formula():
    vectors = np.array([[1, 0], [1, 1], [0, 1], [-1, 3]], dtype=np.float32)
    clusters = np.array([0, 0, 1, 1])
    total = 0.0
    for item, own in enumerate(clusters):
        apart = [cosine_distance(vectors[item], other) for other in vectors]
        mates = [apart[i] for i in range(4) if clusters[i] == own and i != item]
        others = [apart[i] for i in range(4) if clusters[i] != own]
        a, b = np.mean(mates), np.mean(others)
        total += (b - a) / max(a, b)
    assert silhouette(vectors, clusters) == pytest.approx(total / 4, abs=1e-5)


def test_silhouette_tells_clusters_that_lie_apart_from_others(bundles):
    vectors, clusters = bundles
    mixed = np.random.default_rng(1).permutation(clusters)
    assert silhouette(vectors, clusters) > 0.8
    assert silhouette(vectors, mixed) < 0.1


@pytest.mark.parametrize("clusters", [[0, 0, 0], [0, 1, 2]])
def test_one_cluster_or_one_for_each_item_has_no_silhouette(clusters):
    assert math.isnan(silhouette(np.eye(3, dtype=np.float32), np.array(clusters)))


def test_the_plane_keeps_bundles_together_and_is_the_same_each_time(bundles):
    vectors, clusters = bundles
    places = plane(vectors, seed=3)
    assert places.shape == (36, 2)
    centres = np.stack([places[clusters == one].mean(axis=0) for one in range(3)])
    nearest = np.linalg.norm(places[:, None] - centres[None], axis=2).argmin(axis=1)
    assert (nearest == clusters).mean() > 0.9
    np.testing.assert_array_equal(places, plane(vectors, seed=3))


def test_few_items_have_a_plane_too():
    assert plane(np.eye(4, dtype=np.float32)).shape == (4, 2)


def test_items_are_drawn_where_they_are_many(monkeypatch):
    assert drawn_items(5).tolist() == [0, 1, 2, 3, 4]
    monkeypatch.setattr(embedding, "MAX_ITEMS", 10)
    drawn = drawn_items(40, seed=1)
    assert len(set(drawn.tolist())) == 10
    assert drawn.tolist() == sorted(drawn.tolist())
    assert drawn.tolist() == drawn_items(40, seed=1).tolist() != drawn_items(40, seed=2).tolist()


def test_the_largest_clusters_come_first():
    clusters = np.array([3, 1, 1, 5, 5, 5, 3, 0])
    assert largest_clusters(clusters, 3).tolist() == [5, 1, 3]
    assert largest_clusters(clusters, 9).tolist() == [5, 1, 3, 0]
