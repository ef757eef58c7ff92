"""Pictures of items from the web: several at once, few from one host, what is broken is recorded.

A picture that cannot be had is missing, and the reason is kept; it stops nothing. A journal tells
of each address what came of it, so that the work goes on where it was cut. Only a network that is
gone altogether is an error: it must not make all items that are left look as if they had none.
"""

import hashlib
import io
import json
import threading
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import requests
import urllib3

from orchestrator.data import Progress
from orchestrator.data.manifest import file_hash
from orchestrator.errors import DataError
from orchestrator.obtaining.network import Network, PassingError, RefusedError, Sessions

JOURNAL = "journal.jsonl"
LARGEST = 2**24
"""Bytes of a picture."""
SMALLEST_SIDE = 8
"""Pixels; shops send a picture of one pixel where they have none."""
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}
RETRIES = 2
"""Of one picture: there are many, and one that is missing is no harm."""
GONE = 40
"""Failures in a row, of the kind that passes, that mean there is no network."""
FEW = 3
"""As many mean the same where no picture was ever got."""
CHUNK = 2**16


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What came of an address."""

    address: str
    file: str | None = None
    """Name within the folder; None where it is missing."""
    sha256: str = ""
    reason: str = ""
    """Why it is missing."""


def fetch_pictures(
    addresses: Iterable[str],
    folder: Path,
    *,
    network: Network,
    retry: bool = False,
    progress: Progress | None = None,
) -> dict[str, Picture]:
    """Have the pictures of some addresses.

    Args:
        addresses: where they lie; each is asked for once.
        folder: where they go, with the journal.
        network: how patient and how busy to be.
        retry: ask again for those that were missing.
        progress: hears how many are done.

    Returns:
        Address -> what came of it.

    Raises:
        DataError: the network is gone, or the disk refuses.
    """
    wanted = list(dict.fromkeys(addresses))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = _known(folder, set(wanted), retry=retry)
        left = [address for address in wanted if address not in known]
        with (folder / JOURNAL).open("a", encoding="utf-8") as journal:
            got_before = any(picture.file is not None for picture in known.values())
            fetched = _fetched(left, folder, network, got_before=got_before)
            for number, picture in enumerate(fetched, start=1):
                journal.write(json.dumps(asdict(picture)) + "\n")
                journal.flush()
                known[picture.address] = picture
                if progress is not None:
                    progress("pictures", number, len(left))
    except OSError as error:
        raise DataError(
            f"{error.filename or folder}: cannot be written ({error.strerror or error}). Free "
            "space or choose another data folder (ORCH_DATA), and type the command again."
        ) from error
    return {address: known[address] for address in wanted}


def _known(folder: Path, wanted: set[str], *, retry: bool) -> dict[str, Picture]:
    """What the journal tells of the wanted addresses, as far as it is still so."""
    known: dict[str, Picture] = {}
    path = folder / JOURNAL
    if not path.exists():
        return known
    text = path.read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        try:
            picture = Picture(**json.loads(line))
        except (ValueError, TypeError):
            continue  # cut by a kill
        if picture.address in wanted:
            known[picture.address] = picture
    if text and not text.endswith("\n"):
        with path.open("a", encoding="utf-8") as journal:
            journal.write("\n")
    return {address: one for address, one in known.items() if _holds(folder, one, retry=retry)}


def _holds(folder: Path, picture: Picture, *, retry: bool) -> bool:
    if picture.file is None:
        return not retry
    path = folder / picture.file
    return path.is_file() and file_hash(path) == picture.sha256


def _fetched(
    addresses: list[str], folder: Path, network: Network, *, got_before: bool
) -> Iterator[Picture]:
    """What came of each address, as it comes.

    Failures that may pass are held back until an address answers, which shows that there is a
    network. At the end they count as missing if any address ever answered, or if they are few.
    """
    fetcher = _Fetcher(folder, network)
    pool = ThreadPoolExecutor(network.workers, thread_name_prefix="pictures")
    held: list[Picture] = []
    try:
        for future in as_completed([pool.submit(fetcher.fetch, each) for each in addresses]):
            picture, is_passing = future.result()
            if is_passing:
                held.append(picture)
                _refuse_gone(held, GONE)
                continue
            yield from held
            held, got_before = [], True
            yield picture
        if not got_before:
            _refuse_gone(held, FEW)
        yield from held
    finally:
        fetcher.stop()
        pool.shutdown(wait=True, cancel_futures=True)


def _refuse_gone(held: list[Picture], most: int) -> None:
    if len(held) >= most:
        raise DataError(
            f"{held[-1].address}: {held[-1].reason}, and so {len(held)} times in a row. Check the "
            "network and type the command again, which goes on where it was, or leave the "
            "pictures out with --no-pictures."
        )


class _Fetcher:
    """Fetches pictures in several threads."""

    def __init__(self, folder: Path, network: Network) -> None:
        self._folder, self._network = folder, network
        self._sessions = Sessions(network)
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped.set()

    def fetch(self, address: str) -> tuple[Picture, bool]:
        """What came of an address, and whether it may be otherwise the next time."""
        reason = ""
        for attempt in range(1 + min(RETRIES, self._network.retries)):
            if self._stopped.is_set():
                break
            try:
                return self._attempt(address), False
            except RefusedError as error:
                return Picture(address=address, reason=str(error)), False
            except PassingError as error:
                reason = str(error)
                self._host(address).rest(error.asked)
                self._stopped.wait(self._network.pause_before(attempt))
        return Picture(address=address, reason=reason), True

    def _attempt(self, address: str) -> Picture:
        with self._host(address).turn(self._stopped), self._sessions.get(address, {}) as answer:
            content = _content(answer)
        suffix = _suffix(content)
        digest = hashlib.sha256(content).hexdigest()
        name = f"{digest[:32]}{suffix}"
        draft = self._folder / f".{threading.get_ident()}.draft"
        draft.write_bytes(content)
        draft.replace(self._folder / name)
        return Picture(address=address, file=name, sha256=digest)

    def _host(self, address: str) -> "_Host":
        name = urllib.parse.urlsplit(address).netloc
        with self._lock:
            return self._hosts.setdefault(name, _Host(self._network.per_host))


class _Host:
    """One host: only so many ask it at once, and nobody while it wants to be left alone."""

    def __init__(self, at_once: int) -> None:
        self._turns = threading.Semaphore(at_once)
        self._until = 0.0

    def rest(self, seconds: float) -> None:
        """Leave it alone for some seconds, a minute at most."""
        self._until = max(self._until, time.monotonic() + min(seconds, 60.0))

    @contextmanager
    def turn(self, stopped: threading.Event) -> Iterator[None]:
        """Have one of the turns inside the block."""
        with self._turns:
            stopped.wait(max(0.0, self._until - time.monotonic()))
            yield


def _content(answer: requests.Response) -> bytes:
    """An answer's content, refused where it is none of a picture or too large."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind.startswith("text/"):
        raise RefusedError(f"{kind} in place of a picture")
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > LARGEST:
        raise RefusedError(f"more than {LARGEST} bytes")
    parts, size = [], 0
    try:
        for chunk in answer.raw.stream(CHUNK, decode_content=True):
            size += len(chunk)
            if size > LARGEST:
                raise RefusedError(f"more than {LARGEST} bytes")
            parts.append(chunk)
    except urllib3.exceptions.HTTPError:
        raise PassingError("the connection was cut") from None
    return b"".join(parts)


def _suffix(content: bytes) -> str:
    """Suffix of a picture's kind, once it was seen to be a sound picture.

    Raises:
        RefusedError: it is none.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=list(SUFFIXES)) as picture:
            picture.load()
            kind, size = picture.format, picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RefusedError(f"no sound picture ({type(error).__name__})") from None
    if min(size) < SMALLEST_SIDE:
        raise RefusedError(f"a picture of {size[0]} x {size[1]} pixels")
    return SUFFIXES[str(kind)]


def counted(pictures: Mapping[str, Picture]) -> dict[str, int]:
    """Why pictures are missing -> how many are for that reason, most first."""
    reasons = [picture.reason for picture in pictures.values() if picture.file is None]
    return {
        reason: reasons.count(reason)
        for reason in sorted(set(reasons), key=lambda one: (-reasons.count(one), one))
    }
