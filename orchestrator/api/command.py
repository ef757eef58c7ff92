"""The call that began a sweep or anything like it, kept so that it can be made again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.config import JSON
from orchestrator.errors import ConfigError, unknown
from orchestrator.results import read_json, write_json
from orchestrator.tracking.store import shown

FILE = "command.json"
"""In the folder of a sweep: the call that began it."""
_WATCHING = ("listener", "on_problem")
_PATHS = ("results", "data_dir", "config")
_HIDDEN = "***"
"""Stands in the shown address of a store for the user and password."""


@dataclass(frozen=True)
class Command:
    """A call of a function of :mod:`orchestrator.api` that can be made again."""

    function: str
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, function: str, given: Mapping[str, Any]) -> "Command":
        """The call of a function, from its local names at its beginning."""
        return cls(function, {**{k: v for k, v in given.items() if k != "how"}, **given["how"]})

    def keep(self, folder: Path, name: str) -> None:
        """Write it down; what it was given as a secret is left out.

        Raises:
            StoreError: the folder cannot be written.
        """
        kept = {key: v for key, v in self.arguments.items() if key not in _WATCHING}
        plain = {key: str(v) if isinstance(v, Path) else v for key, v in kept.items()}
        for key in ("data_dir", "config"):
            if plain.get(key) is not None:
                plain[key] = str(Path(plain[key]).resolve())
        if "configs" in plain:
            plain["configs"] = [str(Path(path).resolve()) for path in plain["configs"]]
        if plain.get("tracking_uri") is not None:
            plain["tracking_uri"] = shown(plain["tracking_uri"])
        write_json(folder / FILE, {"function": self.function, "arguments": {**plain, "name": name}})


def find_command(name: str, results: Path) -> Command:
    """The call that began a sweep.

    Raises:
        ConfigError: there is no such sweep in these results.
        StoreError: its file is damaged.
    """
    path = results / "sweeps" / name / FILE
    if not path.exists():
        known = [found.parent.name for found in (results / "sweeps").glob(f"*/{FILE}")]
        raise ConfigError(f"--results {results}: {unknown('sweep', name, known)}")
    plain: JSON = read_json(path)
    return Command(plain["function"], plain["arguments"])


def again(
    command: Command, functions: Mapping[str, Callable[..., Any]], changes: Mapping[str, Any]
) -> Any:  # noqa: ANN401 - what the function gives
    """Make a call again.

    Args:
        command: what was kept.
        functions: those that can be called, by name.
        changes: arguments given anew; None leaves one as it was.

    Raises:
        OrchError: as the function itself, and where a secret must be given again.
    """
    new = {key: value for key, value in changes.items() if value is not None}
    arguments = {**command.arguments, **new}
    uri = arguments.get("tracking_uri") or ""
    if _HIDDEN in uri:
        raise ConfigError(
            f"--tracking-uri: {uri} has a password, which is not kept. Give the option again."
        )
    paths = {key: Path(arguments[key]) for key in _PATHS if arguments.get(key)}
    if "configs" in arguments:
        arguments["configs"] = [Path(path) for path in arguments["configs"]]
    return functions[command.function](**{**arguments, **paths})
