"""Text files of a data set to import, read so that every complaint names file and line."""

from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import DataError

NUMBERED_FROM = 1


def wrong(path: Path, rule: str, *, line: int | None = None) -> DataError:
    """The error for a source file, and a line of it where there is one."""
    place = f"{path}" if line is None else f"{path}, line {line}"
    return DataError(f"{place}: {rule}.")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line, without its end.

    Raises:
        DataError: the file is missing, unreadable, not UTF-8 or holds an empty line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as stream:
            for number, line in enumerate(stream, start=NUMBERED_FROM):
                text = line.rstrip("\r\n")
                if not text.strip():
                    raise wrong(path, "the line is empty. Remove it", line=number)
                yield number, text
    except OSError as error:
        raise wrong(path, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise wrong(path, f"must be UTF-8 ({error})") from None


def read_rows(
    path: Path, *, columns: tuple[int, ...], header: tuple[str, ...] | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Number and tab-separated fields of each line; a header is checked and not yielded.

    Args:
        path: the file.
        columns: how many fields a line may have.
        header: the fields of the first line; None where there is no header.

    Raises:
        DataError: unreadable, another header, or a line with another number of fields.
    """
    lines = read_lines(path)
    if header is not None:
        _check_header(path, next(lines, (NUMBERED_FROM, "")), header)
    for number, text in lines:
        fields = text.split("\t")
        if len(fields) not in columns:
            expected = " or ".join(map(str, columns))
            raise wrong(path, f"must have {expected} columns, has {len(fields)}", line=number)
        yield number, fields


def _check_header(path: Path, first: tuple[int, str], header: tuple[str, ...]) -> None:
    number, text = first
    if tuple(text.split("\t")) != header:
        raise wrong(path, f"the header must be {' <TAB> '.join(header)}", line=number)


def integers(path: Path, line: int, words: list[str], *, kind: str) -> list[int]:
    """Words as integers that are not negative.

    Raises:
        DataError: one is not.
    """
    for word in words:
        if not (word.isascii() and word.isdigit()):
            raise wrong(path, f"{kind} {word!r} is no integer", line=line)
    return [int(word) for word in words]
