"""Where the tracking store is, and whether it can be used: asked before MLflow is."""

import http.client
import os
import re
import socket
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from filelock import FileLock, Timeout

from orchestrator.errors import StoreError

REACH_SECONDS = 3.0
"""How long a server may take to answer the first time."""
LOCK_SECONDS = 120.0
"""How long another process may take to create the store's file."""

SQLITE = "sqlite:///"
_SECRET = re.compile(
    r"([^?&;=]*(?:pass|pwd|secret|token|key|sig)[^?&;=]*)=([^&;#]+)", re.IGNORECASE
)
"""A part of a URI's query that nobody else should read."""
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_ADVICE = "Start the server, or leave MLFLOW_TRACKING_URI unset to use a local file."


def tracking_uri(option: str | None, results: Path) -> str:
    """The store's URI: the option, else ``MLFLOW_TRACKING_URI``, else a file in ``results``."""
    chosen = option or os.environ.get("MLFLOW_TRACKING_URI")
    return chosen or f"{SQLITE}{(results.resolve() / 'mlflow.db').as_posix()}"


def existing_uri(option: str | None, results: Path) -> str:
    """As :func:`tracking_uri`, for reading: a database that is not there is not made.

    Raises:
        StoreError: the database does not exist.
    """
    uri = tracking_uri(option, results)
    file = database(uri)
    if file is not None and not file.exists():
        raise StoreError(
            f"{file}: there is no store of runs. Run a sweep first, or name its --results folder."
        )
    return uri


def check_to_read(uri: str) -> None:
    """See that the store answers and is whole, and write nothing, not even a lock.

    Raises:
        StoreError: the server is unreachable, or the file is no store.
    """
    file = database(uri)
    if file is None:
        check(uri)
        return
    _check_database(file)
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            has_any = connection.execute("SELECT 1 FROM experiments LIMIT 1").fetchone()
    except sqlite3.Error:
        has_any = None
    if has_any is None:  # MLflow writes this row last
        raise StoreError(
            f"{file}: is no MLflow store, or one that is being made at this moment. Try again, or "
            "name another by --tracking-uri."
        )


def check_to_write(uri: str) -> None:
    """See that a database file can be written now, and leave it as it is; servers are not tried.

    Raises:
        StoreError: the file or its folder cannot be written, or another process holds the file.
    """
    file = database(uri)
    if file is None:
        return
    if not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
        raise StoreError(
            f"{file}: cannot be written. Mend the rights of the file and its folder, or choose "
            "another --results folder."
        )
    try:
        with closing(sqlite3.connect(file, timeout=REACH_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as error:
        raise StoreError(
            f"{file}: cannot be written now ({error}). Another process holds it, or its file "
            "system does not lock files: keep the store on a local disk or on a server."
        ) from None


def is_server(uri: str) -> bool:
    """Whether the store is behind HTTP."""
    return urlsplit(uri).scheme in {"http", "https"}


def shown(uri: str) -> str:
    """The URI as messages may show it: without a user's name and password, keys and tokens."""
    return _SECRET.sub(r"\1=***", _with_user(uri, "***@"))


def scrubbed(text: str, uri: str) -> str:
    """A library's message about a URI as it may be shown: the URI and its secrets are hidden."""
    hidden = text.replace(uri, shown(uri))
    parts = urlsplit(uri)
    secrets = {parts.password or "", *(value for _, value in _SECRET.findall(uri))}
    for secret in {*secrets, *map(unquote, secrets)} - {""}:
        hidden = hidden.replace(secret, "***")
    return hidden


def database(uri: str) -> Path | None:
    """The file behind a SQLite URI."""
    return Path(uri.removeprefix(SQLITE).partition("?")[0]) if uri.startswith(SQLITE) else None


def check_folder(folder: Path) -> None:
    """Make a folder that can be written.

    Raises:
        StoreError: it cannot.
    """
    probe = folder / f".writable.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written ({error.strerror}). Choose another --results folder."
        ) from None


def check(uri: str) -> None:
    """See that the store answers, within :data:`REACH_SECONDS`.

    Raises:
        StoreError: the server is unreachable, or the file is not a database.
    """
    file = database(uri)
    if file is not None:
        check_folder(file.parent)
        _check_database(file)
    elif is_server(uri):
        _check_server(uri)
    else:
        _check_host(uri)


@contextmanager
def creation_lock(uri: str) -> Iterator[None]:
    """Let one process at a time create the store's file; a server needs no lock.

    Raises:
        StoreError: another process holds the lock for too long.
    """
    file = database(uri)
    if file is None:
        yield
        return
    try:
        with FileLock(file.with_name(".mlflow.lock"), timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise StoreError(
            f"{error.lock_file}: another process has held this lock for {LOCK_SECONDS:.0f} s. "
            "End that process, or delete the file if there is none."
        ) from None


def _check_database(file: Path) -> None:
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as error:
        raise StoreError(
            f"{file}: cannot be read as a database ({error}). Move it away to begin a new one."
        ) from None


def _with_user(uri: str, user: str) -> str:
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=f"{user}{parts.netloc.rpartition('@')[2]}"))


def _check_server(uri: str) -> None:
    address = f"{_with_user(uri, '').rstrip('/')}/health"
    request = urllib.request.Request(address)  # noqa: S310 - http(s) only
    try:
        with urllib.request.urlopen(request, timeout=REACH_SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= 500:
            raise _unreachable(uri, f"it answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _unreachable(uri, error.reason) from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(uri, error) from None


def _check_host(uri: str) -> None:
    """A database server's port; schemes without a host are MLflow's to judge."""
    parts = urlsplit(uri)
    port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    if parts.hostname is None or port is None:
        return
    try:
        socket.create_connection((parts.hostname, port), timeout=REACH_SECONDS).close()
    except OSError as error:
        raise _unreachable(uri, error) from None


def _unreachable(uri: str, reason: object) -> StoreError:
    text = scrubbed(getattr(reason, "strerror", None) or str(reason), uri)
    return StoreError(f"{shown(uri)}: the tracking store cannot be reached ({text}). {_ADVICE}")
