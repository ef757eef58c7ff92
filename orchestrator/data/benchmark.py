"""Import of the layout that UniSRec, MISSRec and DeCoRec publish their preprocessed data in.

``NAME.user2index`` and ``NAME.item2index`` number users and items; each row of
``NAME.{train,valid,test}.inter`` is a history and the item after it; ``NAME.text`` describes the
items; ``NAME.feat1CLS`` (text) and ``NAME.feat3CLS`` (image) hold one raw float32 vector per item,
and either may be absent. A user's whole sequence is the test row; every other row must agree with
it. Our item is the file's index plus 1. A feature row of zeros counts as missing.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from orchestrator.data.features import Features
from orchestrator.data.interactions import sequences_of
from orchestrator.data.lines import integers, read_rows, wrong
from orchestrator.data.manifest import BENCHMARK, Origin, file_hash
from orchestrator.data.split import HELD_OUT
from orchestrator.data.store import Content, ItemTable

REQUIRED = ("train.inter", "valid.inter", "test.inter", "text", "user2index", "item2index")
FEATURES = {"feat1CLS": "text", "feat3CLS": "image"}
INTER_HEADER = ("user_id:token", "item_id_list:token_seq", "item_id:token")
TEXT_HEADER = ("item_id:token", "text:token_seq")
LICENCE = "Amazon review data, for research use"


@dataclass(frozen=True)
class _Row:
    """One row of an ``.inter`` file: where it stands, whose it is, and history plus target."""

    line: int
    user: int
    items: list[int]


def benchmark_name(folder: Path) -> str | None:
    """NAME of the files in a folder, as it is spelt there; None where the layout is another.

    Raises:
        DataError: the folder holds several data sets, or one with a file missing.
    """
    suffix = ".train.inter"
    names = sorted(path.name.removesuffix(suffix) for path in folder.glob(f"*{suffix}"))
    if not names:
        return None
    if len(names) > 1:
        raise wrong(folder, f"holds several data sets: {', '.join(names)}. Keep one per folder")
    for part in REQUIRED:
        if not (folder / f"{names[0]}.{part}").is_file():
            raise wrong(folder / f"{names[0]}.{part}", "is missing, and this layout needs it")
    return names[0]


def read_benchmark(folder: Path) -> Content:
    """Read a data set of this layout.

    Raises:
        DataError: two files disagree, or a line or number cannot be; names the file and line.
    """
    name = benchmark_name(folder)
    assert name is not None
    paths = {part: folder / f"{name}.{part}" for part in (*REQUIRED, *FEATURES)}
    users, items = _index(paths["user2index"]), _index(paths["item2index"])
    sequences = _sequences(paths, num_users=len(users), num_items=len(items))
    texts = _texts(paths["text"], items)
    table = ItemTable(["", *items], ["", *texts], [None] * (len(items) + 1))
    return Content(
        sequences=sequences_of([[item + 1 for item in sequence] for sequence in sequences]),
        users=users,
        items=table,
        features=_features(paths, len(items)),
        origin=_origin(paths, sequences),
    )


def _index(path: Path) -> list[str]:
    """Raw ids in the order of their index."""
    raw: dict[int, str] = {}
    names: set[str] = set()
    for line, (name, word) in read_rows(path, columns=(2,)):
        (index,) = integers(path, line, [word], kind="index")
        if index in raw:
            raise wrong(path, f"index {index} is given twice", line=line)
        if name in names:
            raise wrong(path, f"{name!r} has an index already", line=line)
        raw[index] = name
        names.add(name)
    if sorted(raw) != list(range(len(raw))):
        missing = min(set(range(len(raw))) - raw.keys())
        raise wrong(path, f"indices must count 0..{len(raw) - 1}; {missing} is missing")
    return [raw[index] for index in range(len(raw))]


def _sequences(paths: dict[str, Path], *, num_users: int, num_items: int) -> list[list[int]]:
    """Whole sequence of each user, from the test rows, which all other rows must agree with."""
    rows = {
        part: _rows(paths[f"{part}.inter"], num_users, num_items)
        for part in ("train", "valid", "test")
    }
    test = _one_each(paths["test.inter"], rows["test"], num_users)
    sequences = [test[user].items for user in range(num_users)]
    valid = _one_each(paths["valid.inter"], rows["valid"], num_users)
    for user, row in sorted(valid.items()):
        if row.items != sequences[user][:-1]:
            rule = f"user {user}: must be the test row without its target (see .test.inter)"
            raise wrong(paths["valid.inter"], rule, line=row.line)
    _check_train(paths["train.inter"], rows["train"], sequences)
    return sequences


def _rows(path: Path, num_users: int, num_items: int) -> list[_Row]:
    rows = []
    for line, (user_word, history, target) in read_rows(path, columns=(3,), header=INTER_HEADER):
        (user,) = integers(path, line, [user_word], kind="user")
        items = integers(path, line, [*history.split(), target], kind="item")
        if user >= num_users:
            raise wrong(path, f"user {user} is not in 0..{num_users - 1}", line=line)
        if max(items) >= num_items:
            raise wrong(path, f"item {max(items)} is not in 0..{num_items - 1}", line=line)
        if len(items) == 1:
            raise wrong(path, f"user {user} has no history", line=line)
        rows.append(_Row(line, user, items))
    return rows


def _one_each(path: Path, rows: list[_Row], num_users: int) -> dict[int, _Row]:
    """The one row of each user."""
    found: dict[int, _Row] = {}
    for row in rows:
        if row.user in found:
            raise wrong(path, f"user {row.user} has a row already", line=row.line)
        found[row.user] = row
    if len(found) != num_users:
        missing = min(set(range(num_users)) - found.keys())
        raise wrong(path, f"user {missing} has no row; every user needs one")
    return found


def _check_train(path: Path, rows: list[_Row], sequences: list[list[int]]) -> None:
    """Each row must be a beginning of its user's sequence; each beginning must be there once."""
    seen: set[tuple[int, int]] = set()
    for row in rows:
        length, sequence = len(row.items), sequences[row.user]
        if length > len(sequence) - HELD_OUT or row.items != sequence[:length]:
            rule = f"user {row.user}: is not how the training part of the user's sequence begins"
            raise wrong(path, f"{rule} (see .test.inter)", line=row.line)
        if (row.user, length) in seen:
            raise wrong(path, f"user {row.user}: repeats an earlier row", line=row.line)
        seen.add((row.user, length))
    for user, sequence in enumerate(sequences):
        for length in range(2, len(sequence) - HELD_OUT + 1):
            if (user, length) not in seen:
                raise wrong(path, f"user {user} has no row with a history of {length - 1} items")


def _texts(path: Path, items: list[str]) -> list[str]:
    """Text of each item, in the order of their indices."""
    known, texts = set(items), dict[str, str]()
    for line, (item, text) in read_rows(path, columns=(2,), header=TEXT_HEADER):
        if item not in known:
            raise wrong(path, f"item {item!r} is not in .item2index", line=line)
        if item in texts:
            raise wrong(path, f"item {item!r} has a text already", line=line)
        texts[item] = text.strip()
    if missing := known - texts.keys():
        raise wrong(path, f"item {min(missing)!r} of .item2index has no line")
    return [texts[item] for item in items]


def _features(paths: dict[str, Path], num_items: int) -> dict[str, Features]:
    return {
        modality: _vectors(paths[part], num_items)
        for part, modality in FEATURES.items()
        if paths[part].is_file()
    }


def _vectors(path: Path, num_items: int) -> Features:
    """One float32 vector per item, row after row."""
    size = path.stat().st_size
    if size == 0 or size % (4 * num_items):
        rule = f"has {size} bytes, which are not float32 vectors of {num_items} items"
        raise wrong(path, rule)
    values: Float32[np.ndarray, "items width"] = np.fromfile(path, "<f4").reshape(num_items, -1)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise wrong(path, f"row {bad[0]} (counted from 0) holds NaN or infinity")
    pooled = np.concatenate([np.zeros_like(values[:1]), values])
    missing = np.logical_not(pooled.any(axis=1))
    missing[0] = False
    return Features(pooled=pooled, missing=missing)


def _origin(paths: dict[str, Path], sequences: list[list[int]]) -> Origin:
    present = [path for path in paths.values() if path.is_file()]
    num_rows = sum(len(sequence) - 1 for sequence in sequences)
    note = f"The .inter files hold {num_rows} rows, which papers count as the interactions."
    return Origin(
        importer=BENCHMARK,
        licence=LICENCE,
        sources={path.name: file_hash(path) for path in present},
        notes=(note,),
    )
