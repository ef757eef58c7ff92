"""Finding an item of a data set by what a user knows of it."""

import re
from collections.abc import Sequence

from orchestrator.data.store import Dataset
from orchestrator.errors import ConfigError

NUMBER = re.compile(r"#(\d+)")
_NAMED = 5
"""Items that a message about several names."""
_LETTERS = 40
"""Of a text in a message."""
_WAYS = "Give a raw id, a number such as '#17', or a part of its text."


def find_item(dataset: Dataset, given: str) -> int:
    """The number of the one item that a user means.

    Args:
        dataset: where it is.
        given: its raw id, ``#`` and its number, or a part of its text in whatever case; a text
            that is given whole goes before those that it is a part of.

    Raises:
        ConfigError: there is no such item, or there are several.
    """
    wanted = given.strip()
    if not wanted:
        raise ConfigError(f"ITEM: cannot be empty. {_WAYS}")
    if wanted in dataset.items.raw_ids:
        return dataset.items.raw_ids.index(wanted)
    if number := NUMBER.fullmatch(wanted):
        return _numbered(dataset, int(number[1]))
    return _by_text(dataset, wanted)


def cut(text: str, letters: int) -> str:
    """A text in one line of at most so many letters."""
    line = " ".join(text.split())
    return line if len(line) <= letters else f"{line[: letters - 1].rstrip()}…"


def _numbered(dataset: Dataset, number: int) -> int:
    if not 1 <= number <= dataset.num_items:
        raise ConfigError(
            f"ITEM: cannot be #{number}: {dataset.name} has the items #1 to #{dataset.num_items}."
        )
    return number


def _by_text(dataset: Dataset, wanted: str) -> int:
    texts = [text.casefold() for text in dataset.items.texts]
    whole = [item for item, text in enumerate(texts) if text.strip() == wanted.casefold()]
    found = whole or [item for item, text in enumerate(texts) if wanted.casefold() in text]
    if not found:
        raise ConfigError(
            f"ITEM: no item of {dataset.name} has the id `{wanted}` or that in its text. {_WAYS}"
        )
    if len(found) > 1:
        raise ConfigError(
            f"ITEM: `{wanted}` is in the texts of {len(found)} items of {dataset.name}: "
            f"{_named(dataset, found)}. Give the id of one of them."
        )
    return found[0]


def _named(dataset: Dataset, found: Sequence[int]) -> str:
    """Up to five of some items, with their ids."""
    items = dataset.items
    named = [
        f"{items.raw_ids[item]} ({cut(items.texts[item], _LETTERS)})" for item in found[:_NAMED]
    ]
    more = len(found) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
