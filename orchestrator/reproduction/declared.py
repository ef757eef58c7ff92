"""Tables and figures of papers, as ``search_spaces/papers/<paper>.toml`` declares them.

An *exhibit* is a table or a figure; a *claim* of it says of two subjects which is higher. Subjects
are variants of an ablation, values of a swept factor, models, or what a diagnosis tells.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from orchestrator.errors import ConfigError, unknown
from orchestrator.sweep.space import folder

Kind = Literal["statistics", "comparison", "ablation", "sweep", "diagnosis", "drawing"]
"""What an exhibit is made from; a drawing explains and measures nothing."""
Relation = Literal["above", "below", "about"]
"""Of the first subject to the second; ``about`` is within 2 % of it."""
Value = int | float | str
EACH = "each"
"""Stands for every other subject, each by itself."""


class _Strict:
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Statement(_Strict):
    """A claim as it is declared, for all data sets and metrics at once."""

    first: Value | tuple[Value, ...]
    """A subject, several that are averaged, or :data:`EACH`."""
    second: Value | tuple[Value, ...]
    """The same; a number with a decimal point is that number and no subject."""
    relation: Relation | None = None
    """None where the numbers that the paper prints say it."""
    metrics: tuple[str, ...] = ()
    """Those of the exhibit, unless named."""


@dataclass(frozen=True, kw_only=True)
class Exhibit(_Strict):
    """A table or figure of a paper."""

    label: str
    """As the paper calls it."""
    kind: Kind
    about: str
    """What it shows, in our words."""
    paper: str = ""
    """Name of the paper, as :mod:`orchestrator.reporting.published` has it."""
    paper_name: str = ""
    """The same as people write it."""
    key: str = ""
    number: str = ""
    """Its table in ``published.csv``; empty where the paper prints no number."""
    model: str = ""
    models: tuple[str, ...] = ()
    """Those that ``model`` is compared with."""
    datasets: tuple[str, ...] = ()
    is_named: bool = True
    """Whether the paper says which data sets; else ``datasets`` is our choice of its own."""
    space: str = ""
    variants: str = ""
    """Variants or a group of them."""
    views: str = ""
    metrics: tuple[str, ...] = ()
    """Without a split: they are the test split's."""
    measure: str = ""
    """What the metrics' values are of, where subjects and metrics do not tell it."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Modality -> the form of its features that the paper's model reads."""
    encoders: Mapping[str, str] = field(default_factory=dict)
    """Modality -> the encoder that the paper names."""
    counts: Literal["plain", "rows"] = "plain"
    """``rows``: interactions are rows of a history and a target, and items include padding."""
    claims: tuple[Statement, ...] = ()

    @property
    def name(self) -> str:
        """What ``orch reproduce`` takes."""
        return f"{self.paper}/{self.key}"

    @property
    def every_model(self) -> tuple[str, ...]:
        """Its own model and those compared with it."""
        return (self.model, *self.models) if self.model else ()

    @property
    def title(self) -> str:
        """Paper, place and content."""
        return f"{self.paper_name} paper, {self.label}: {self.about}"


@dataclass(frozen=True, kw_only=True)
class _File(_Strict):
    """What one paper's file holds."""

    name: str
    title: str
    encoders: Mapping[str, str]
    exhibits: Mapping[str, Exhibit]


_FILE = TypeAdapter(_File)


def papers() -> tuple[str, ...]:
    """The papers that are declared, in alphabetical order."""
    return tuple(sorted(path.stem for path in (folder() / "papers").glob("*.toml")))


@cache
def exhibits() -> Mapping[str, Exhibit]:
    """All tables and figures by name, paper by paper, in the order of their files.

    Raises:
        ConfigError: a file is not what such files are.
    """
    found = [read_paper(folder() / "papers" / f"{paper}.toml") for paper in papers()]
    return {exhibit.name: exhibit for paper in found for exhibit in paper}


def find_exhibit(name: str) -> Exhibit:
    """An exhibit by name, such as ``decorec/table4``.

    Raises:
        ConfigError: there is none of it.
    """
    known = exhibits()
    if name not in known:
        hint = "`orch reproduce --list` shows all."
        raise ConfigError(f"{unknown('table or figure', name, known)} {hint}")
    return known[name]


def read_paper(path: Path) -> tuple[Exhibit, ...]:
    """The exhibits of one file.

    Raises:
        ConfigError: it is no TOML, or a key or value is not what an exhibit has.
    """
    try:
        plain = tomllib.loads(path.read_text())
        for key, table in plain.get("exhibits", {}).items():
            table.update({"paper": path.stem, "paper_name": plain.get("name"), "key": key})
            table["encoders"] = plain.get("encoders", {})
        return tuple(_FILE.validate_python(plain).exhibits.values())
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name}: is not TOML: {error}.") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise ConfigError(f"{path.name}: `{where}`: {problem['msg']}.") from None
