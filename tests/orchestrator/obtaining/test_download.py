import gzip
import hashlib
import json
import zipfile

import pytest

from orchestrator.errors import DataError
from orchestrator.obtaining.download import download
from orchestrator.obtaining.network import Network

CONTENT = bytes(range(256)) * 1024


@pytest.fixture
def target(tmp_path):
    return tmp_path / "files" / "data.bin"


def left(target):
    """Names of the files beside a download."""
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_comes_with_a_receipt(web, quick, target):
    web.put("data.bin", CONTENT)
    receipt, was_there = download([f"{web.address}/data.bin"], target, network=quick)
    assert target.read_bytes() == CONTENT
    assert receipt.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (receipt.bytes, was_there) == (len(CONTENT), False)
    assert left(target) == ["data.bin", "data.bin.json"]


def test_a_file_that_is_there_is_not_asked_for_again(web, quick, target):
    page = web.put("data.bin", CONTENT)
    first = download([f"{web.address}/data.bin"], target, network=quick)[0]
    assert download([f"{web.address}/data.bin"], target, network=quick) == (first, True)
    assert page.asked == [""]


def test_a_file_that_was_changed_here_is_fetched_again(web, quick, target):
    web.put("data.bin", CONTENT)
    download([f"{web.address}/data.bin"], target, network=quick)
    target.write_bytes(CONTENT[:-1] + b"x")
    assert not download([f"{web.address}/data.bin"], target, network=quick)[1]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["cuts", "stalls"])
def test_a_download_goes_on_where_a_connection_was_lost(web, quick, target, fault):
    page = web.put("data.bin", CONTENT, **{fault: [100_000, 50_000]})
    download([f"{web.address}/data.bin"], target, network=quick)
    assert target.read_bytes() == CONTENT
    assert page.asked == ["", "bytes=100000-", "bytes=150000-"]


def test_what_brings_something_each_time_is_never_given_up(web, quick, target):
    page = web.put("data.bin", CONTENT, cuts=[20_000] * 12)
    download([f"{web.address}/data.bin"], target, network=quick)
    assert target.read_bytes() == CONTENT
    assert len(page.asked) == 13


def test_a_server_that_brings_nothing_is_given_up_and_the_part_stays(web, quick, target):
    page = web.put("data.bin", CONTENT, cuts=[100_000, 0, 0, 0])
    with pytest.raises(DataError, match=r"data\.bin: cannot be had \(.*cut\)"):
        download([f"{web.address}/data.bin"], target, network=quick)
    assert left(target) == ["data.bin.part", "data.bin.part.json"]
    download([f"{web.address}/data.bin"], target, network=quick)
    assert page.asked[-1] == "bytes=100000-"
    assert target.read_bytes() == CONTENT


def test_a_server_that_asks_for_a_pause_is_asked_again(web, quick, target):
    page, told = web.put("data.bin", CONTENT, statuses=[503, 429]), []
    download([f"{web.address}/data.bin"], target, network=quick, tell=told.append)
    assert len(page.asked) == 3
    assert "503 Service Unavailable; asked again in 0.0 s" in told[0]
    assert "429 Too Many Requests; asked again in 0.0 s" in told[1]


def test_a_part_of_a_file_that_changed_is_thrown_away(web, quick, target):
    web.put("data.bin", CONTENT, cuts=[100_000, 0, 0, 0])
    with pytest.raises(DataError):
        download([f"{web.address}/data.bin"], target, network=quick)
    web.put("data.bin", CONTENT[::-1], etag='"2"')
    download([f"{web.address}/data.bin"], target, network=quick)
    assert target.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("page", [{"etag": None}, {"takes_ranges": False}, {"etag": 'W/"1"'}])
def test_a_server_that_cannot_go_on_begins_again(web, quick, target, page):
    web.put("data.bin", CONTENT, cuts=[100_000], **page)
    download([f"{web.address}/data.bin"], target, network=quick)
    assert target.read_bytes() == CONTENT


def test_all_that_came_before_a_kill_is_looked_at_and_kept(web, quick, target):
    """Killed between the last byte and the receipt: nothing is fetched again."""
    page = web.put("data.bin", CONTENT)
    target.parent.mkdir()
    (target.parent / "data.bin.part").write_bytes(CONTENT)
    known = {"address": f"{web.address}/data.bin", "validator": '"1"'}
    (target.parent / "data.bin.part.json").write_text(json.dumps(known))
    download([f"{web.address}/data.bin"], target, network=quick)
    assert target.read_bytes() == CONTENT
    assert page.asked == [f"bytes={len(CONTENT)}-"]


def test_a_length_that_is_not_told_needs_none(web, quick, target):
    web.put("data.bin", CONTENT, says_length=False)
    download([f"{web.address}/data.bin"], target, network=quick)
    assert target.read_bytes() == CONTENT


def test_a_cut_is_seen_where_no_length_is_told(web, quick, target):
    page = web.put("data.bin", CONTENT, says_length=False, cuts=[100_000])
    download([f"{web.address}/data.bin"], target, network=quick)
    assert target.read_bytes() == CONTENT
    assert len(page.asked) == 2


def test_the_next_address_is_tried_where_one_has_no_such_file(web, quick, target):
    web.put("b/data.bin", CONTENT)
    addresses = [f"{web.address}/{folder}/data.bin" for folder in "ab"]
    receipt = download(addresses, target, network=quick)[0]
    assert receipt.address == addresses[1]


def test_no_address_that_gives_it_is_one_sentence_with_all_reasons(web, quick, target):
    addresses = [f"{web.address}/{folder}/data.bin" for folder in "ab"]
    with pytest.raises(DataError) as caught:
        download(addresses, target, network=quick)
    assert str(caught.value).count("404 Not Found") == 2
    assert "--mirror" in str(caught.value)
    assert left(target) == []


def test_nobody_who_listens_is_told_so(quick, target):
    with pytest.raises(DataError, match="no connection"):
        download(["http://127.0.0.1:9/data.bin"], target, network=quick)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/x-gzip"])
def test_a_page_of_html_in_place_of_a_file_is_refused(web, quick, target, kind):
    web.put("data.bin", b"\n<!DOCTYPE html><p>Moved</p>", kind=kind)
    with pytest.raises(DataError, match="a page of HTML"):
        download([f"{web.address}/data.bin"], target, network=quick)
    assert not target.exists()
    assert "data.bin.part" not in left(target)


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(web, quick, target):
    web.put("data.bin", CONTENT)
    with pytest.raises(DataError, match=r"its md5 is .* its publisher gives 123"):
        download([f"{web.address}/data.bin"], target, network=quick, checksum="md5:123")
    assert "data.bin" not in left(target)
    assert "data.bin.part" not in left(target)


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_a_right_checksum_is_taken(web, quick, target, kind):
    web.put("data.bin", CONTENT)
    checksum = f"{kind}:{hashlib.new(kind, CONTENT).hexdigest()}"
    download([f"{web.address}/data.bin"], target, network=quick, checksum=checksum)
    assert target.exists()


def test_a_gzip_that_is_cut_off_at_its_publisher_is_refused(web, quick, tmp_path):
    web.put("data.json.gz", gzip.compress(CONTENT)[:-20])
    target = tmp_path / "data.json.gz"
    with pytest.raises(DataError, match=r"data\.json\.gz: it is cut off"):
        download([f"{web.address}/data.json.gz"], target, network=quick)
    assert "data.json.gz" not in left(target)


def test_a_gzip_with_a_damaged_byte_is_refused(web, quick, tmp_path):
    content = bytearray(gzip.compress(CONTENT))
    content[-6] ^= 1
    web.put("data.json.gz", bytes(content))
    with pytest.raises(DataError, match="no sound gzip file"):
        download([f"{web.address}/data.json.gz"], tmp_path / "data.json.gz", network=quick)


def test_gzip_is_kept_as_it_lies_where_a_server_calls_it_an_encoding(web, quick, tmp_path):
    """Some servers call a ``.gz`` file gzip-encoded; its bytes are wanted as they are."""
    content = gzip.compress(CONTENT)
    web.put("data.json.gz", content, kind="application/json\r\nContent-Encoding: gzip")
    target = tmp_path / "data.json.gz"
    download([f"{web.address}/data.json.gz"], target, network=quick)
    assert target.read_bytes() == content


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "C:/evil"])
def test_an_archive_with_a_name_that_leaves_it_is_refused(web, quick, tmp_path, published, name):
    published.movielens(member=name)
    target = tmp_path / "ml-1m.zip"
    with pytest.raises(DataError, match="points out of the archive"):
        download([f"{web.address}/ml-1m.zip"], target, network=quick)
    assert "ml-1m.zip" not in left(target)


def test_an_archive_with_a_link_is_refused(web, quick, tmp_path):
    target = tmp_path / "a.zip"
    packed = tmp_path / "made.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    web.put("a.zip", packed.read_bytes())
    with pytest.raises(DataError, match="points out of the archive"):
        download([f"{web.address}/a.zip"], target, network=quick)


def test_an_archive_with_a_damaged_member_is_refused(web, quick, tmp_path, published):
    published.movielens()
    content = bytearray(web.pages["/ml-1m.zip"].content)
    content[60] ^= 255
    web.put("ml-1m.zip", bytes(content))
    with pytest.raises(DataError, match=r"is damaged|no sound zip"):
        download([f"{web.address}/ml-1m.zip"], tmp_path / "ml-1m.zip", network=quick)


def test_a_disk_without_room_is_told_before_the_download(web, quick, target, monkeypatch):
    web.put("data.bin", CONTENT)
    usage = ("orchestrator.obtaining.download.shutil.disk_usage",)
    monkeypatch.setattr(*usage, lambda folder: type("Usage", (), {"free": 10**6}))
    with pytest.raises(DataError, match=r"needs 0\.3 MB more, and .* has 1\.0 MB free"):
        download([f"{web.address}/data.bin"], target, network=quick)
    assert left(target) == []


def test_progress_tells_bytes(web, quick, target):
    web.put("data.bin", CONTENT)
    told = []
    download(
        [f"{web.address}/data.bin"], target, network=quick, progress=lambda *one: told.append(one)
    )
    assert told[-1] == ("data.bin", len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    ("setting", "option"), [({"timeout": 0.0}, "--timeout"), ({"retries": -1}, "--retries")]
)
def test_a_network_setting_that_cannot_be_is_refused(setting, option):
    from orchestrator.errors import ConfigError

    with pytest.raises(ConfigError, match=option):
        Network(**setting)
