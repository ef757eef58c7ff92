import math

import numpy as np
import pytest

from orchestrator.data.features import Features
from orchestrator.data.interactions import sequences_of
from orchestrator.data.manifest import Origin
from orchestrator.data.store import Content, ItemTable, write_dataset
from orchestrator.diagnosis import recall_views as module
from orchestrator.diagnosis.recall_views import VIEWS, recall_views
from orchestrator.errors import ConfigError


def features(vectors, missing=()):
    pooled = np.concatenate([np.zeros((1, len(vectors[0]))), vectors]).astype(np.float32)
    is_missing = np.isin(np.arange(len(pooled)), missing)
    pooled[is_missing] = 0
    return Features(pooled=pooled, missing=is_missing if missing else None)


@pytest.fixture
def make(tmp_path):
    """Lists of items by user, and vectors by modality -> a data set."""

    def dataset(lists, **modalities):
        num_items = max(max(items) for items in lists)
        names = [str(item) for item in range(num_items + 1)]
        content = Content(
            sequences=sequences_of(lists),
            users=[str(user) for user in range(len(lists))],
            items=ItemTable(names, names, [None] * len(names)),
            features=modalities,
            origin=Origin(importer="test", licence="none"),
        )
        return write_dataset(content, tmp_path / "small")

    return dataset


@pytest.fixture
def small(make):
    """Items 1, 2, 3 look alike, and so do 4, 5; training parts are all but the last two."""
    turns = np.radians([0, 10, 15, 90, 105])
    vectors = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    return make([[1, 2, 4, 5, 3], [1, 2, 3, 5], [4, 5, 4, 1]], text=features(vectors))


def by_view(found):
    assert tuple(one.view for one in found) == VIEWS
    return {one.view: one for one in found}


def test_counts_are_those_worked_out_by_hand(small):
    # Training parts [1 2 4], [1 2], [4 5]: 1-2 co-occur by 2, 1-4 by 1/2, 2-4 by 1, 4-5 by 1.
    # First by co-occurrence: 1 -> 2, 2 -> 1, 4 -> 2 (before 5, which is as near), 5 -> 4.
    # First by features: 1 -> 2, 2 -> 3, 3 -> 2, 4 -> 5, 5 -> 4.
    # Test histories {1 2 4 5}, {1 2 3}, {4 5}, with targets 3, 5, 1.
    found = by_view(recall_views(small, num_predicted=1))
    assert [one.k for one in found.values()] == [1, 1, 2]
    similar, interest = found["modal_similarity"], found["interest"]
    # Users get {2 3 5 4} without {1 2 4 5}, {2 3} without {1 2 3}, and {5 4} without {4 5}.
    assert (similar.num_recalled, similar.num_predicted, similar.num_users) == (1, 1, 3)
    assert similar.precision == 1.0
    # Users get {2 1 4}, {2 1} and {2 4}: of these only the last one's 2 is new, and wrong.
    assert (interest.num_recalled, interest.num_predicted) == (0, 1)
    # Of the two first, the views agree on 1 -> 2, 2 -> 1, 4 -> 5, 5 -> 4: all of it was had. Of the
    # three first, they would add 2 -> 4 and 4 -> 2, which is one too many.
    both = found["modality_interest"]
    assert (both.num_recalled, both.num_predicted) == (0, 0)
    assert math.isnan(both.precision)


def test_items_of_the_history_count_where_they_are_kept(small):
    found = by_view(recall_views(small, num_predicted=1, keeps_history=True))
    counts = {view: (one.num_recalled, one.num_predicted) for view, one in found.items()}
    assert counts == {"modal_similarity": (1, 8), "interest": (0, 7), "modality_interest": (0, 4)}


def random_world(random, num_items=14, num_users=30):
    lists = [
        random.integers(1, num_items + 1, size=length).tolist()
        for length in random.integers(1, 9, size=num_users)
    ]
    lists.append(list(range(1, num_items + 1)))
    width = {"text": 3, "image": 2}
    vectors = {name: random.integers(-2, 3, (num_items, size)) for name, size in width.items()}
    return lists, vectors


def near_slowly(lists, num_items):
    near = np.zeros((num_items + 1, num_items + 1))
    for items in (items[:-2] if len(items) > 2 else items for items in lists):
        for one, first in enumerate(items):
            for other, second in enumerate(items):
                if first != second:
                    near[first, second] += 1 / abs(one - other)
    return near


def similar_slowly(vectors, missing, num_items):
    similar = np.zeros((num_items + 1, num_items + 1))
    for name, own in vectors.items():
        absent = missing if name == "text" else ()
        for first, a in enumerate(own, start=1):
            for second, b in enumerate(own, start=1):
                length = np.linalg.norm(a) * np.linalg.norm(b)
                if length and first not in absent and second not in absent:
                    similar[first, second] += a @ b / length
    return similar


def counted_slowly(lists, vectors, missing, k, *, keeps_history):
    """The three views by plain loops over pairs."""
    num_items = len(vectors["text"])
    near = near_slowly(lists, num_items)
    similar = similar_slowly(vectors, missing, num_items)

    def first_by(scores, item, *, above):
        others = [i for i in range(1, num_items + 1) if i != item and scores[item, i] > above]
        return set(sorted(others, key=lambda i: (-round(scores[item, i], 5), i))[:k])

    counts = {view: [0, 0] for view in VIEWS}
    for *history, target in (items for items in lists if len(items) > 2):
        recalled = {view: set() for view in VIEWS}
        for item in history:
            interest = first_by(near, item, above=0)
            alike = first_by(similar, item, above=-math.inf)
            recalled["interest"] |= interest
            recalled["modal_similarity"] |= alike
            recalled["modality_interest"] |= interest & alike
        for view, items in recalled.items():
            kept = items if keeps_history else items - set(history)
            counts[view][0] += target in kept
            counts[view][1] += len(kept)
    return counts


@pytest.mark.parametrize("keeps_history", [False, True])
@pytest.mark.parametrize("limit", [None, 1])
def test_counts_are_those_of_plain_loops(make, monkeypatch, keeps_history, limit):
    if limit:  # an item and a user at a time
        monkeypatch.setattr(module, "MAX_SIMILARITIES", limit)
        monkeypatch.setattr(module, "MAX_PREDICTIONS", limit)
    lists, vectors = random_world(np.random.default_rng(0))
    dataset = make(
        lists, text=features(vectors["text"], missing=(3, 7)), image=features(vectors["image"])
    )
    for target in (1, 60, 120, 10**6):
        for one in recall_views(dataset, num_predicted=target, keeps_history=keeps_history):
            slow = counted_slowly(lists, vectors, (3, 7), one.k, keeps_history=keeps_history)
            assert [one.num_recalled, one.num_predicted] == slow[one.view]


def test_each_k_gives_the_nearest_number_of_predictions(make):
    lists, vectors = random_world(np.random.default_rng(1))
    dataset = make(lists, **{name: features(own) for name, own in vectors.items()})
    sizes = {
        view: [counted_slowly(lists, vectors, (), k, keeps_history=False)[view][1] for k in ks]
        for view in VIEWS
        for ks in [range(1, 14)]
    }
    for target in (1, 40, 80, 120, 160, 10**6):
        for one in recall_views(dataset, num_predicted=target):
            misses = [abs(size - target) for size in sizes[one.view]]
            assert abs(one.num_predicted - target) == min(misses)
            assert one.k == 1 + misses.index(min(misses))


def test_the_interval_is_that_of_a_ratio_over_users(make):
    lists, vectors = random_world(np.random.default_rng(2), num_users=200)
    dataset = make(lists, **{name: features(own) for name, own in vectors.items()})
    for one in recall_views(dataset, num_predicted=600):
        assert one.low < one.precision < one.high
        # About the binomial one, as a user's predictions hold one right item at most.
        width = 2 * 1.96 * math.sqrt(one.precision * (1 - one.precision) / one.num_predicted)
        assert 0.7 < (one.high - one.low) / width < 1.3


def test_one_user_has_no_interval(make):
    (*_, both) = recall_views(make([[1, 2, 3]], text=features([[1, 0]] * 3)), num_predicted=1)
    assert math.isnan(both.low)
    assert both.num_predicted == 0


def test_a_data_set_without_features_and_no_target_are_refused(make):
    dataset = make([[1, 2, 3, 4]])
    with pytest.raises(ConfigError, match=r"small: has no pooled features to compare items by\."):
        recall_views(dataset, num_predicted=3)
    with pytest.raises(ConfigError, match=r"the number of predictions cannot be 0"):
        recall_views(dataset, num_predicted=0)
