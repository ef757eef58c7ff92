import dataclasses
import gzip

import pytest

from orchestrator.errors import DataError
from orchestrator.obtaining import find_source
from orchestrator.obtaining.describing import picture_address, text_of, write_descriptions
from orchestrator.obtaining.describing import read_descriptions as read

TAME = find_source("amazon-2014/beauty").publisher.items
DECOREC = find_source("amazon-2018/industrial-and-scientific").publisher.items


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"title": "Soap", "brand": "A&amp;B", "categories": [["X", "Y"], ["X", "Z"]]},
         "Soap. X, Y, Z. A&B."),
        ({"title": "Stop it!", "brand": ""}, "Stop it!"),
        ({"title": "Two\n lines ", "categories": []}, "Two lines."),
        ({"title": "x" * 2000, "brand": "B"}, "B."),
        ({}, ""),
    ],
)  # fmt: skip
def test_sentences(fields, text):
    assert text_of(fields, TAME) == text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"title": 'A "B" &amp; C...', "category": ["X", "Y"], "brand": "Z"}, "A B & C. X Y. Z. "),
        ({"title": "A", "category": [], "brand": ""}, "A. . . "),
        ({"title": "A"}, "A. "),
        ({"title": "x" * 1998, "brand": "Z"}, f"{'x' * 1998}. Z. "),
        ({"title": "x" * 1999, "brand": "Z"}, " Z. "),
    ],
)
def test_unisrec(fields, text):
    """What an item of DeCoRec's published Scientific shows, with ``. .`` for an empty category."""
    assert text_of(fields, DECOREC) == text


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"imageURL": ["http://a/s.jpg"], "imageURLHighRes": ["http://a/1.jpg", "http://a/2.jpg"]},
         "http://a/1.jpg"),
        ({"imageURL": ["http://a/s.jpg"], "imageURLHighRes": []}, "http://a/s.jpg"),
        ({"imageURL": [], "imageURLHighRes": ["file:///etc/passwd", "ftp://a/1.jpg"]}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_the_first_address_of_the_best_field_is_taken(fields, address):
    assert picture_address(fields, DECOREC) == address


def test_a_shops_sign_for_no_picture_is_none():
    address = "http://g-ecx.images-amazon.com/images/G/01/x-site/icons/no-img-sm._CB1_.gif"
    assert picture_address({"imUrl": address}, TAME) is None


def test_of_an_item_that_is_listed_twice_the_first_line_counts(tmp_path):
    path = tmp_path / "meta.json.gz"
    lines = ["{'asin': 'a', 'title': 'One'}", "{'asin': 'b'}", "{'asin': 'a', 'title': 'Two'}"]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    write_descriptions(path, TAME, {"a"}, tmp_path)
    assert read(tmp_path).to_pylist() == [{"item": "a", "text": "One.", "picture": None}]


def test_an_item_without_an_id_is_refused(tmp_path):
    path = tmp_path / "meta.json"
    path.write_text('{"title": "One"}')
    with pytest.raises(DataError, match=r"meta\.json, line 1: has no `asin`"):
        write_descriptions(path, DECOREC, {"a"}, tmp_path)


def test_an_unwanted_literal_is_not_even_parsed(tmp_path):
    path = tmp_path / "meta.json"
    path.write_text("{'asin': 'b', no literal at all\n{'asin': 'a', 'title': 'One'}\n")
    write_descriptions(path, TAME, {"a"}, tmp_path)
    assert len(read(tmp_path)) == 1


def test_a_separated_line_with_another_number_of_columns_is_refused(tmp_path):
    path = tmp_path / "movies.dat"
    path.write_text("1::Heat (1995)::Drama\n2::Heat\n")
    layout = dataclasses.replace(find_source("movielens-1m").publisher.items, member=None)
    with pytest.raises(DataError, match=r"line 2: must have 3 columns, has 2"):
        write_descriptions(path, layout, {"1"}, tmp_path)
