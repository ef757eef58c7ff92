"""One file from the web: it goes on where it was cut, and has its name only when it is whole.

Beside ``name`` lie ``name.part`` (what has come so far), ``name.part.json`` (which file that is a
part of) and ``name.json`` (the receipt of the whole file). A part is gone on with only if the
server says, by an ETag or a date, that it is of the same file.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import requests
import urllib3

from orchestrator.data import Progress
from orchestrator.data.manifest import file_hash
from orchestrator.errors import DataError
from orchestrator.obtaining.integrity import check_checksum, check_whole
from orchestrator.obtaining.network import Network, PassingError, RefusedError, Sessions

CHUNK = 2**18
SPARE = 2**22
"""Bytes that a download leaves free on the disk."""
TOLD_SECONDS = 0.2


@dataclass(frozen=True)
class Receipt:
    """Of a file that came whole."""

    address: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class _Hears:
    """Who is told how it goes."""

    tell: Callable[[str], None]
    progress: Progress | None


@dataclass(frozen=True)
class _Part:
    """Which file something is a part of."""

    address: str
    validator: str
    """An ETag or a date, as the server gave it; empty where it gave none."""


def download(
    addresses: Sequence[str],
    target: Path,
    *,
    network: Network,
    checksum: str | None = None,
    tell: Callable[[str], None] = lambda line: None,
    progress: Progress | None = None,
) -> tuple[Receipt, bool]:
    """Have a file, from the first of some addresses that gives it.

    Args:
        addresses: where it lies; the next one is tried where one does not give it.
        target: where it goes; its folder is made.
        network: how patient to be.
        checksum: what its publisher says of it.
        tell: hears of retries.
        progress: hears its name, how many bytes are there, and how many there will be.

    Returns:
        Its receipt, and whether it was there before.

    Raises:
        DataError: no address gives it, it is damaged or not what it should be, or the disk is too
            small or refuses.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if (receipt := _receipt(target)) is not None:
            return receipt, True
        hears = _Hears(tell, progress)
        return _from_any(addresses, target, network, checksum, hears), False
    except OSError as error:
        raise DataError(
            f"{error.filename or target}: cannot be written ({error.strerror or error}). Free "
            "space or choose another data folder (ORCH_DATA), and type the command again: it goes "
            "on where it was."
        ) from error


def _receipt(target: Path) -> Receipt | None:
    """The receipt of a file that is there, whole and unchanged."""
    try:
        receipt = Receipt(**json.loads(_beside(target, ".json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    if not target.is_file() or target.stat().st_size != receipt.bytes:
        return None
    return receipt if file_hash(target) == receipt.sha256 else None


def _from_any(
    addresses: Sequence[str],
    target: Path,
    network: Network,
    checksum: str | None,
    hears: _Hears,
) -> Receipt:
    sessions, failed = Sessions(network), []
    for address in addresses:
        try:
            _fetch(sessions, address, target, hears)
        except (PassingError, RefusedError) as error:
            failed.append(f"{address}: {error}")
            continue
        return _accept(address, target, checksum)
    raise DataError(
        f"{target.name}: cannot be had ({'; '.join(failed)}). Check the network, or name another "
        "address with --mirror; the command goes on where it was."
    )


def _accept(address: str, target: Path, checksum: str | None) -> Receipt:
    """Give a file that has come its name, if it is sound; else throw it away."""
    part = _beside(target, ".part")
    try:
        check_whole(part, name=target.name)
        if checksum is not None:
            check_checksum(part, checksum, name=target.name)
    except DataError:
        part.unlink()
        raise
    receipt = Receipt(address, part.stat().st_size, file_hash(part))
    write_json(_beside(target, ".json"), asdict(receipt))
    part.replace(target)
    _beside(target, ".part.json").unlink(missing_ok=True)
    return receipt


def _fetch(sessions: Sessions, address: str, target: Path, hears: _Hears) -> None:
    """Attempt after attempt until all has come, or so many in a row brought nothing."""
    part, fruitless = _beside(target, ".part"), 0
    while True:
        before = _size(part)
        try:
            _attempt(sessions, address, target, hears.progress)
        except PassingError as error:
            fruitless = 0 if _size(part) > before else fruitless + 1
            if fruitless > sessions.network.retries:
                raise
            pause = sessions.network.pause_before(max(0, fruitless - 1), error.asked)
            hears.tell(f"  {address}: {error}; asked again in {pause:.1f} s")
            time.sleep(pause)
        else:
            return


def _attempt(sessions: Sessions, address: str, target: Path, progress: Progress | None) -> None:
    part = _beside(target, ".part")
    known = _known_part(target, address)
    start = _size(part) if known is not None else 0
    asked = {"Range": f"bytes={start}-", "If-Range": known.validator} if known and start else {}
    with sessions.get(address, asked) as answer:
        if _has_all(answer, start):
            return
        start = _start(answer, part, start)
        _refuse_page(answer, target.name)
        total = _total(answer, start)
        _check_space(target, total, start)
        if start == 0:
            write_json(_beside(target, ".part.json"), asdict(_Part(address, _validator(answer))))
        with part.open("r+b" if start else "wb") as stream:
            stream.truncate(start)
            stream.seek(start)
            _copy(answer, stream, _teller(target.name, total, progress))
            stream.flush()
            os.fsync(stream.fileno())
    if total is not None and _size(part) != total:
        raise PassingError(f"{_size(part)} of {total} bytes came")


def _known_part(target: Path, address: str) -> _Part | None:
    """What there is a part of, if it is of this address and the server can tell changes."""
    try:
        known = _Part(**json.loads(_beside(target, ".part.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return known if known.address == address and known.validator else None


def _has_all(answer: requests.Response, start: int) -> bool:
    """Whether nothing is left to come: all came before, and was not yet looked at."""
    return answer.status_code == 416 and start > 0 and _length(answer) == start


def _length(answer: requests.Response) -> int | None:
    """Bytes of the whole file, as an answer to a range says."""
    length = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(length) if length.isdigit() else None


def _start(answer: requests.Response, part: Path, start: int) -> int:
    """From which byte on the answer's content is."""
    if answer.status_code == 200:
        return 0
    begins = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if answer.status_code == 206 and begins is not None and int(begins[1]) == start:
        return start
    part.unlink(missing_ok=True)  # the server speaks of another file than this is a part of
    raise PassingError("the server does not go on where it was")


def _refuse_page(answer: requests.Response, name: str) -> None:
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "text/html" and not name.endswith(".html"):
        raise RefusedError("a page of HTML came instead of the file")


def _total(answer: requests.Response, start: int) -> int | None:
    """Bytes of the whole file, where the server says."""
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None


def _validator(answer: requests.Response) -> str:
    """What tells a changed file; a weak ETag does not."""
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _check_space(target: Path, total: int | None, start: int) -> None:
    if total is None:
        return
    free = shutil.disk_usage(target.parent).free
    if total - start + SPARE > free:
        raise DataError(
            f"{target.name}: needs {(total - start) / 1e6:,.1f} MB more, and {target.parent} has "
            f"{free / 1e6:,.1f} MB free. Free space or choose another data folder (ORCH_DATA)."
        )


def _copy(answer: requests.Response, stream: BinaryIO, tell: Callable[[int], None]) -> None:
    try:
        while chunk := answer.raw.read1(CHUNK, decode_content=False):  # as it comes
            stream.write(chunk)
            tell(stream.tell())
    except urllib3.exceptions.ReadTimeoutError:
        raise PassingError("nothing came for too long") from None
    except urllib3.exceptions.HTTPError:
        raise PassingError("the connection was cut") from None


def _teller(name: str, total: int | None, progress: Progress | None) -> Callable[[int], None]:
    """Passes on how far a download is, a few times a second."""
    told = 0.0

    def tell(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        if progress is None or total is None or (now - told < TOLD_SECONDS and done < total):
            return
        told = now
        progress(name, done, total)

    return tell


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)


def write_json(path: Path, content: object) -> None:
    """Write a small file whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
