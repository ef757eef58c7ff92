"""Import of plain layouts: items and their texts in ``items.tsv``, and who took what in order.

Who took what is either in ``sequences.txt`` (user, TAB, items separated by spaces and oldest
first; optionally TAB and as many Unix timestamps) or in ``ratings.tsv`` (user_id, item_id, rating,
timestamp). Ratings are ordered by time, in the file's order where times are equal; every rating
counts as an interaction, whatever its value; users and items with too few are dropped until none
is left.

Rules for items:

- an item of ``items.tsv`` without an interaction (that was kept) is dropped, and the manifest
  says how many were;
- an item that somebody took but ``items.tsv`` lacks is kept with an empty text, and counted;
- the text joins the columns that are asked for, in that order; unless any is, all columns but the
  first, except those that hold only numbers (flags, years) or only names of picture files;
- categories come from the columns that are asked for, and from none otherwise: what stands between
  `|`, or between commas, or else between spaces, whichever of these the column has first;
- pictures lie in ``images/`` or ``posters/``; an item's picture is the one that a column of
  picture names gives it, else the one named after its id.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from orchestrator.data.interactions import Sequences, k_core, sequences_of
from orchestrator.data.lines import integers, read_lines, read_rows, wrong
from orchestrator.data.manifest import Origin, file_hash
from orchestrator.data.store import Content, ItemTable

SEQUENCES, RATINGS, ITEMS = "sequences.txt", "ratings.tsv", "items.tsv"
RATINGS_HEADER = ("user_id", "item_id", "rating", "timestamp")
PICTURE_FOLDERS = ("images", "posters")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
MIN_INTERACTIONS = 5
"""Of every user and every item of a ratings file, unless the importer is told otherwise."""
LICENCE = "not stated by the source; for your own use"


@dataclass(frozen=True)
class _Taken:
    """Raw ids of users, and of each one's items with, perhaps, their times."""

    users: list[str]
    items: list[list[str]]
    times: list[list[int]] | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Described:
    """What ``items.tsv`` says: a text per raw id, and the picture's file name where it has one."""

    texts: dict[str, str]
    pictures: dict[str, str]
    text_columns: tuple[str, ...] | None = None
    """The columns that were asked for as text, each once."""
    categories: dict[str, list[str]] | None = None
    """Of each raw id, where columns were asked for."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Columns of ``items.tsv`` that are asked for; None leaves it to the reader."""

    text: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None


def read_sequences(
    folder: Path, *, images: Path | None = None, columns: Columns | None = None
) -> Content:
    """Read a data set with a ``sequences.txt``.

    Args:
        folder: where the files lie.
        images: the folder of pictures, where it lies elsewhere.
        columns: columns of ``items.tsv`` that make the text, where not all do, and categories.

    Raises:
        DataError: a line cannot be; names the file and the line. There is no such column.
    """
    described = _read_items(folder / ITEMS, columns or Columns())
    return _content(folder, SEQUENCES, _read_sequences(folder / SEQUENCES), described, images)


def read_ratings(
    folder: Path,
    *,
    images: Path | None = None,
    columns: Columns | None = None,
    min_interactions: int = MIN_INTERACTIONS,
) -> Content:
    """Read a data set with a ``ratings.tsv``.

    Args:
        folder: where the files lie.
        images: the folder of pictures, where it lies elsewhere.
        columns: columns of ``items.tsv`` that make the text, where not all do, and categories.
        min_interactions: users and items with fewer are dropped, again and again.

    Raises:
        DataError: a line cannot be, or nothing is left; names the file and the line. There is no
            such column.
    """
    described = _read_items(folder / ITEMS, columns or Columns())
    taken = _read_ratings(folder / RATINGS, min_interactions)
    return _content(folder, RATINGS, taken, described, images)


def _read_sequences(path: Path) -> _Taken:
    rows: dict[str, tuple[list[str], list[int] | None]] = {}
    for line, fields in read_rows(path, columns=(2, 3)):
        if fields[0] in rows:
            raise wrong(path, f"user {fields[0]!r} has a line already", line=line)
        items = fields[1].split()
        if not items:
            raise wrong(path, f"user {fields[0]!r} has no items", line=line)
        times = _times(path, line, fields[2].split(), len(items)) if len(fields) > 2 else None
        rows[fields[0]] = (items, times)
    if not rows:
        raise wrong(path, "holds no users")
    clocks = [times for _, times in rows.values() if times is not None]
    if clocks and len(clocks) != len(rows):
        raise wrong(path, "has timestamps for some users only. Give them for all or for none")
    return _Taken(list(rows), [items for items, _ in rows.values()], clocks or None)


def _times(path: Path, line: int, words: list[str], num_items: int) -> list[int]:
    times = integers(path, line, words, kind="timestamp")
    if len(times) != num_items:
        raise wrong(path, f"has {num_items} items but {len(times)} timestamps", line=line)
    if any(later < earlier for earlier, later in pairwise(times)):
        raise wrong(path, "timestamps must ascend: items come oldest first", line=line)
    return times


def _read_ratings(path: Path, min_interactions: int) -> _Taken:
    users, items, times = _rating_columns(path)
    user_names, user_codes = _codes(users)
    item_names, item_codes = _codes(items)
    kept = k_core(user_codes, item_codes, minimum=min_interactions)
    if not kept.any():
        raise wrong(path, f"no user and item has {min_interactions} interactions")
    clock = np.asarray(times, dtype=np.int64)
    order = np.flatnonzero(kept)
    order = order[np.lexsort((clock[order], user_codes[order]))]  # stable: ties keep file order
    starts = np.flatnonzero(np.diff(user_codes[order], prepend=-1))
    places = np.split(order, starts[1:])
    dropped = len(users) - len(order)
    return _Taken(
        [user_names[user_codes[place[0]]] for place in places],
        [[item_names[code] for code in item_codes[place]] for place in places],
        [clock[place].tolist() for place in places],
        (f"{dropped} interactions of users or items with fewer than {min_interactions} dropped.",),
    )


def _rating_columns(path: Path) -> tuple[list[str], list[str], list[int]]:
    users, items, times = [], [], []
    for line, (user, item, _, time) in read_rows(path, columns=(4,), header=RATINGS_HEADER):
        users.append(user)
        items.append(item)
        times += integers(path, line, [time], kind="timestamp")
    return users, items, times


def _codes(names: list[str]) -> tuple[list[str], np.ndarray]:
    """Distinct names in order of appearance, and the place of each name among them."""
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return list(places), np.fromiter((places[name] for name in names), np.int64, len(names))


def _content(
    folder: Path, source: str, taken: _Taken, described: _Described, images: Path | None
) -> Content:
    used = dict.fromkeys(item for row in taken.items for item in row)
    raw_ids = [item for item in described.texts if item in used]
    raw_ids += [item for item in used if item not in described.texts]
    place = {raw: item for item, raw in enumerate(raw_ids, start=1)}
    pictures = _pictures(folder, images, raw_ids, described)
    texts = [described.texts.get(raw, "") for raw in raw_ids]
    notes = (*taken.notes, *_notes(raw_ids, described, texts, pictures))
    return Content(
        sequences=_sequences(taken, place),
        users=taken.users,
        items=ItemTable(["", *raw_ids], ["", *texts], [None, *pictures]),
        categories=_categories_of(described, raw_ids),
        origin=Origin(
            importer=source.partition(".")[0],
            licence=LICENCE,
            sources={name: file_hash(folder / name) for name in (source, ITEMS)},
            notes=notes,
        ),
    )


def _sequences(taken: _Taken, place: Mapping[str, int]) -> Sequences:
    return sequences_of([[place[raw] for raw in row] for row in taken.items], taken.times)


def _categories_of(described: _Described, raw_ids: Sequence[str]) -> list[list[str]] | None:
    known = described.categories
    return None if known is None else [[], *(known.get(raw, []) for raw in raw_ids)]


def _read_items(path: Path, asked: Columns) -> _Described:
    header, rows = _item_rows(path)
    columns = list(zip(*rows.values(), strict=True))
    pictured = [n for n, values in enumerate(columns) if n and _all(values, _is_picture)]
    spoken = [
        n
        for n, values in enumerate(columns)
        if n and n not in pictured and not _all(values, _is_number)
    ]
    text_columns = None if asked.text is None else tuple(dict.fromkeys(asked.text))
    if text_columns is not None:
        spoken = _places(path, header, text_columns, option="--text-columns")
    return _Described(
        {raw: join_text(fields[n] for n in spoken) for raw, fields in rows.items()},
        {raw: fields[n] for raw, fields in rows.items() for n in pictured if fields[n]},
        text_columns,
        _read_categories(path, header, rows, asked.categories),
    )


def _read_categories(
    path: Path, header: list[str], rows: Mapping[str, list[str]], names: tuple[str, ...] | None
) -> dict[str, list[str]] | None:
    """Categories of each item, each once and in alphabetical order."""
    if names is None:
        return None
    found: dict[str, set[str]] = {raw: set() for raw in rows}
    for place in _places(path, header, names, option="--category-columns"):
        divider = _divider(fields[place] for fields in rows.values())
        for raw, fields in rows.items():
            parts = (part.strip() for part in fields[place].split(divider))
            found[raw] |= {part for part in parts if part}
    if not any(found.values()):
        raise wrong(path, f"has nothing in the columns {', '.join(names)} of --category-columns")
    return {raw: sorted(own) for raw, own in found.items()}


def _divider(values: Iterable[str]) -> str | None:
    """What stands between a column's categories; None for any white space."""
    text = "".join(values)
    return next((mark for mark in "|," if mark in text), None)


def _places(path: Path, header: list[str], names: tuple[str, ...], *, option: str) -> list[int]:
    """Where the named columns are; the first is the item's id and no text."""
    for name in names:
        if name not in header[1:]:
            has = ", ".join(header[1:])
            raise wrong(path, f"has no column `{name}` for {option}; it has {has}")
    return [header.index(name, 1) for name in names]


def _item_rows(path: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Names of the columns, and the fields of each item by raw id."""
    lines = read_lines(path)
    header = next(lines, (0, ""))[1].split("\t")
    rows: dict[str, list[str]] = {}
    for line, text in lines:
        fields = [field.strip() for field in text.split("\t")]
        if len(fields) != len(header):
            rule = f"must have {len(header)} columns like the header, has {len(fields)}"
            raise wrong(path, rule, line=line)
        if fields[0] in rows:
            raise wrong(path, f"item {fields[0]!r} has a line already", line=line)
        rows[fields[0]] = fields
    if not rows:
        raise wrong(path, "holds no items. It needs a header and a line per item")
    return header, rows


def _all(values: Iterable[str], rule: Callable[[str], bool]) -> bool:
    """Whether a column has values and all of them are of one kind."""
    present = [value for value in values if value]
    return bool(present) and all(map(rule, present))


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _is_picture(value: str) -> bool:
    return value.lower().endswith(PICTURE_SUFFIXES)


def join_text(fields: Iterable[str]) -> str:
    """One text of several fields, each a sentence of its own; empty fields leave no trace."""
    return " ".join(
        field if field.endswith((".", "!", "?")) else f"{field}." for field in fields if field
    )


def _pictures(
    folder: Path, images: Path | None, raw_ids: Sequence[str], described: _Described
) -> list[Path | None]:
    """The picture of each item, or None."""
    found = _picture_files(folder, images)
    by_stem = {path.stem: path for path in found.values()}
    return [
        found.get(described.pictures[raw]) if raw in described.pictures else by_stem.get(raw)
        for raw in raw_ids
    ]


def _picture_files(folder: Path, images: Path | None) -> dict[str, Path]:
    """File name -> path of all pictures."""
    if images is not None and not images.is_dir():
        raise wrong(images, "is no folder of pictures")
    places = [images] if images is not None else [folder / name for name in PICTURE_FOLDERS]
    present = sorted(path for place in places if place.is_dir() for path in place.iterdir())
    found = {path.name: path for path in present if _is_picture(path.name)}
    for path in found.values():
        if not path.stat().st_size:
            raise wrong(path, "is an empty file")
    return found


def _notes(
    raw_ids: Sequence[str],
    described: _Described,
    texts: Sequence[str],
    pictures: Sequence[Path | None],
) -> Iterator[str]:
    """What was dropped and what is missing, as sentences."""
    if described.text_columns is not None:
        yield f"The text is made of these columns of {ITEMS}: {', '.join(described.text_columns)}."
    unused = len(described.texts.keys() - set(raw_ids))
    unknown = sum(raw not in described.texts for raw in raw_ids)
    if unused:
        yield f"{unused} items of {ITEMS} dropped: no interaction that was kept has them."
    if unknown:
        yield f"{unknown} items are not in {ITEMS}; kept with an empty text."
    if empty := sum(not text for text in texts):
        yield f"{empty} items have no text."
    if any(pictures) and None in pictures:
        yield f"{pictures.count(None)} items have no picture."
