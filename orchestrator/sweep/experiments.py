"""Named experiments: a command, what it measured, and what the paper prints for the same.

They stand in ``search_spaces/<model>.toml`` as ``[experiments.<name>]``, beside the settings that
they were measured with (``[datasets.<name>]``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import ConfigError

KEYS = {"about", "dataset", "seeds", "command", "measured", "paper"}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What a command measured on a data set."""

    about: str
    dataset: str
    seeds: int
    """Over which ``measured`` are means."""
    command: str
    """That anyone can repeat it with."""
    measured: Mapping[str, float]
    """Test metric -> mean over seeds."""
    paper: Mapping[str, float]
    """Test metric -> what the paper prints; the paper's claim."""

    def lines(self) -> list[str]:
        """The figures side by side."""
        return [
            f"{metric}: measured {value:.4f}, paper {self.paper[metric]:.4f}"
            if metric in self.paper
            else f"{metric}: measured {value:.4f}"
            for metric, value in self.measured.items()
        ]


def experiment(table: Mapping[str, Any], where: str) -> Experiment:
    """Read an experiment's table.

    Raises:
        ConfigError: a key is missing, unknown or of the wrong kind.
    """
    if set(table) != KEYS:
        odd = sorted(set(table) ^ KEYS)[0]
        raise ConfigError(f"{where}: `{odd}` is missing or unknown; it has {sorted(KEYS)}.")
    for key in ("measured", "paper"):
        values = table[key]
        if not isinstance(values, dict) or not all(isinstance(v, float) for v in values.values()):
            raise ConfigError(f"{where}: `{key}` cannot be {values!r}: it maps metrics to numbers.")
    if not isinstance(table["seeds"], int) or table["seeds"] < 1:
        raise ConfigError(f"{where}: `seeds` cannot be {table['seeds']!r}: it must be 1 or more.")
    return Experiment(**table)
