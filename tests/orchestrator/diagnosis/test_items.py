"""An item is found by its id, its number or a part of its text, or it is said why not."""

import numpy as np
import pytest

from orchestrator.data import Content, Features, ItemTable, Origin, write_dataset
from orchestrator.data.interactions import sequences_of
from orchestrator.diagnosis.items import cut, find_item
from orchestrator.errors import ConfigError

RAW_IDS = ["", "A1", "B2", "#2", "C", "D", "E", "F"]
TEXTS = ["", "Red shoe", "Red shoes, two", "", "Toy Story", "TOY STORY 2", "a red  hat", "ÜBER"]


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    pooled = np.zeros((8, 2), np.float32)
    content = Content(
        sequences=sequences_of([[1, 2, 3, 4, 5, 6, 7]]),
        users=["u"],
        items=ItemTable(RAW_IDS, TEXTS, [None] * 8),
        features={"text": Features(pooled=pooled)},
        origin=Origin(importer="test", licence="none"),
    )
    return write_dataset(content, tmp_path_factory.mktemp("sets") / "things")


@pytest.mark.parametrize(
    ("given", "item"),
    [
        ("A1", 1),
        (" B2 ", 2),
        ("#5", 5),
        ("#2", 3),  # a raw id goes before a number
        ("SHOES", 2),
        ("toy story", 4),  # the whole text goes before those that it is a part of
        ("story 2", 5),
        ("red  hat", 6),
        ("über", 7),
    ],
)
def test_an_item_is_found(things, given, item):
    assert find_item(things, given) == item


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("  ", r"^ITEM: cannot be empty\. Give a raw id, a number such as '#17', or a part"),
        ("#0", r"^ITEM: cannot be #0: things has the items #1 to #7\.$"),
        ("#8", r"^ITEM: cannot be #8: things has the items #1 to #7\.$"),
        ("blue", r"^ITEM: no item of things has the id `blue` or that in its text\. Give a raw"),
        ("a1", r"^ITEM: no item of things has the id `a1` or that in its text\."),
        (
            "stor",
            r"^ITEM: `stor` is in the texts of 2 items of things: C \(Toy Story\), "
            r"D \(TOY STORY 2\)\. Give the id of one of them\.$",
        ),
        ("o", r"of 4 items of things: A1 \(Red shoe\), B2 \(Red shoes, two\), C .* D "),
        ("e", r"of 4 items .*, F \(ÜBER\)\. Give"),
    ],
)
def test_what_is_no_item_or_several_is_one_sentence(things, given, sentence):
    with pytest.raises(ConfigError, match=sentence):
        find_item(things, given)


def test_five_of_many_items_are_named(tmp_path, things):
    items = ItemTable(["", *"abcdefgh"], ["", *(f"thing {n}" for n in range(8))], [None] * 9)
    content = Content(
        sequences=sequences_of([list(range(1, 9))]),
        users=["u"],
        items=items,
        origin=Origin(importer="test", licence="none"),
    )
    many = write_dataset(content, tmp_path / "many")
    with pytest.raises(ConfigError, match=r"of 8 .*: a \(thing 0\), .*, e \(thing 4\) and 3 more"):
        find_item(many, "thing")


def test_a_text_is_cut_with_a_sign_that_says_so():
    assert cut("one\n two", 20) == "one two"
    assert cut("one two three", 9) == "one two…"
    assert len(cut("x" * 99, 9)) == 9
