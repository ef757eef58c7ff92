"""A storage behind a URL that fsspec knows: s3://, gs://, file:///shared, memory://."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import fsspec

from orchestrator.errors import ConfigError, StoreError
from orchestrator.tracking.store import scrubbed, shown

LEASE_SECONDS = 30.0
"""A lease that was not renewed for so long belongs to a sweep that is gone."""
RENEW_SECONDS = 8.0
SETTLE_SECONDS = 0.5
"""Two sweeps that ask for a run at once both see, after this, which of them wrote last."""
RETRY_SECONDS = (1.0, 5.0)
"""Waits before a storage that failed is asked again."""
PART = ".part"
LOCAL = frozenset({"", "file", "local"})

T = TypeVar("T")


class UrlStorage:
    """Runs' files below a URL; see :class:`orchestrator.sweep.storage.Storage`.

    Args:
        url: a folder, as fsspec takes it; who may read and write it comes from the environment.
        holder: names the sweep that runs are held by; its own workers never wait for each other.

    Raises:
        ConfigError: no such kind of URL is known, or its package is not installed.
    """

    def __init__(self, url: str, *, holder: str) -> None:
        self._url, self._holder = url, holder
        self._files, self._root = _open(url)

    def check(self) -> None:
        """See that it can be written, read and cleared.

        Raises:
            StoreError: it cannot.
        """
        path = f"{self._root}/writable-{self._holder}"
        self._do(partial(self._files.pipe_file, path, b"yes"))
        self._do(partial(self._files.cat_file, path))
        self._do(partial(self._files.rm_file, path))

    def names(self, run: str) -> frozenset[str]:
        """Paths of a run's files, below the run's folder."""
        folder = f"{self._root}/runs/{run}/"
        found = self._do(partial(self._found, folder))
        names = (path.partition(folder)[2] for path in found)
        return frozenset(name for name in names if name and not name.endswith(PART))

    def fetch(self, run: str, name: str, to: Path) -> None:
        """Copy a file here."""
        draft = to.with_name(f".{to.name}{PART}")
        self._do(partial(self._files.get_file, self._path(run, name), str(draft)))
        draft.replace(to)

    def put(self, run: str, name: str, source: Path) -> None:
        """Copy a file there; the small ones that others count by are moved into place whole."""
        path = self._path(run, name)
        if not name.endswith(".json"):
            self._do(partial(self._files.put_file, str(source), path))
            return
        self._do(partial(self._files.put_file, str(source), path + PART))
        self._do(partial(self._files.mv, path + PART, path))

    def remove(self, run: str, name: str) -> None:
        """Delete a file there."""
        self._do(partial(self._removed, self._path(run, name)))

    @contextmanager
    def held(self, run: str) -> Iterator[None]:
        """Inside, no other sweep trains the run; waits until that is so."""
        files, _ = _open(self._url)  # the renewing thread's own
        lease = _Lease(files, f"{self._root}/leases/{run}", self._holder, self._do)
        lease.take()
        over = threading.Event()
        renewing = threading.Thread(target=lease.renew, args=(over,), daemon=True)
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()
            lease.give()

    def _path(self, run: str, name: str) -> str:
        return f"{self._root}/runs/{run}/{name}"

    def _found(self, folder: str) -> list[str]:
        self._files.invalidate_cache()
        try:
            return list(self._files.find(folder))
        except FileNotFoundError:
            return []

    def _removed(self, path: str) -> None:
        try:
            self._files.rm_file(path)
        except FileNotFoundError:
            return

    def _do(self, call: Callable[[], T]) -> T:
        """Ask the storage, a few times where it fails.

        Raises:
            StoreError: it keeps failing.
        """
        for wait in RETRY_SECONDS:
            try:
                return call()
            except Exception:  # noqa: BLE001 - each storage has exceptions of its own
                time.sleep(wait)
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - each storage has exceptions of its own
            reason = (str(error).splitlines() or [""])[0] or type(error).__name__
            raise StoreError(
                f"{shown(self._url)}: the storage cannot be used ({scrubbed(reason, self._url)}). "
                "Check --storage and who may write there."
            ) from None


class _Lease:
    """A file that says which sweep trains a run, renewed while it does.

    Others tell that its holder is gone by its standing still on their own clock, so that clocks
    need not agree.
    """

    def __init__(
        self,
        files: Any,  # noqa: ANN401 - a file system of fsspec
        path: str,
        holder: str,
        do: Callable[[Callable[[], Any]], Any],
    ) -> None:
        self._files, self._path, self._holder, self._do = files, path, holder, do
        self._count = 0

    def take(self) -> None:
        """Wait until the lease is ours."""
        seen, since = b"", time.monotonic()
        while True:
            text = self._do(self._read)
            if text != seen:
                seen, since = text, time.monotonic()
            is_free = not text or text.startswith(self._holder.encode())
            if is_free or time.monotonic() - since > LEASE_SECONDS:
                self._do(self._write)
                time.sleep(SETTLE_SECONDS)
                if self._do(self._read).startswith(self._holder.encode()):
                    return
            time.sleep(SETTLE_SECONDS)

    def renew(self, over: threading.Event) -> None:
        """Show every few seconds that we are alive."""
        while not over.wait(RENEW_SECONDS):
            try:
                self._write()
            except Exception:  # noqa: BLE001, S112 - the run itself tells of a storage that is gone
                continue

    def give(self) -> None:
        """Give the lease back."""
        self._do(lambda: self._files.exists(self._path) and self._files.rm_file(self._path))

    def _read(self) -> bytes:
        self._files.invalidate_cache()
        try:
            return bytes(self._files.cat_file(self._path))
        except FileNotFoundError:
            return b""

    def _write(self) -> None:
        self._count += 1
        self._files.pipe_file(self._path, f"{self._holder} {self._count}".encode())


def _open(url: str) -> tuple[Any, str]:
    """The file system of a URL and the folder on it."""
    kind = fsspec.core.split_protocol(url)[0] or ""
    options: dict[str, Any] = {"auto_mkdir": True} if kind in LOCAL else {}
    try:
        files, root = fsspec.core.url_to_fs(url, skip_instance_cache=kind != "memory", **options)
    except (ImportError, ValueError) as error:
        reason = scrubbed(str(error).splitlines()[0].rstrip("."), url)
        raise ConfigError(
            f"--storage: {shown(url)} cannot be used: {reason}. Install the package that it needs "
            "(`s3fs` for s3://, `gcsfs` for gs://), or give another URL."
        ) from None
    return files, root.rstrip("/")
