"""Real sequences put back into the publishers' forms: the counts must be those of the papers.

What the publishers' own files hold beside them cannot be had here; see README.md on the data.
"""

import gzip
import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest

from orchestrator import api

REAL = Path(__file__).parents[4] / "shared" / "data"


def rows_of(path):
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def folder():
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is not there: it is no part of the project")
    return REAL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "category", "kept"),
    [
        ("beauty", "Beauty", "beauty"),
        ("toys-and-games", "Toys_and_Games", "toys"),
        ("sports-and-outdoors", "Sports_and_Outdoors", "sports"),
    ],
)
def test_tames_sets_have_the_counts_of_its_table(folder, web, tmp_path, name, category, kept):
    """From reviews in their order, times being positions; text as far as the real data have it."""
    reviews = [
        json.dumps({"reviewerID": user, "asin": item, "overall": 5.0, "unixReviewTime": place})
        for user, items in rows_of(folder / f"amazon-{kept}" / "sequences.txt")
        for place, item in enumerate(items.split(" "))
    ]
    web.put(f"reviews_{category}_5.json.gz", gzip.compress("\n".join(reviews).encode(), 1))
    _, *items = rows_of(folder / f"amazon-{kept}" / "items.tsv")
    described = [{"asin": row[0], "title": row[1]} for row in items]
    web.put(f"meta_{category}.json.gz", gzip.compress("\n".join(map(repr, described)).encode(), 1))
    found = api.get_data(
        f"amazon-2014/{name}",
        mirror=web.address,
        text_encoder="none",
        image_encoder="none",
        data_dir=tmp_path / "sets",
    )
    assert len(found.differences) == 3
    assert all(printed == here for _, printed, here in found.differences)


@pytest.mark.slow
def test_movielens_100k_has_the_counts_of_its_core(folder, web, tmp_path):
    _, *ratings = rows_of(folder / "movielens-100k" / "ratings.tsv")
    _, *items = rows_of(folder / "movielens-100k" / "items.tsv")
    movies = "\n".join(f"{row[0]}|{row[1]}|||{'|0' * 19}" for row in items)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ml-100k/u.data", "\n".join(map("\t".join, ratings)) + "\n")
        archive.writestr("ml-100k/u.item", movies.encode("latin-1"))
    content = packed.getvalue()
    web.put("ml-100k.zip", content)
    file = tmp_path / "mine.toml"
    declared = (Path(api.__file__).parents[1] / "obtaining" / "sources.toml").read_text()
    digest = hashlib.md5(content).hexdigest()
    file.write_text(declared.replace("0e33842e24a9c977be4e0107933c0723", digest))
    found = api.get_data(
        "movielens-100k",
        mirror=web.address,
        text_encoder="none",
        declarations=file,
        data_dir=tmp_path / "sets",
    )
    assert found.differences == (
        ("users", 943, 943),
        ("items", 1349, 1349),
        ("interactions", 99287, 99287),
    )
