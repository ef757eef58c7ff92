"""What a public data set is: where its files lie, how they are written, what is made of them."""

import codecs
import itertools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from orchestrator.data.manifest import Counts
from orchestrator.errors import ConfigError, unknown

DECLARATIONS = Path(__file__).with_name("sources.toml")
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Of each part of a source's name, which is also a folder's."""


class _Strict:
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class InteractionFile(_Strict):
    """The file of who took what, and when."""

    file: str
    """Path below an address; ``{category}`` stands for the source's category."""
    member: str | None = None
    """Path within the file, where that is a zip archive."""
    format: Literal["json-lines", "separated"]
    columns: Mapping[Literal["user", "item", "rating", "time"], str | int]
    """What is where: a field's name, or a column counted from 0. ``rating`` may be left out."""
    separator: str = ","
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        """Refuse columns that the format cannot have, or too few of them."""
        kind = int if self.format == "separated" else str
        if not all(isinstance(place, kind) for place in self.columns.values()):
            told = {int: "numbers, counted from 0", str: "names of fields"}[kind]
            raise ValueError(f"`columns` of {self.format} must be {told}")
        if missing := {"user", "item", "time"} - self.columns.keys():
            raise ValueError(f"`columns` must name `{min(missing)}`")
        _check_form(self.separator, self.encoding)


def _check_form(separator: str, encoding: str) -> None:
    if not separator:
        raise ValueError("`separator` cannot be empty")
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ValueError(f"`encoding` cannot be {encoding!r}: Python knows none such") from None


@dataclass(frozen=True, kw_only=True)
class ItemFile(_Strict):
    """The file of what items are."""

    file: str
    member: str | None = None
    format: Literal["json-lines", "python-literals", "separated"]
    id: str
    """Field that holds an item's id."""
    text: tuple[str, ...]
    """Fields that make an item's text, in this order."""
    recipe: Literal["sentences", "unisrec"]
    """How they are joined; see :mod:`orchestrator.obtaining.describing`."""
    pictures: tuple[str, ...] = ()
    """Fields of picture addresses; the first address of the first field that has one is taken."""
    no_picture: tuple[str, ...] = ()
    """Parts of addresses that stand for "no picture"."""
    columns: tuple[str, ...] = ()
    """Names of the columns of a separated file."""
    separator: str = ","
    encoding: str = "utf-8"
    lists: Mapping[str, str] = field(default_factory=dict)
    """Fields that are lists, and what separates their parts."""
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Fields that are made of columns of 0 and 1: the names of those with 1."""

    def __post_init__(self) -> None:
        """Refuse a separated file without names, and fields that no column gives."""
        _check_form(self.separator, self.encoding)
        if self.format != "separated":
            return
        used = {self.id, *self.lists, *itertools.chain.from_iterable(self.flags.values())}
        used |= {*self.text, *self.pictures} - self.flags.keys()
        if missing := used - set(self.columns):
            raise ValueError(f"`columns` has no `{min(missing)}`")


@dataclass(frozen=True, kw_only=True)
class Rules(_Strict):
    """What is kept of the files."""

    min_interactions: int
    """Of every user and of every item, again and again until none has fewer."""
    incomplete: Literal["mark", "drop"]
    """Items that lack a text or picture: kept and marked missing, or dropped before the k-core."""
    listed_items_only: bool = False
    """Items that the item file does not list are dropped before the k-core."""
    drop_repeats: bool = False
    """Of interactions that are equal throughout, one is kept."""

    def __post_init__(self) -> None:
        """Refuse a core of nothing."""
        if self.min_interactions < 1:
            raise ValueError("`min_interactions` must be at least 1")


@dataclass(frozen=True, kw_only=True)
class Encoder(_Strict):
    """What features are made by, unless the user names another."""

    encoder: str
    forms: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Expected(_Strict):
    """Counts that somebody printed."""

    by: str
    """Who, and where."""
    users: int | None = None
    items: int | None = None
    interactions: int | None = None
    counts: Literal["plain", "rows"] = "plain"
    """``rows``: interactions are rows of a history and a target; items include padding."""

    def differences(self, found: Counts) -> list[tuple[str, int, int]]:
        """What was counted, how many were printed, and how many there are by the same count."""
        rows = self.counts == "rows"
        here = {
            "users": found.users,
            "items": found.items + rows,
            "interactions": found.targets if rows else found.interactions,
        }
        printed = {name: getattr(self, name) for name in here}
        return [
            (name, number, here[name]) for name, number in printed.items() if number is not None
        ]


@dataclass(frozen=True, kw_only=True)
class Publisher(_Strict):
    """Who publishes, and what the files of all its sources have in common."""

    about: str
    page: str
    licence: str
    addresses: tuple[str, ...]
    """Folders that hold the files; tried in this order."""
    interactions: InteractionFile
    items: ItemFile
    rules: Rules
    encoders: Mapping[Literal["text", "image"], Encoder] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    """File -> ``md5:`` or ``sha256:`` and the digest, where the publisher gives one."""

    def __post_init__(self) -> None:
        """Refuse checksums of a kind that is not compared."""
        for checksum in self.checksums.values():
            if checksum.partition(":")[0] not in ("md5", "sha256"):
                raise ValueError(
                    f"`checksums` cannot hold {checksum!r}: begin it with md5: or sha256:"
                )


@dataclass(frozen=True, kw_only=True)
class _Entry(_Strict):
    """A source as it is declared."""

    publisher: str
    name: str
    category: str = ""
    expected: Expected | None = None


@dataclass(frozen=True, kw_only=True)
class _File(_Strict):
    publishers: Mapping[str, Publisher] = field(default_factory=dict)
    sources: Mapping[str, _Entry] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A public data set that can be obtained."""

    name: str
    """What it is asked for by, such as ``amazon-2014/beauty``."""
    dataset: str
    """What the stored data set is called, unless the user says otherwise."""
    publisher: Publisher
    category: str
    expected: Expected | None

    @property
    def interactions_path(self) -> str:
        """The file of interactions, below an address."""
        return self.publisher.interactions.file.format(category=self.category)

    @property
    def items_path(self) -> str:
        """The file of items, below an address."""
        return self.publisher.items.file.format(category=self.category)

    @property
    def paths(self) -> tuple[str, ...]:
        """All its files, each once."""
        return tuple(dict.fromkeys((self.interactions_path, self.items_path)))

    def plain(self, *parts: Literal["interactions", "items", "rules"]) -> dict[str, Any]:
        """Parts of the declaration as JSON has them, to be hashed."""
        return {part: asdict(getattr(self.publisher, part)) for part in parts}


_FILE = TypeAdapter(_File)


def read_sources(more: Path | None = None) -> dict[str, Source]:
    """Every source that is declared, by name, in the order of the files.

    Args:
        more: a file of further declarations; they go over those of the same name.

    Raises:
        ConfigError: a file is unreadable, or a key or value of it cannot be.
    """
    files = [DECLARATIONS, *([] if more is None else [more])]
    return {name: source for file in files for name, source in _sources(file).items()}


def find_source(name: str, more: Path | None = None) -> Source:
    """One source by name.

    Raises:
        ConfigError: there is none of this name, or a declaration is wrong.
    """
    sources = read_sources(more)
    if name not in sources:
        raise ConfigError(f"orch data get: {unknown('source', name, sources)}")
    return sources[name]


def _sources(file: Path) -> dict[str, Source]:
    declared = _read(file)
    found = {}
    for name, entry in declared.sources.items():
        if entry.publisher not in declared.publishers:
            wrong = unknown("publisher", entry.publisher, declared.publishers)
            raise ConfigError(f"{file}: `sources.{name}.publisher`: {wrong}")
        publisher = declared.publishers[entry.publisher]
        found[name] = Source(name, entry.name, publisher, entry.category, entry.expected)
        _check(file, found[name])
    return found


def _check(file: Path, source: Source) -> None:
    """Refuse what would end in a wrong folder, or in files that take each other's place."""
    where = f"{file}: `sources.{source.name}`"
    if not all(
        re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", part) for part in source.name.split("/")
    ):
        rule = "only letters, digits, `-`, `_` and `.`, in parts between `/`"
        raise ConfigError(f"{where}: cannot be a name: {rule}. Correct it.")
    try:
        paths = source.paths
    except (KeyError, IndexError, ValueError):
        raise ConfigError(f"{where}: `file` may hold {{category}} alone. Correct it.") from None
    if len({Path(path).name for path in paths}) < len(paths):
        raise ConfigError(f"{where}: its files have the same name. Only one of them can be kept.")


def _read(file: Path) -> _File:
    try:
        return _FILE.validate_python(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be read ({error.strerror}). Check --declarations."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is no TOML ({error}). Correct it.") from None
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        text = str(problem["msg"]).removeprefix("Value error, ")
        raise ConfigError(f"{file}: `{key}`: {text}. Correct it.") from None
