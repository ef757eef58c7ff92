"""A web server on loopback with every fault there is, and files in the publishers' exact forms."""

import gzip
import hashlib
import io
import json
import re
import threading
import time
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from orchestrator.obtaining import Network

QUICK = Network(timeout=0.5, retries=2, pause=0.01, workers=4, per_host=2)


@dataclass
class Page:
    """What lies at an address, and what is wrong with it."""

    content: bytes
    kind: str = "application/octet-stream"
    status: int = 200
    etag: str | None = '"1"'
    cuts: list[int] = field(default_factory=list)
    """Bytes after which the connection of each next request is cut."""
    stalls: list[int] = field(default_factory=list)
    """Bytes after which each next request is left without an answer."""
    statuses: list[int] = field(default_factory=list)
    """Of the next requests, before ``status``."""
    says_length: bool = True
    takes_ranges: bool = True
    seconds_per_chunk: float = 0.0
    chunk: int = 2**14
    asked: list[str] = field(default_factory=list)
    """The range that each request asked for; empty for the whole."""


class Web:
    """Pages by path, served on a free port."""

    def __init__(self):
        self.pages: dict[str, Page] = {}
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                try:
                    serve(self, web)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *words):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request, address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @contextmanager
    def busy(self):
        """Counts how many answers are in the making at once."""
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            yield
        finally:
            with self.lock:
                self.at_once -= 1

    def put(self, path, content, **faults):
        self.pages[f"/{path}"] = page = Page(content, **faults)
        return page

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def serve(handler, web):
    page = web.pages.get(handler.path)
    if page is None:
        answer(handler, 404, b"<html>not here</html>", "text/html")
        return
    asked = handler.headers.get("Range", "")
    page.asked.append(asked)
    status = page.statuses.pop(0) if page.statuses else page.status
    if status != 200:
        answer(handler, status, b"no", "text/plain")
        return
    begins = re.fullmatch(r"bytes=(\d+)-", asked)
    is_same = handler.headers.get("If-Range") in (None, page.etag)
    start = int(begins[1]) if begins and page.takes_ranges and is_same else 0
    if start and start >= len(page.content):
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(page.content)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    head(handler, page, start)
    body(handler, page, page.content[start:], web)


def answer(handler, status, content, kind):
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def head(handler, page, start):
    size = len(page.content)
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Type", page.kind)
    if page.etag:
        handler.send_header("ETag", page.etag)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
    if page.says_length:
        handler.send_header("Content-Length", str(size - start))
    else:
        handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()


def body(handler, page, content, web):
    cut = page.cuts.pop(0) if page.cuts else None
    stall = page.stalls.pop(0) if page.stalls else None
    end = min(len(content), *(one for one in (cut, stall) if one is not None), len(content))
    for place in range(0, end, page.chunk):
        part = content[place : min(end, place + page.chunk)]
        with web.busy():  # ends before the client can have all of it and ask for more
            time.sleep(page.seconds_per_chunk)
        handler.wfile.write(part if page.says_length else b"%x\r\n%s\r\n" % (len(part), part))
        handler.wfile.flush()
    if stall is not None:
        web.closing.wait(30)
    if cut is not None or stall is not None:
        handler.close_connection = True
    elif not page.says_length:
        handler.wfile.write(b"0\r\n\r\n")


@pytest.fixture
def web():
    served = Web()
    yield served
    served.close()


@pytest.fixture(scope="session")
def quick():
    return QUICK


def picture(number, size=(24, 16), kind="JPEG"):
    """A picture that is another for each number."""
    values = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    drawn = io.BytesIO()
    Image.fromarray(values).save(drawn, kind)
    return drawn.getvalue()


@pytest.fixture(scope="session", name="picture")
def picture_maker():
    return picture


def asin(number):
    return f"B{number:09d}"


def taken(num_users, num_items, length=6, seed=0):
    """User, item and time of interactions, in a file's order, which is not that of time."""
    random = np.random.default_rng(seed)
    for user in range(num_users):
        items = random.choice(num_items, length, replace=False)
        days = random.integers(0, length // 2, length)  # days repeat: there are ties
        for item, day in zip(items, days, strict=True):
            yield f"A{user:012d}X", asin(item), 1_300_000_000 + 86_400 * int(day)


class Published:
    """The publishers' files of a tiny world, put on a web server under their own names."""

    def __init__(self, web):
        self.web = web

    def amazon_2014(self, category="Beauty", *, num_users=30, num_items=12, pictures=True):
        """Reviews as gzipped JSON lines; metadata as gzipped Python literals."""
        reviews = [
            {
                "reviewerID": user,
                "asin": item,
                "reviewerName": 'Ann "Lee"',
                "helpful": [0, 1],
                "reviewText": "Works, I'd say.\n",
                "overall": 5.0,
                "summary": "ok",
                "unixReviewTime": time,
                "reviewTime": "01 30, 2014",
            }
            for user, item, time in taken(num_users, num_items)
        ]
        lines = "\n".join(map(json.dumps, reviews)) + "\n"
        self.web.put(f"reviews_{category}_5.json.gz", gzip.compress(lines.encode()))
        described = [self._described_2014(n, pictures=pictures) for n in range(num_items + 3)]
        lines = "\n".join(map(repr, described)) + "\n"
        self.web.put(f"meta_{category}.json.gz", gzip.compress(lines.encode()))
        return reviews, described

    def _described_2014(self, number, *, pictures):
        described = {
            "asin": asin(number),
            "description": 'It\'s "good" & cheap',
            "title": f"Soap No. {number} &amp; more",
            "price": 9.99,
            "related": {"also_bought": [asin(number + 1)]},
            "salesRank": {"Beauty": 7},
            "brand": f"Brand{number % 3}",
            "categories": [["Beauty", "Bath"], ["Beauty", "Skin Care"]],
        }
        if pictures:
            described["imUrl"] = self.picture(f"images/I/{number}.jpg", number)
        return described

    def amazon_2018(self, category="Industrial_and_Scientific", *, num_users=40, num_items=14):
        """Ratings as CSV; metadata as gzipped JSON lines. Rows, and what is described."""
        rows = [f"{item},{user},5.0,{time}" for user, item, time in taken(num_users, num_items)]
        rows.insert(3, rows[0])  # the publisher's file has repeats
        rows.append(f"{asin(99)},A000000000000X,1.0,1300000000")  # of an item without metadata
        content = ("\n".join(rows) + "\n").encode()
        self.web.put(f"categoryFilesSmall/{category}.csv", content)
        described = [self._described_2018(number) for number in range(num_items)]
        lines = "\n".join(map(json.dumps, [*described, described[0]])) + "\n"
        self.web.put(f"metaFiles2/meta_{category}.json.gz", gzip.compress(lines.encode()))
        return rows, described

    def _described_2018(self, number):
        return {
            "category": ["Industrial & Scientific", "Tapes"] if number % 2 else [],
            "description": ["long"],
            "title": f'Tape "{number}" &amp; more..',
            "brand": f"Brand{number % 3}",
            "imageURL": [self.web.address + f"/small/{number}.jpg"],
            "imageURLHighRes": [self.picture(f"large/{number}.jpg", number)],
            "asin": asin(number),
        }

    def picture(self, path, number):
        self.web.put(path, picture(number), kind="image/jpeg")
        return f"{self.web.address}/{path}"

    def movielens(self, name="ml-1m", *, num_users=30, num_items=12, member=None):
        """A zip archive with ``.dat`` files in Latin-1, as GroupLens packs them."""
        rows = [
            f"{int(user[1:-1]) + 1}::{int(item[1:]) + 1}::4::{time}"
            for user, item, time in taken(num_users, num_items)
        ]
        movies = [f"{n + 1}::Café No. {n} (1995)::Drama|Comedy" for n in range(num_items)]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name}/ratings.dat", "\n".join(rows) + "\n")
            archive.writestr(f"{name}/movies.dat", ("\n".join(movies) + "\n").encode("latin-1"))
            archive.writestr(f"{name}/README", "terms")
            if member is not None:
                archive.writestr(member, "x")
        self.web.put(f"{name}.zip", packed.getvalue(), kind="application/zip")
        return hashlib.md5(packed.getvalue()).hexdigest()

    def movielens_100k(self, *, num_users=30, num_items=12):
        """A zip archive with ``u.data`` and ``u.item``."""
        rows = [
            f"{int(user[1:-1]) + 1}\t{int(item[1:]) + 1}\t4\t{time}"
            for user, item, time in taken(num_users, num_items)
        ]
        flags = "|".join("1" if n in (5, 8) else "0" for n in range(19))
        movies = [
            f"{n + 1}|Café {n} (1995)|01-Jan-1995||http://us.imdb.com/M?{n}|{flags}"
            for n in range(num_items)
        ]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("ml-100k/u.data", "\n".join(rows) + "\n")
            archive.writestr("ml-100k/u.item", ("\n".join(movies) + "\n").encode("latin-1"))
        self.web.put("ml-100k.zip", packed.getvalue(), kind="application/zip")
        return hashlib.md5(packed.getvalue()).hexdigest()


@pytest.fixture
def published(web):
    return Published(web)
