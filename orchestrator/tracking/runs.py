"""What is told to the tracker about a sweep and about one of its runs, as plain data."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.config import JSON

Kind = Literal["one-factor", "joint", "grid"]
"""How a sweep's points follow from its factors."""
SweepStatus = Literal["finished", "failed", "stopped"]
"""finished: every run was tried; failed: it raised; stopped: it ended early on purpose."""


@dataclass(frozen=True, kw_only=True)
class SweepInfo:
    """A sweep: what is varied, over what, at which seeds."""

    name: str
    """What the user calls it; the same name continues the same sweep."""
    kind: Kind
    model: str
    dataset: str
    data_hash: str
    space: str
    """Name of the search space, such as ``heads``."""
    description: str = ""
    factors: Mapping[str, tuple[Any, ...]]
    """Swept key -> the values tried, in the order to show them; empty for a sampled one."""
    base: Mapping[str, Any]
    """Dotted key -> value of every setting where nothing is swept."""
    seeds: tuple[int, ...]
    synthetic: bool
    """The data set was made up; figures and tables say so."""

    def to_json(self) -> JSON:
        """Plain data from which :func:`sweep_from_json` rebuilds this."""
        return dataclasses.asdict(self)


def sweep_from_json(plain: JSON) -> SweepInfo:
    """Rebuild what :meth:`SweepInfo.to_json` gave."""
    factors = {key: tuple(map(_frozen, values)) for key, values in plain["factors"].items()}
    base = {key: _frozen(value) for key, value in plain["base"].items()}
    changes = {"factors": factors, "base": base, "seeds": tuple(plain["seeds"])}
    return SweepInfo(**{**plain, **changes})


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """One run (one trial at one seed) of a sweep."""

    run_id: str
    """The run's content hash, as in its record."""
    name: str
    """What the user reads in a list of runs, such as ``num_heads=4 seed=0``."""
    params: Mapping[str, Any]
    """Dotted key -> value of every setting."""
    seed: int
    changed: Mapping[str, Any]
    """The swept keys' values in this run."""
    tags: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> JSON:
        """Plain data from which :func:`run_from_json` rebuilds this."""
        return dataclasses.asdict(self)


def run_from_json(plain: JSON) -> RunInfo:
    """Rebuild what :meth:`RunInfo.to_json` gave."""
    frozen = {
        name: {key: _frozen(value) for key, value in plain[name].items()}
        for name in ("params", "changed")
    }
    return RunInfo(**{**plain, **frozen})


def _frozen(value: Any) -> Any:  # noqa: ANN401 - a setting's value
    """JSON knows lists only; settings hold tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
