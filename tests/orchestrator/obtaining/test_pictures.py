import json

import pytest

from orchestrator.errors import DataError
from orchestrator.obtaining.network import Network
from orchestrator.obtaining.pictures import GONE, JOURNAL, fetch_pictures

HTML = b"<!doctype html><p>Page not found</p>"


@pytest.fixture
def fetch(tmp_path, quick):
    def run(addresses, **options):
        return fetch_pictures(addresses, tmp_path / "pictures", **{"network": quick, **options})

    return run


def test_pictures_come_under_the_name_of_their_content(web, fetch, picture, tmp_path):
    for number in range(6):
        web.put(f"{number}.jpg", picture(number % 5), kind="image/jpeg")
    addresses = [f"{web.address}/{number}.jpg" for number in range(6)]
    found = fetch([*addresses, addresses[0]])
    assert list(found) == addresses
    assert found[addresses[0]].file == found[addresses[5]].file
    for number, address in enumerate(addresses):
        content = (tmp_path / "pictures" / found[address].file).read_bytes()
        assert content == picture(number % 5)


@pytest.mark.parametrize(
    ("content", "page", "reason"),
    [
        (b"", {"status": 404}, "404 Not Found"),
        (HTML, {"kind": "text/html"}, "text/html in place of a picture"),
        (HTML, {"kind": "image/jpeg"}, "no sound picture (UnidentifiedImageError)"),
        (b"", {"kind": "image/jpeg"}, "no sound picture (UnidentifiedImageError)"),
    ],
)
def test_what_is_no_picture_is_missing_and_stops_nothing(
    web, fetch, picture, content, page, reason
):
    web.put("bad.jpg", content, **page)
    web.put("good.jpg", picture(1), kind="image/jpeg")
    addresses = [f"{web.address}/{name}.jpg" for name in ("bad", "good")]
    found = fetch(addresses)
    assert (found[addresses[0]].file, found[addresses[0]].reason) == (None, reason)
    assert found[addresses[1]].file is not None


def test_a_jpeg_that_is_cut_off_is_missing(web, fetch, picture):
    web.put("cut.jpg", picture(1, (64, 64))[:-200], kind="image/jpeg")
    (found,) = fetch([f"{web.address}/cut.jpg"]).values()
    assert found.reason.startswith("no sound picture")


def test_a_picture_of_one_pixel_is_missing(web, fetch, picture):
    """Shops send one where they have no picture."""
    web.put("dot.gif", picture(1, (1, 1), "GIF"), kind="image/gif")
    (found,) = fetch([f"{web.address}/dot.gif"]).values()
    assert found.reason == "a picture of 1 x 1 pixels"


@pytest.mark.parametrize("says_length", [True, False])
def test_a_picture_that_is_too_large_is_missing(web, fetch, monkeypatch, picture, says_length):
    monkeypatch.setattr("orchestrator.obtaining.pictures.LARGEST", 1000)
    web.put("big.png", picture(1, (64, 64), "PNG"), kind="image/png", says_length=says_length)
    (found,) = fetch([f"{web.address}/big.png"]).values()
    assert found.reason == "more than 1000 bytes"


def test_a_bomb_is_missing(web, fetch, monkeypatch, picture):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
    web.put("bomb.png", picture(1, (64, 64), "PNG"), kind="image/png")
    (found,) = fetch([f"{web.address}/bomb.png"]).values()
    assert found.reason == "no sound picture (DecompressionBombError)"


@pytest.mark.parametrize("fault", ["cuts", "stalls", "statuses"])
def test_what_passes_is_tried_again(web, fetch, picture, fault):
    values = [503, 503] if fault == "statuses" else [10, 0]
    web.put("a.jpg", picture(1), kind="image/jpeg", **{fault: values})
    (found,) = fetch([f"{web.address}/a.jpg"]).values()
    assert found.file is not None


def test_an_address_that_is_none_of_the_web_is_missing(fetch, picture, web):
    found = fetch(["http://", f"{web.address}/a.jpg"])
    assert found["http://"].file is None


def test_one_host_is_asked_by_few_at_once(web, fetch, picture):
    for number in range(12):
        web.put(f"{number}.jpg", picture(number), kind="image/jpeg", seconds_per_chunk=0.02)
    fetch(
        [f"{web.address}/{number}.jpg" for number in range(12)],
        network=Network(timeout=5.0, retries=0, pause=0.01, workers=8, per_host=2),
    )
    assert web.most_at_once == 2


def test_the_second_time_only_what_is_lost_is_asked_for(web, fetch, picture, tmp_path):
    pages = [web.put(f"{n}.jpg", picture(n), kind="image/jpeg") for n in range(3)]
    web.put("3.jpg", b"", status=404)
    addresses = [f"{web.address}/{n}.jpg" for n in range(4)]
    first = fetch(addresses)
    (tmp_path / "pictures" / first[addresses[1]].file).unlink()
    (tmp_path / "pictures" / first[addresses[2]].file).write_bytes(b"changed")
    assert fetch(addresses) == first
    assert [len(page.asked) for page in pages] == [1, 2, 2]
    assert len(web.pages["/3.jpg"].asked) == 1


def test_missing_ones_are_asked_for_again_when_told_so(web, fetch, picture):
    page = web.put("a.jpg", picture(1), kind="image/jpeg", status=404)
    assert next(iter(fetch([f"{web.address}/a.jpg"]).values())).file is None
    page.status = 200
    assert next(iter(fetch([f"{web.address}/a.jpg"]).values())).file is None
    assert next(iter(fetch([f"{web.address}/a.jpg"], retry=True).values())).file is not None


def test_a_journal_that_was_cut_by_a_kill_loses_its_last_line_alone(web, fetch, picture, tmp_path):
    pages = [web.put(f"{n}.jpg", picture(n), kind="image/jpeg") for n in range(3)]
    addresses = [f"{web.address}/{n}.jpg" for n in range(3)]
    fetch(addresses)
    journal = tmp_path / "pictures" / JOURNAL
    journal.write_text(journal.read_text()[:-30])
    found = fetch(addresses)
    assert sum(len(page.asked) for page in pages) == 4
    assert all(one.file for one in found.values())
    kept = [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]
    assert {one["address"] for one in kept} == set(addresses)


def test_a_network_that_is_gone_makes_no_item_look_as_if_it_had_no_picture(fetch, tmp_path, web):
    addresses = [f"http://127.0.0.1:9/{number}.jpg" for number in range(GONE + 5)]
    network = Network(timeout=0.5, retries=0, pause=0.001, workers=4, per_host=4)
    with pytest.raises(DataError, match=f"no connection, and so {GONE} times in a row"):
        fetch(addresses, network=network)
    assert (tmp_path / "pictures" / JOURNAL).read_text() == ""


def test_the_same_holds_of_few_pictures_where_none_was_ever_got(web, fetch, picture, tmp_path):
    lost = [f"http://127.0.0.1:9/{number}.jpg" for number in range(3)]
    with pytest.raises(DataError, match=r"3 times in a row.*--no-pictures"):
        fetch(lost)
    assert (tmp_path / "pictures" / JOURNAL).read_text() == ""
    web.put("a.jpg", picture(1), kind="image/jpeg")
    fetch([f"{web.address}/a.jpg"])
    found = fetch([f"{web.address}/a.jpg", *lost])
    assert sum(one.file is None for one in found.values()) == 3


def test_failures_of_one_host_are_recorded_where_another_answers(web, fetch, picture):
    web.put("a.jpg", picture(1), kind="image/jpeg")
    lost = [f"http://127.0.0.1:9/{number}.jpg" for number in range(3)]
    found = fetch([*lost, f"{web.address}/a.jpg"])
    assert [one.reason for one in found.values()] == ["no connection"] * 3 + [""]


def test_progress_counts_pictures(web, fetch, picture):
    web.put("a.jpg", picture(1), kind="image/jpeg")
    told = []
    fetch([f"{web.address}/a.jpg"], progress=lambda *one: told.append(one))
    assert told == [("pictures", 1, 1)]
