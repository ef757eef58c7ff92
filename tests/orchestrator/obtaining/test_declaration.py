import json
from pathlib import Path

import pytest

from orchestrator.data.manifest import Counts
from orchestrator.errors import ConfigError
from orchestrator.obtaining import find_source, read_sources
from orchestrator.obtaining.declaration import Expected


def test_the_sources_of_both_papers_are_declared():
    assert {name: source.dataset for name, source in read_sources().items()} == {
        "amazon-2014/beauty": "beauty",
        "amazon-2014/toys-and-games": "toys",
        "amazon-2014/sports-and-outdoors": "sports",
        "amazon-2018/industrial-and-scientific": "scientific",
        "amazon-2018/prime-pantry": "pantry",
        "amazon-2018/arts-crafts-and-sewing": "arts",
        "amazon-2018/musical-instruments": "instruments",
        "amazon-2018/office-products": "office",
        "movielens-1m": "movielens-1m",
        "movielens-100k": "movielens-100k",
    }


@pytest.mark.parametrize("name", read_sources())
def test_every_source_says_all_that_a_user_must_know(name):
    source = find_source(name)
    assert source.publisher.licence
    assert source.publisher.page.startswith("https://")
    assert all(address.startswith("https://") for address in source.publisher.addresses)
    assert all(address.endswith("/") for address in source.publisher.addresses)
    assert source.expected is not None
    assert not any("{" in path for path in source.paths)
    assert json.dumps(source.plain("interactions", "items", "rules"))


def test_an_unknown_source_is_told_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean `amazon-2014/beauty`"):
        find_source("amazon/beauty")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("[sources", "is no TOML"),
        ("[sources.x]\npublisher = 'p'\nname = 'x'", "There is no publisher `p`"),
        ("[sources.x]\npublisher = 'p'\nnames = 'x'", "`sources.x.name"),
        ("[publishers.p]\nabout = 1", "`publishers.p"),
    ],
)
def test_a_wrong_declaration_is_refused_by_file_and_key(tmp_path, text, rule):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=rule) as caught:
        read_sources(file)
    assert str(caught.value).startswith(str(file))


BASE = """
[publishers.p]
about = "a"
page = "https://a"
licence = "l"
addresses = ["https://a/"]
{checksums}
interactions = {{ file = "{file}", format = "{format}", columns = {columns} }}
items = {{ file = "{items}", format = "json-lines", id = "i", text = ["t"], recipe = "sentences" }}
rules = {{ min_interactions = {minimum}, incomplete = "mark" }}
[sources."{name}"]
publisher = "p"
name = "x"
"""
GOOD = {
    "file": "{category}.csv",
    "format": "separated",
    "columns": "{ user = 0, item = 1, time = 2 }",
    "items": "items.json",
    "minimum": 1,
    "name": "shop/x",
    "checksums": "",
}


def test_a_declaration_of_ones_own_is_taken(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(BASE.format(**GOOD))
    assert find_source("shop/x", file).paths == (".csv", "items.json")


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"columns": '{ user = "u", item = "i", time = "t" }'}, "must be numbers, counted from 0"),
        ({"format": "json-lines"}, "must be names of fields"),
        ({"columns": "{ user = 0, item = 1 }"}, "must name `time`"),
        ({"minimum": 0}, "`min_interactions` must be at least 1"),
        ({"file": "{kind}.csv"}, "`file` may hold {category} alone"),
        ({"file": "a/items.json"}, "its files have the same name"),
        ({"name": "../x"}, "cannot be a name"),
        ({"name": "/x"}, "cannot be a name"),
        ({"checksums": 'checksums = { "a" = "crc:1" }'}, "begin it with md5: or sha256:"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused_when_it_is_read(tmp_path, changed, rule):
    file = tmp_path / "mine.toml"
    file.write_text(BASE.format(**{**GOOD, **changed}))
    with pytest.raises(ConfigError) as caught:
        read_sources(file)
    assert rule in str(caught.value)


def test_the_readmes_example_is_a_declaration(tmp_path):
    import orchestrator.obtaining

    page = (Path(orchestrator.obtaining.__file__).parent / "README.md").read_text()
    file = tmp_path / "shoes.toml"
    file.write_text(page.partition("```toml\n")[2].partition("```")[0])
    assert find_source("shop/shoes", file).paths == ("shoes.csv", "shoes.json.gz")


def test_a_file_of_declarations_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_sources(tmp_path / "none.toml")


def test_counts_by_rows_leave_out_first_items_and_count_the_padding():
    counts = Counts(users=10, items=5, interactions=70, targets=60, training_targets=40)
    expected = Expected(by="a paper", items=6, interactions=61, counts="rows")
    assert expected.differences(counts) == [("items", 6, 6), ("interactions", 61, 60)]
    plain = Expected(by="a paper", users=10, interactions=71)
    assert plain.differences(counts) == [("users", 10, 10), ("interactions", 71, 70)]
