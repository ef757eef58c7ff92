"""Published files, read line by line or column by column, whatever they are wrapped in.

Nothing is unpacked to the disk. A line has at most :data:`LONGEST_LINE` bytes.
"""

import ast
import gzip
import json
import re
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

from orchestrator.errors import DataError
from orchestrator.obtaining.declaration import InteractionFile, ItemFile

LONGEST_LINE = 2**24
"""Bytes; the longest of the published ones has under one million."""


@contextmanager
def opened(path: Path, member: str | None) -> Iterator[BufferedIOBase]:
    """A file's content as bytes: of a member of an archive, or unpacked, or as it lies.

    Raises:
        DataError: it cannot be read, or the archive has no such member.
    """
    try:
        if member is not None:
            with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
                yield cast(BufferedIOBase, stream)
        elif path.suffix == ".gz":
            with gzip.open(path) as stream:
                yield stream
        else:
            with path.open("rb") as stream:
                yield stream
    except KeyError:
        raise wrong(path, f"the archive has no `{member}`") from None
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise wrong(path, f"cannot be read ({error})") from None


def wrong(path: Path, rule: str, line: int | None = None) -> DataError:
    """The error for a published file, and a line of it where there is one."""
    place = path.name if line is None else f"{path.name}, line {line}"
    return DataError(f"{place}: {rule}. The file is not in the form that its source declares.")


def lines(path: Path, member: str | None) -> Iterator[tuple[int, bytes]]:
    """Number, from 1, and content of each line that is not empty, without its end.

    Raises:
        DataError: the file cannot be read, or a line is too long to be one.
    """
    with opened(path, member) as stream:
        number = 0
        while line := stream.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise wrong(path, f"has more than {LONGEST_LINE:,} bytes", number)
            if content := line.rstrip(b"\r\n"):
                yield number, content


def records(path: Path, layout: InteractionFile | ItemFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and fields of each line that is a JSON object.

    Raises:
        DataError: a line is none.
    """
    for number, line in lines(path, layout.member):
        yield number, _fields(path, number, line, json.loads)


def _fields(path: Path, number: int, line: bytes, parse: Callable[[bytes], Any]) -> dict[str, Any]:
    """The fields of a line that is an object of its own."""
    try:
        found = parse(line)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise wrong(path, f"cannot be read ({type(error).__name__})", number) from None
    if not isinstance(found, dict):
        raise wrong(path, "is no object with fields", number)
    return found


def item_records(
    path: Path, layout: ItemFile, wanted: Collection[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Id and fields of the wanted items, each once: the first line of an item counts.

    Args:
        path: the file.
        layout: how it is written.
        wanted: raw ids; a set, for there are many lines.

    Raises:
        DataError: a line is not what the format says, or has no id.
    """
    seen: set[str] = set()
    for number, found in _item_lines(path, layout, wanted):
        raw = found.get(layout.id)
        if not isinstance(raw, str):
            raise wrong(path, f"has no `{layout.id}`", number)
        if raw in wanted and raw not in seen:
            seen.add(raw)
            yield raw, found


def _item_lines(
    path: Path, layout: ItemFile, wanted: Collection[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    if layout.format == "separated":
        for number, values in rows(path, layout):
            yield number, _named(path, number, values, layout)
    elif layout.format == "json-lines":
        yield from records(path, layout)
    else:
        yield from _literal_items(path, layout, wanted)


def _literal_items(
    path: Path, layout: ItemFile, wanted: Collection[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Literals are slow to read: a line that begins by naming an unwanted item is passed over."""
    begins = re.compile(rb"\{'" + re.escape(layout.id.encode()) + rb"': '([^'\\]*)'")
    for number, line in lines(path, layout.member):
        named = begins.match(line)
        if named is not None and named[1].decode("utf-8", "replace") not in wanted:
            continue
        yield number, _fields(path, number, line, _literal)


def _literal(line: bytes) -> Any:  # noqa: ANN401 - whatever the line says
    """What a Python literal says; anything else in it, such as a call, is refused by the parser."""
    return ast.literal_eval(line.decode("utf-8"))


def rows(path: Path, layout: InteractionFile | ItemFile) -> Iterator[tuple[int, list[str]]]:
    """Number and columns of each line of a separated file.

    Raises:
        DataError: a line is not in the file's encoding.
    """
    for number, line in lines(path, layout.member):
        try:
            yield number, line.decode(layout.encoding).split(layout.separator)
        except UnicodeDecodeError:
            raise wrong(path, f"is no {layout.encoding}", number) from None


def _named(path: Path, number: int, values: list[str], layout: ItemFile) -> dict[str, Any]:
    """Columns by name, with the fields that are lists or made of flags."""
    if len(values) != len(layout.columns):
        rule = f"must have {len(layout.columns)} columns, has {len(values)}"
        raise wrong(path, rule, number)
    found: dict[str, Any] = dict(zip(layout.columns, values, strict=True))
    for name, separator in layout.lists.items():
        found[name] = [part for part in found[name].split(separator) if part]
    for name, flags in layout.flags.items():
        found[name] = [flag for flag in flags if found[flag] == "1"]
    return found
