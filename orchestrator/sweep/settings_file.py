"""Settings in a file of their own: written from a sweep's best point, read by ``--config``.

::

    [origin]                    # may be left out; a file of another model is refused
    model = "tame"

    [model]
    text_heads = 4

    [train]
    learning_rate = 0.001
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.config import SECTIONS, TrialConfig, override
from orchestrator.errors import ConfigError, StoreError, unknown
from orchestrator.sweep.space import Space, base_trial

ORIGIN = "origin"
"""Table that says what the settings are of."""
ORIGIN_KEYS = ("model", "dataset", "sweep", "variant", "runs")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where settings come from."""

    model: str
    dataset: str
    sweep: str
    variant: str = ""
    """Of an ablation; else empty."""
    runs: Sequence[str] = ()
    """Ids of the runs that measured them."""


def base_settings(model: str, dataset: str, config: Path | None) -> TrialConfig:
    """A model's settings on a data set, with those of a file over them.

    Raises:
        ConfigError: there is no such model, or the file cannot be: see :func:`read_settings`.
    """
    base = base_trial(model, dataset)
    if config is None:
        return base
    return override(base, read_settings(config, model), where=str(config))


def model_of(path: Path) -> str:
    """The model whose settings a file has.

    Raises:
        ConfigError: no file, no TOML, or it does not say of which model it is.
    """
    origin = _read(path).get(ORIGIN, {})
    model = origin.get("model") if isinstance(origin, dict) else None
    if not isinstance(model, str):
        raise ConfigError(
            f'{path}: does not say of which model it is. Add `[{ORIGIN}]` with `model = "NAME"`.'
        )
    return model


def overruled(space: Space, config: Path) -> tuple[str, ...]:
    """A sentence for each setting of a file that a space's own base goes over."""
    given = read_settings(config, space.model)
    return tuple(
        f"`{key}` is {value!r}, as space {space.name} says, and not {given[key]!r} as in {config}."
        for key, value in space.base.items()
        if key in given and given[key] != value
    )


def read_settings(path: Path, model: str) -> dict[str, Any]:
    """A file's settings as dotted key -> value; :func:`override` checks keys and values.

    Raises:
        ConfigError: no file, no TOML, another model's settings, or a key outside a table.
    """
    plain = _read(path)
    _check_origin(plain.pop(ORIGIN, {}), path, model)
    for name, table in plain.items():
        if not isinstance(table, dict):
            raise ConfigError(
                f"{path}: `{name}` stands outside a table. Settings stand in "
                f"{', '.join(f'[{section}]' for section in SECTIONS)}."
            )
    return {f"{name}.{key}": value for name, table in plain.items() for key, value in table.items()}


def write_settings(
    path: Path, settings: Mapping[str, Any], origin: Origin, *, about: str, overwrite: bool
) -> None:
    """Write settings as TOML.

    Args:
        path: the file.
        settings: dotted key -> value.
        origin: where they come from.
        about: the same in sentences, for the comment at the beginning.
        overwrite: replace a file that is there.

    Raises:
        ConfigError: the file is there and is not to be replaced.
        StoreError: it cannot be written.
    """
    if path.exists() and not overwrite:
        raise ConfigError(f"{path}: is there already. Add --force to replace it.")
    lines = [f"# {line}".rstrip() for line in about.splitlines()]
    lines += ["", f"[{ORIGIN}]", *_lines({key: getattr(origin, key) for key in ORIGIN_KEYS})]
    for section in SECTIONS:
        own = {k.removeprefix(f"{section}."): v for k, v in settings.items() if _is_of(k, section)}
        lines += ["", f"[{section}]", *_lines(own)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}).") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"--config: {path} cannot be read ({error.strerror}). Name a file that "
            "`orch best SWEEP --export FILE` wrote, or one like it."
        ) from None
    except ValueError as error:  # no TOML, or no text
        raise ConfigError(f"{path}: is not TOML: {error}.") from None


def _check_origin(origin: object, path: Path, model: str) -> None:
    if not isinstance(origin, dict):
        raise ConfigError(f"{path}: `{ORIGIN}` cannot be {origin!r}: it must be a table.")
    for key in origin:
        if key not in ORIGIN_KEYS:
            raise ConfigError(f"{path}: [{ORIGIN}] {unknown('key', key, ORIGIN_KEYS)}")
    if origin.get("model", model) != model:
        raise ConfigError(
            f"{path}: `{ORIGIN}.model` is {origin['model']}, and the command is about {model}. "
            "Choose a file of this model."
        )


def _is_of(key: str, section: str) -> bool:
    return key.startswith(f"{section}.")


def _lines(values: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in values.items() if value != ""]


def _toml(value: object) -> str:
    """A setting as TOML: Python's floats and JSON's strings are written alike there."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    assert isinstance(value, list | tuple), f"{value!r} is no setting"
    return f"[{', '.join(map(_toml, value))}]"
