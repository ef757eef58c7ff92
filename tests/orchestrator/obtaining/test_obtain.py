"""From the publishers' files on loopback to a stored data set."""

import dataclasses
import gzip
import json
from collections import Counter

import pytest

from orchestrator import api
from orchestrator.data import open_dataset
from orchestrator.errors import DataError
from orchestrator.obtaining import Choices, find_source, obtain


@pytest.fixture
def get(web, quick, tmp_path):
    """Obtains a source from the loopback server; what was told comes with it."""

    def run(name, *, checksum=None, **choices):
        source = find_source(name)
        if checksum is not None:
            sums = dict.fromkeys(source.publisher.checksums, f"md5:{checksum}")
            publisher = dataclasses.replace(source.publisher, checksums=sums)
            source = dataclasses.replace(source, publisher=publisher)
        told = []
        given = {"name": source.dataset, "mirror": web.address, **choices}
        found = obtain(source, Choices(**given), tmp_path / "sets", network=quick, tell=told.append)
        return found, told

    return run


def sequences(dataset):
    """Raw user -> raw items and times, oldest first."""
    names, found = dataset.items.raw_ids, dataset.sequences
    return {
        raw: (
            [names[item] for item in found.of(user)],
            found.timestamps[found.offsets[user] : found.offsets[user + 1]].tolist(),
        )
        for user, raw in enumerate(dataset.users)
    }


def cored(rows, minimum=5):
    """The k-core by the definition, slowly: (user, item, time) rows in the file's order."""
    while True:
        users, items = Counter(row[0] for row in rows), Counter(row[1] for row in rows)
        kept = [row for row in rows if users[row[0]] >= minimum and items[row[1]] >= minimum]
        if len(kept) == len(rows):
            return rows
        rows = kept


def ordered(rows):
    """Sequences by user: by time, and in the file's order where times are equal."""
    found = {}
    for user, item, time in sorted(rows, key=lambda row: row[2]):
        found.setdefault(user, []).append((item, time))
    return {user: tuple(map(list, zip(*taken, strict=True))) for user, taken in found.items()}


def test_amazon_2014_becomes_a_data_set(get, published):
    reviews, described = published.amazon_2014()
    found, told = get("amazon-2014/beauty")
    rows = cored([(one["reviewerID"], one["asin"], one["unixReviewTime"]) for one in reviews])
    assert sequences(found.dataset) == ordered(rows)
    assert found.dataset.name == "beauty"
    titles = {one["asin"]: one for one in described}
    for raw, text in zip(
        found.dataset.items.raw_ids[1:], found.dataset.items.texts[1:], strict=True
    ):
        number = int(raw[1:])
        assert text == (
            f"Soap No. {number} & more. Beauty, Bath, Skin Care. {titles[raw]['brand']}."
        )
    assert all(image.suffix == ".jpg" for image in found.dataset.items.images[1:])
    assert told[0].startswith("amazon-2014/beauty: Amazon reviews 1996-2014")
    assert told[1].startswith("Licence: No licence is stated.")
    assert not found.was_there


def test_the_licence_is_shown_before_anything_is_asked_for(web, quick, tmp_path):
    """Nothing is there to be had; the licence was told all the same."""
    told = []
    choices = Choices(name="beauty", mirror=web.address)
    with pytest.raises(DataError, match="404"):
        obtain(
            find_source("amazon-2014/beauty"), choices, tmp_path, network=quick, tell=told.append
        )
    assert told[-1].startswith("Licence: ")


def test_amazon_2018_becomes_a_data_set_of_complete_items(get, published, web):
    """Repeats and items without metadata go before the 5-core, items without picture after it,
    and then again who has too few."""
    rows, described = published.amazon_2018()
    described[2]["imageURLHighRes"], described[2]["imageURL"] = [], []
    described[5].update(title="", category=[], brand="")
    lost = {described[number]["asin"] for number in (2, 5, 7)}
    content = "\n".join(map(json.dumps, described))
    web.put("metaFiles2/meta_Industrial_and_Scientific.json.gz", gzip.compress(content.encode()))
    del web.pages["/large/7.jpg"]
    found, told = get("amazon-2018/industrial-and-scientific")
    listed = {one["asin"] for one in described}
    unique = [row.split(",") for row in dict.fromkeys(rows)]
    first = cored([(user, item, int(time)) for item, user, _, time in unique if item in listed])
    expected = cored([row for row in first if row[1] not in lost])
    assert sequences(found.dataset) == ordered(expected)
    assert set(found.dataset.items.raw_ids).isdisjoint(lost)
    assert None not in found.dataset.items.images[1:]
    notes = " ".join(found.dataset.manifest.origin.notes)
    assert "3 items without text or picture dropped" in notes
    assert "  1 missing: 404 Not Found" in told


def test_amazon_2014_keeps_items_without_a_picture_and_marks_them(get, published, web):
    reviews, described = published.amazon_2014()
    content = list(described)
    content[1] = {key: value for key, value in content[1].items() if key != "imUrl"}
    content[4] = {**content[4], "imUrl": "http://x/images/G/01/x-site/icons/no-img-sm.gif"}
    lines = "\n".join(map(repr, content))
    web.put("meta_Beauty.json.gz", gzip.compress(lines.encode()))
    del web.pages["/images/I/6.jpg"]
    found, _ = get("amazon-2014/beauty")
    items = found.dataset.items
    missing = {
        raw for raw, image in zip(items.raw_ids[1:], items.images[1:], strict=True) if not image
    }
    assert missing == {content[number]["asin"] for number in (1, 4, 6)}
    assert found.dataset.num_items == len({one["asin"] for one in reviews})
    assert "3 items have no picture." in found.dataset.manifest.origin.notes


@pytest.mark.parametrize("name", ["movielens-1m", "movielens-100k"])
def test_movielens_becomes_a_data_set(get, published, name):
    make = published.movielens if name == "movielens-1m" else published.movielens_100k
    found, _ = get(name, checksum=make())
    assert found.dataset.name == name
    assert found.dataset.num_users == 30
    assert found.dataset.manifest.has_clock_times
    assert all(text.startswith("Café") for text in found.dataset.items.texts[1:])
    genres = {"movielens-1m": "Drama, Comedy.", "movielens-100k": "Comedy, Drama."}[name]
    assert all(text.endswith(genres) for text in found.dataset.items.texts[1:])


def test_a_changed_archive_is_refused(get, published):
    published.movielens()
    with pytest.raises(DataError, match=r"ml-1m\.zip: its md5 is .*, its publisher gives c4d9"):
        get("movielens-1m")


def test_the_second_time_nothing_is_done(get, published, web):
    published.amazon_2014()
    first, _ = get("amazon-2014/beauty")
    asked = {path: len(page.asked) for path, page in web.pages.items()}
    again, told = get("amazon-2014/beauty")
    assert again.was_there
    assert again.dataset.data_hash == first.dataset.data_hash
    assert {path: len(page.asked) for path, page in web.pages.items()} == asked
    assert [line for line in told if "done before" in line] == [
        "rows: done before",
        "items: done before",
        "core: done before",
    ]


def test_only_what_depends_on_a_changed_file_is_done_anew(get, published, web, tmp_path):
    _, described = published.amazon_2014()
    get("amazon-2014/beauty")
    described[0]["title"] = "Another soap"
    lines = "\n".join(map(repr, described))
    web.put("meta_Beauty.json.gz", gzip.compress(lines.encode()), etag='"2"')
    kept = tmp_path / "sets" / ".sources" / "amazon-2014" / "beauty" / "files"
    (kept / "meta_Beauty.json.gz").unlink()
    with pytest.raises(DataError, match="is not made of what amazon-2014/beauty gives now"):
        get("amazon-2014/beauty")
    found, told = get("amazon-2014/beauty", overwrite=True)
    assert "rows: done before" in told
    assert "core: done before" in told
    assert any(text.startswith("Another soap") for text in found.dataset.items.texts)


def test_a_step_that_was_damaged_is_done_again(get, published, tmp_path):
    published.amazon_2014()
    first, _ = get("amazon-2014/beauty")
    core = tmp_path / "sets" / ".sources" / "amazon-2014" / "beauty" / "core"
    table = core / "interactions.parquet"
    content = bytearray(table.read_bytes())
    content[30] ^= 1
    table.write_bytes(content)
    again, told = get("amazon-2014/beauty")
    assert "core: done before" not in told
    assert again.dataset.data_hash == first.dataset.data_hash


def test_without_pictures_none_is_asked_for_and_no_item_is_dropped_for_it(get, published, web):
    published.amazon_2018()
    found, _ = get("amazon-2018/industrial-and-scientific", pictures=False)
    assert found.dataset.num_items == 14
    assert not any(found.dataset.items.images)
    assert not web.pages["/large/1.jpg"].asked
    assert "pictures were not asked for" in " ".join(found.dataset.manifest.origin.notes)


def test_missing_pictures_are_asked_for_again_when_told_so(get, published, web, picture):
    published.amazon_2014()
    page = web.pages["/images/I/3.jpg"]
    page.status = 404
    get("amazon-2014/beauty")
    page.status = 200
    _, told = get("amazon-2014/beauty")
    assert "pictures: 11 of 12 addresses gave one" in told
    found, told = get("amazon-2014/beauty", retry_pictures=True, overwrite=True)
    assert "pictures: 12 of 12 addresses gave one" in told
    assert all(found.dataset.items.images[1:])


def test_differences_are_counted_by_the_papers_convention(get, published):
    published.amazon_2018()
    found, _ = get("amazon-2018/industrial-and-scientific")
    counts = found.dataset.manifest.counts
    assert found.differences == (
        ("items", 1586, counts.items + 1),
        ("interactions", 16784, counts.interactions - counts.users),
    )


def test_a_data_set_of_another_making_is_not_replaced_unless_told_so(get, published, tmp_path):
    published.amazon_2014()
    api.make_planted("beauty", num_users=60, num_items=40, data_dir=tmp_path / "sets")
    with pytest.raises(DataError, match=r"beauty: is there already.*--overwrite"):
        get("amazon-2014/beauty")
    assert open_dataset("beauty", tmp_path / "sets").manifest.origin.synthetic
    get("amazon-2014/beauty", overwrite=True)
    assert not open_dataset("beauty", tmp_path / "sets").manifest.origin.synthetic


def test_features_that_were_added_do_not_make_a_data_set_another(get, published, tmp_path):
    import numpy as np

    from orchestrator.data import Features, add_features

    published.amazon_2014()
    found, _ = get("amazon-2014/beauty")
    pooled = np.ones((found.dataset.num_items + 1, 3), np.float32)
    pooled[0] = 0
    add_features(found.dataset, {"text": Features(pooled=pooled)})
    again, _ = get("amazon-2014/beauty")
    assert again.was_there
    assert "text" in again.dataset.manifest.modalities


def test_only_one_process_obtains_a_source(get, published, tmp_path):
    from orchestrator.obtaining.steps import alone

    published.amazon_2014()
    folder = tmp_path / "sets" / ".sources" / "amazon-2014" / "beauty"
    with alone(folder, "it"), pytest.raises(DataError, match="by another process"):
        get("amazon-2014/beauty")


@pytest.mark.parametrize("line", ["{'asin': __import__('os').getcwd()}", "{'asin': 1 +", "[1, 2]"])
def test_a_line_of_metadata_that_is_no_literal_is_refused_by_number(get, published, web, line):
    _, described = published.amazon_2014()
    lines = "\n".join([repr(described[0]), line])
    web.put("meta_Beauty.json.gz", gzip.compress(lines.encode()))
    with pytest.raises(DataError, match=r"meta_Beauty\.json\.gz, line 2: "):
        get("amazon-2014/beauty")


def test_nothing_of_a_step_that_failed_is_taken_for_done(get, published, web, tmp_path):
    _, described = published.amazon_2014()
    good = web.pages["/meta_Beauty.json.gz"].content
    web.put("meta_Beauty.json.gz", gzip.compress(repr(described[0]).encode() + b"\n{"))
    with pytest.raises(DataError):
        get("amazon-2014/beauty")
    folder = tmp_path / "sets" / ".sources" / "amazon-2014" / "beauty"
    assert not (folder / "items").exists()
    assert not (tmp_path / "sets" / "beauty").exists()
    (folder / "files" / "meta_Beauty.json.gz").unlink()
    web.put("meta_Beauty.json.gz", good, etag='"2"')
    assert get("amazon-2014/beauty")[0].dataset.num_users == 30
