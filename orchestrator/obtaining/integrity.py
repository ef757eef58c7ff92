"""Whether a downloaded file is whole, and is what its name says."""

import gzip
import hashlib
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from orchestrator.errors import DataError

CHUNK = 2**20
HTML = (b"<!doctype html", b"<html")


def check_checksum(path: Path, checksum: str, *, name: str) -> None:
    """Compare a file with the checksum that its publisher gives.

    Args:
        path: the file.
        checksum: ``md5:`` or ``sha256:`` and the digest in hexadecimal.
        name: what to call the file in a complaint.

    Raises:
        DataError: it is another.
    """
    kind, _, wanted = checksum.partition(":")
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, kind).hexdigest()
    if found != wanted:
        raise DataError(
            f"{name}: its {kind} is {found}, its publisher gives {wanted}: it was damaged or "
            "replaced. Nothing of it was kept; type the command again, or take it from another "
            "address with --mirror."
        )


def check_whole(path: Path, *, name: str) -> None:
    """Refuse a file that is cut off, damaged, or not of the kind that its name says.

    Raises:
        DataError: says what is wrong with it.
    """
    if _is_html(path):
        raise _damaged(name, "it is a page of HTML, not the file")
    if name.endswith(".gz"):
        _check_gzip(path, name)
    elif name.endswith(".zip"):
        _check_zip(path, name)


def _is_html(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(1024).lstrip().lower().startswith(HTML)


def _check_gzip(path: Path, name: str) -> None:
    try:
        with gzip.open(path) as stream:
            while stream.read(CHUNK):
                pass
    except EOFError:
        raise _damaged(name, "it is cut off: the compressed data end too early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(name, f"it is no sound gzip file ({error})") from None


def _check_zip(path: Path, name: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                _check_member(member, name)
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _damaged(name, f"it is no sound zip archive ({error})") from None
    if damaged is not None:
        raise _damaged(name, f"`{damaged}` in it is damaged")


def _check_member(member: zipfile.ZipInfo, name: str) -> None:
    """Refuse names that point out of the archive, though nothing is ever unpacked to a disk."""
    path = PurePosixPath(member.orig_filename.replace("\\", "/"))
    leaves = path.is_absolute() or ".." in path.parts or ":" in path.parts[:1][0]
    if leaves or stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(
            f"{name}: holds `{member.orig_filename}`, which points out of the archive. It was not "
            "made by its publisher; nothing of it was kept."
        )


def _damaged(name: str, what: str) -> DataError:
    return DataError(
        f"{name}: {what}. Nothing of it was kept; type the command again, or take it from another "
        "address with --mirror."
    )
