"""Counts are compared digit for digit, by the rule of the paper that prints them."""

import math

import pytest

from orchestrator.data.manifest import Counts
from orchestrator.reproduction.declared import find_exhibit
from orchestrator.reproduction.statistics import counted

BEAUTY = Counts(users=22363, items=12101, interactions=198502, targets=176139, training_targets=1)
SCIENTIFIC = Counts(users=2928, items=1585, interactions=19712, targets=16784, training_targets=1)


def verdicts(name, dataset, counts):
    return {count.metric: count.verdict for count in counted(find_exhibit(name), dataset, counts)}


def test_the_papers_own_counts_are_reproduced():
    assert set(verdicts("tame/table1", "beauty", BEAUTY).values()) == {"reproduced"}


def test_rows_of_history_and_target_and_the_padding_item_count_where_the_paper_counts_so():
    assert set(verdicts("decorec/table1", "scientific", SCIENTIFIC).values()) == {"reproduced"}


def test_one_user_more_is_different():
    more = Counts(users=22364, items=12101, interactions=198502, targets=1, training_targets=1)
    assert verdicts("tame/table1", "beauty", more) == {
        "num_users": "different",
        "num_items": "reproduced",
        "num_interactions": "reproduced",
        "interactions_per_user": "reproduced",
        "interactions_per_item": "reproduced",
        "sparsity_percent": "reproduced",
    }


def test_a_stand_in_is_counted_and_not_judged():
    found = counted(find_exhibit("tame/table1"), "scientific", SCIENTIFIC)
    assert {count.verdict for count in found} == {""}
    assert all(math.isnan(count.printed) for count in found)
    assert found[2].text(found[2].ours) == "19,712"


@pytest.mark.parametrize(
    ("metric", "text"),
    [("interactions_per_item", "16.40"), ("sparsity_percent", "99.93"), ("num_users", "22,363")],
)
def test_numbers_are_written_as_the_paper_prints_them(metric, text):
    (count,) = (
        c for c in counted(find_exhibit("tame/table1"), "beauty", BEAUTY) if c.metric == metric
    )
    assert count.text(count.printed) == count.text(count.ours) == text
