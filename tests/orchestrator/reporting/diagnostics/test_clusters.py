import numpy as np
import pytest
import torch

from models import Clustered
from orchestrator.diagnosis.embedding import silhouette
from orchestrator.reporting.diagnostics.clusters import (
    SHOWN,
    Items,
    draw_clusters,
    places_frame,
    silhouette_frame,
)


def items(seed, *, num=40, num_clusters=4, never=False):
    random = np.random.default_rng(seed)
    clusters = np.arange(num) % num_clusters
    before = random.normal(0, 1, (num, 6)).astype(np.float32)
    added = 4 * random.normal(0, 1, (num_clusters, 6)).astype(np.float32)
    one = Clustered(
        clusters=torch.from_numpy(clusters),
        before=torch.from_numpy(before),
        after=torch.from_numpy(before + added[clusters]),
    )
    other = {"text": one.before, "else": one.before} if never else {}
    return Items(clustered={"text": one}, never=other)


@pytest.fixture(scope="module")
def pictured():
    """The items of one seed and their places."""
    one = items(0, num=60, num_clusters=SHOWN + 3)
    return one, places_frame(one)


def test_silhouettes_are_those_of_the_same_clusters():
    one = items(0, never=True)
    frame = silhouette_frame({1: items(1), 0: one})
    assert frame[["seed", "side"]].to_numpy().tolist() == [
        *([0, "without"], [0, "with"], [0, "never_had"]),
        *([1, "without"], [1, "with"]),
    ]
    own = one.clustered["text"]
    expected = silhouette(own.after.numpy(), own.clusters.numpy())
    assert frame["silhouette"].iloc[1] == expected > frame["silhouette"].iloc[0]
    assert frame["silhouette"].iloc[2] == frame["silhouette"].iloc[0]


def test_places_name_each_item_and_the_largest_clusters(pictured):
    one, frame = pictured
    assert list(frame.columns) == ["source", "side", "item", "cluster", "place", "x", "y"]
    for _, own in frame.groupby("side"):
        assert own["item"].tolist() == list(range(1, 61))
        assert own["cluster"].tolist() == one.clustered["text"].clusters.tolist()
        assert set(own["place"]) == set(range(-1, SHOWN))
        shown = own[own["place"] >= 0]
        sizes = shown.groupby("place").size()
        assert sizes.is_monotonic_decreasing
        assert sizes.min() >= own[own["place"] < 0].groupby("cluster").size().max()


def test_the_figure_sets_both_sides_of_each_source_beside_each_other(info, texts, told):
    drawing = draw_clusters({0: items(0, never=True), 1: items(1, never=True)}, info)
    assert len(drawing.figure.axes) == 2
    numbers = told(drawing)
    sides = ("without", "with", "never had", "with less without")
    assert set(numbers) == {(f"text, {side}", "silhouette") for side in sides}
    without, with_it, _, rise = (numbers[f"text, {side}", "silhouette"][0] for side in sides)
    assert rise == pytest.approx(with_it - without)
    (verdict,) = drawing.verdicts()
    assert verdict.startswith(f"text, with less without, silhouette: {rise:+.3f} (95 % interval")
    assert numbers["text, with", "silhouette"][3] == 2
    shown = " ".join(texts(drawing.figure))
    assert f"text, with cluster embedding: {numbers['text, with', 'silhouette'][0]:+.3f}" in shown
    assert "cluster 4" in shown
    assert "cluster 5" not in shown
    assert list(drawing.beside) == ["silhouette"]
    assert any(note.startswith("Never had") for note in drawing.notes)


def test_without_a_model_that_never_had_clusters_none_is_told_of(info):
    drawing = draw_clusters({0: items(0)}, info)
    assert not any(note.startswith("Never had") for note in drawing.notes)
