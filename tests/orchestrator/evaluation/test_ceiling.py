from collections import Counter

import numpy as np
import pytest

from orchestrator.config import EvalConfig
from orchestrator.data.interactions import sequences_of
from orchestrator.data.manifest import Origin
from orchestrator.data.planted import PlantedConfig, make_planted, oracle_scores
from orchestrator.data.split import activity_groups
from orchestrator.data.store import Content, ItemTable, write_dataset
from orchestrator.evaluation.ceiling import ceiling, popularity

CONFIG = EvalConfig(cutoffs=(1, 5, 10))
MEAN_TIES = EvalConfig(cutoffs=(1, 5, 10), ties="mean")
WORLD = PlantedConfig(num_users=2000, num_items=60, text_tokens=(2, 3), image_tokens=2, width=4)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return make_planted(WORLD, name="world", data_dir=tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    lists = [[1, 2, 3, 4], [1, 2, 4, 3], [1, 3, 2, 1], [1, 2]]
    names = [str(item) for item in range(6)]  # item 5 is never taken
    content = Content(
        sequences=sequences_of(lists),
        users=["a", "b", "c", "d"],
        items=ItemTable(names, names, [None] * 6),
        origin=Origin(importer="test", licence="none"),
    )
    return write_dataset(content, tmp_path_factory.mktemp("data") / "plain")


@pytest.mark.parametrize("prefix", ["val", "test"])
def test_ceiling_is_what_the_probabilities_promise(planted, prefix):
    users = planted.split.valid if prefix == "val" else planted.split.test
    chances = np.exp(oracle_scores(WORLD, users.histories(1)))
    best = -np.sort(-chances, axis=1)
    found = ceiling(planted, config=CONFIG, prefix=prefix)
    assert found is not None
    for cutoff in CONFIG.cutoffs:
        gains = 1 / np.log2(np.arange(2, cutoff + 2))
        spread = 4 * 0.5 / np.sqrt(len(users))  # four standard errors at most
        assert found[f"{prefix}/hit@{cutoff}"] == pytest.approx(
            best[:, :cutoff].sum(axis=1).mean(), abs=spread
        )
        assert found[f"{prefix}/ndcg@{cutoff}"] == pytest.approx(
            (best[:, :cutoff] * gains).sum(axis=1).mean(), abs=spread
        )


def test_ceiling_lies_above_popularity_which_lies_above_chance(planted):
    high = ceiling(planted, config=CONFIG, prefix="test")
    low = popularity(planted, config=CONFIG, prefix="test")
    assert high is not None
    assert set(high) == set(low)
    assert high["test/ndcg@10"] > 2 * low["test/ndcg@10"]
    assert low["test/hit@10"] > 10 / 60


def test_equally_likely_items_are_not_charged_for_their_ties(tmp_path):
    config = PlantedConfig(
        num_users=300, num_items=60, num_facets=1, facet_values=2, popularity_exponent=0.0,
        text_tokens=(1, 1), image_tokens=1, width=2,
    )  # fmt: skip
    dataset = make_planted(config, name="ties", data_dir=tmp_path)
    worst = ceiling(dataset, config=CONFIG, prefix="test")
    assert worst is not None
    assert worst == ceiling(dataset, config=MEAN_TIES, prefix="test")
    # about a quarter of the items share the likeliest facets, with probability 0.9 ** 2 together
    assert worst["test/hit@10"] == pytest.approx(0.81 * 10 / 15, abs=0.2)


def test_other_data_sets_have_no_ceiling(plain):
    assert ceiling(plain, config=CONFIG, prefix="val") is None


def test_popularity_counts_training_parts_alone(plain):
    # training parts: 1 2 | 1 2 | 1 3 | 1 2: item 1 four times, 2 three times, 3 once, 4 and 5 never
    config = EvalConfig(cutoffs=(1, 2, 3, 5, 10))
    valid = popularity(plain, config=config, prefix="val")  # targets 3, 4, 2: ranks 3, 5, 2
    assert valid["val/hit@1"] == 0
    assert valid["val/hit@2"] == pytest.approx(1 / 3)
    assert valid["val/hit@3"] == pytest.approx(2 / 3)
    assert valid["val/mrr@10"] == pytest.approx((1 / 3 + 1 / 5 + 1 / 2) / 3)
    test = popularity(plain, config=config, prefix="test")  # targets 4, 3, 1: ranks 5, 3, 1
    assert test["test/mrr@10"] == pytest.approx((1 / 5 + 1 / 3 + 1) / 3)


def test_popularity_with_mean_ties(plain):
    config = EvalConfig(cutoffs=(10,), ties="mean")
    found = popularity(plain, config=config, prefix="test")  # item 4 ties with 5: rank 4.5
    assert found["test/mrr@10"] == pytest.approx((1 / 4.5 + 1 / 3 + 1) / 3)


def test_popularity_without_seen_items(plain):
    config = EvalConfig(cutoffs=(10,), exclude_seen=True)
    found = popularity(plain, config=config, prefix="test")
    # 1 2 3 | 4: ties with 5, rank 2; 1 2 4 | 3: rank 1; 1 3 2 | 1: rank 1, a target stays
    assert found["test/mrr@10"] == pytest.approx((1 / 2 + 1 + 1) / 3)


def test_groups_recombine_to_the_overall_mean(planted):
    groups = activity_groups(planted.split)
    sizes = {name: members.sum() for name, members in groups.items()}
    for found in (
        ceiling(planted, config=CONFIG, prefix="test", groups=groups),
        popularity(planted, config=CONFIG, prefix="test", groups=groups),
    ):
        assert found is not None
        parts = sum(size * found[f"test/ndcg@10/{group}"] for group, size in sizes.items())
        assert parts / sum(sizes.values()) == pytest.approx(found["test/ndcg@10"])


def test_planted_target_frequencies_match_the_oracle(planted):
    # the oracle is the law that the users were drawn from: first items follow popularity
    firsts = Counter(planted.sequences.items[planted.sequences.offsets[:-1]].tolist())
    chances = np.exp(oracle_scores(WORLD, np.zeros((1, 1), dtype=np.int64)))[0]
    for item, chance in enumerate(chances, start=1):
        error = np.sqrt(WORLD.num_users * chance)
        assert abs(firsts[item] - WORLD.num_users * chance) < 5 * error
