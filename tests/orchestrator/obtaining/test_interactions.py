"""Columns, k-core, numbers and order, against the definitions written out slowly."""

import gzip
import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import DataError
from orchestrator.obtaining.declaration import InteractionFile
from orchestrator.obtaining.interactions import (
    Interactions,
    core_of,
    frequent_items,
    num_ties,
    only_items,
    read_core,
    read_interactions,
    read_rows,
    rows_of,
    without_repeats,
    write_core,
    write_rows,
)

CSV = InteractionFile(
    file="a.csv", format="separated", columns={"item": 0, "user": 1, "rating": 2, "time": 3}
)
DAT = InteractionFile(
    file="a.dat",
    format="separated",
    separator="::",
    columns={"user": 0, "item": 1, "time": 3},
    encoding="latin-1",
)
JSON = InteractionFile(
    file="a.json.gz",
    format="json-lines",
    columns={"user": "reviewerID", "item": "asin", "time": "unixReviewTime"},
)
ROWS = [("u2", "x", 5.0, 30), ("u1", "y", 1.0, 20), ("u2", "y", 5.0, 10), ("u1", "x", 2.0, 20)]


def plain(found):
    """Rows with names."""
    users, items = found.user_names.to_pylist(), found.item_names.to_pylist()
    columns = zip(found.users, found.items, found.times, strict=True)
    return [(users[user], items[item], int(time)) for user, item, time in columns]


@pytest.fixture
def write(tmp_path):
    def run(layout, text):
        path = tmp_path / layout.file
        content = text.encode(layout.encoding)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path

    return run


def texts():
    csv = "".join(f"{item},{user},{rating},{time}\n" for user, item, rating, time in ROWS)
    dat = "".join(f"{user}::{item}::{rating:.0f}::{time}\n" for user, item, rating, time in ROWS)
    reviews = [{"reviewerID": u, "asin": i, "unixReviewTime": t, "x": {}} for u, i, _, t in ROWS]
    return [(CSV, csv), (DAT, dat), (JSON, "\n".join(map(json.dumps, reviews)) + "\n\n")]


@pytest.mark.parametrize(("layout", "text"), texts(), ids=["csv", "dat", "json"])
def test_every_form_gives_the_same_rows(write, layout, text):
    found = read_interactions(write(layout, text), layout)
    assert plain(found) == [(user, item, time) for user, item, _, time in ROWS]
    assert found.user_names.to_pylist() == ["u2", "u1"]
    if layout is CSV:
        assert found.ratings.tolist() == [5.0, 1.0, 5.0, 2.0]


def test_many_blocks_are_one_file(write, monkeypatch):
    monkeypatch.setattr("orchestrator.obtaining.interactions.BLOCK", 64)
    rows = [(f"u{n % 7}", f"i{n % 11}", n) for n in range(200)]
    text = "".join(f"{item},{user},1.0,{time}\n" for user, item, time in rows)
    found = read_interactions(write(CSV, text), CSV)
    assert plain(found) == rows
    assert found.user_names.to_pylist() == [f"u{n}" for n in range(7)]


@pytest.mark.parametrize(
    ("layout", "text", "rule"),
    [
        (CSV, "x,u,5.0,soon\n", "soon"),
        (CSV, "x,u,5.0,1\nx,u\n", "Expected 4 columns, got 2"),
        (CSV, "x,u\n", "too few"),
        (DAT, "u::x::1\n", "line 1: has 3 columns, too few"),
        (DAT, "u::x::1::2\nu::::1::2\n", "line 2: has no user, item, time"),
        (JSON, '{"reviewerID": "u", "asin": "x"}\n', "line 1: has no user, item, time"),
        (JSON, "[1]\n", "line 1: is no object"),
        (JSON, "{\n", "line 1: cannot be read"),
        (JSON, "\n", "holds no interactions"),
    ],
)
def test_a_line_that_cannot_be_is_refused(write, layout, text, rule):
    with pytest.raises(DataError, match=rule) as caught:
        read_interactions(write(layout, text), layout)
    assert str(caught.value).startswith(layout.file)


def test_a_line_that_is_too_long_is_refused(write, monkeypatch):
    monkeypatch.setattr("orchestrator.obtaining.reading.LONGEST_LINE", 50)
    path = write(JSON, json.dumps({"reviewerID": "u" * 60}))
    with pytest.raises(DataError, match="line 1: has more than 50 bytes"):
        read_interactions(path, JSON)


def made(rows):
    """Interactions of (user, item, time), names being numbers."""
    users, items, times = (np.array([row[n] for row in rows]) for n in range(3))
    names = [pa.array([str(n) for n in range(20)]) for _ in range(2)]
    return Interactions(
        users.astype(np.int32), items.astype(np.int32), times.astype(np.int64), None, *names
    )


rows_strategy = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=60
)


def reference(rows, minimum):
    """Sequences of the k-core by the definition; None where nothing is left."""
    while True:
        users, items = Counter(row[0] for row in rows), Counter(row[1] for row in rows)
        kept = [row for row in rows if min(users[row[0]], items[row[1]]) >= minimum]
        if len(kept) == len(rows):
            break
        rows = kept
    return {
        user: [(item, time) for one, item, time in sorted(rows, key=lambda r: r[2]) if one == user]
        for user in sorted({row[0] for row in rows})
    }


@given(rows=rows_strategy, minimum=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_the_core_is_that_of_the_definition_in_order_of_time_and_file(rows, minimum):
    expected = reference(rows, minimum)
    if not expected:
        with pytest.raises(DataError, match="nothing is left"):
            core_of(made(rows), minimum=minimum)
        return
    core = core_of(made(rows), minimum=minimum)
    users, items = core.user_names.to_pylist(), core.item_names.to_pylist()
    found = {
        int(users[place]): [
            (int(items[item - 1]), int(time))
            for item, time in zip(
                core.sequences.of(place),
                core.sequences.timestamps[slice(*core.sequences.offsets[place : place + 2])],
                strict=True,
            )
        ]
        for place in range(len(core.sequences))
    }
    assert found == expected
    assert sorted(map(int, items)) == sorted({item for row in expected.values() for item, _ in row})


@given(rows=rows_strategy)
@settings(max_examples=40, deadline=None)
def test_of_equal_rows_the_first_stays_in_its_place(rows):
    assert plain(without_repeats(made(rows))) == plain(made(list(dict.fromkeys(rows))))


def test_rows_that_differ_in_their_rating_alone_are_no_repeats():
    found = made([(0, 0, 1), (0, 0, 1), (0, 0, 1)])
    ratings = np.array([1, 2, 1], np.float32)
    rated = Interactions(
        found.users, found.items, found.times, ratings, found.user_names, found.item_names
    )
    assert without_repeats(rated).ratings.tolist() == [1.0, 2.0]


def test_a_core_of_a_core_without_some_items_is_the_core_without_them():
    """So pictures need to be asked for of the first core's items alone."""
    random = np.random.default_rng(0)
    rows = [tuple(map(int, row)) for row in random.integers(0, (12, 9, 5), (150, 3))]
    listed = pa.array([str(n) for n in range(9) if n != 4])
    whole = core_of(made(rows), minimum=5)
    after = core_of(only_items(rows_of(whole), listed), minimum=5)
    before = core_of(only_items(made(rows), listed), minimum=5)
    assert after.user_names == before.user_names
    assert after.item_names == before.item_names
    assert after.sequences.items.tolist() == before.sequences.items.tolist()


def test_frequent_items_are_a_bound_of_the_core():
    found = made([(0, 3, 1), (1, 3, 1), (0, 2, 1)])
    assert frequent_items(found, 2).to_pylist() == ["3"]


def test_ties_are_those_within_a_user():
    core = core_of(made([(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 2)]), minimum=1)
    assert num_ties(core.sequences) == 1


def test_what_is_written_is_read_again(tmp_path):
    found = made([(0, 3, 1), (1, 3, 1), (0, 2, 1)])
    write_rows(tmp_path, found)
    assert plain(read_rows(tmp_path)) == plain(found)
    core = core_of(found, minimum=1)
    write_core(tmp_path, core)
    again = read_core(tmp_path)
    assert again.sequences.items.tolist() == core.sequences.items.tolist()
    assert again.sequences.offsets.tolist() == core.sequences.offsets.tolist()
    assert again.item_names == core.item_names
