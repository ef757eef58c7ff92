"""What is told to the tracker about a sweep or ablation and its runs, as plain data."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from orchestrator.config import JSON, MONITOR

Kind = Literal["one-factor", "joint", "grid", "ablation", "diagnosis", "path", "comparison"]
"""How a sweep's points follow from its factors; the last four list variants instead, of which a
comparison's are models."""
Objective = Literal["ndcg", "parameters", "seconds"]
"""What a search is for: validation NDCG@10 up, number of parameters or training seconds down."""
COLUMNS: Mapping[Objective, str] = MappingProxyType(
    {"ndcg": MONITOR, "parameters": "num_parameters", "seconds": "seconds"}
)
"""Objective -> its name among a run's figures; none of them is a test figure."""
Phase = Literal["fixed", "search", "retuned"]
"""Of an ablation's run: at the base's settings, in its variant's own search, or at the settings
which that search chose."""
BASE = "base"
"""Name of the variant that changes nothing."""
SweepStatus = Literal["finished", "failed", "stopped"]
"""finished: every run was tried; failed: it raised; stopped: it ended early on purpose."""


@dataclass(frozen=True, kw_only=True)
class VariantInfo:
    """One variant of an ablation."""

    name: str
    changed: Mapping[str, Any]
    """Dotted key -> value, where it differs from the base."""
    members: tuple[str, ...] = ()
    """Of a pair: the two variants that it joins."""
    is_control: bool = False
    """It spoils a modality's features, rather than switch a component off."""
    model: str = ""
    """Of a comparison: the model that it is."""


@dataclass(frozen=True, kw_only=True)
class SweepInfo:
    """A sweep or ablation: what is varied, over what, at which seeds."""

    name: str
    """What the user calls it; the same name continues the same sweep."""
    kind: Kind
    model: str
    """Of a comparison: the models, by commas."""
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
    variants: tuple[VariantInfo, ...] = ()
    """Of an ablation or a diagnosis: what is run beside the base, in the order to show it."""
    bound: float | None = None
    """Of an ablation: the smallest difference that its report calls one."""
    domains: Mapping[str, JSON] = field(default_factory=dict)
    """Swept key -> ``choices`` or ``low``, ``high``, ``log``; and ``when``: other key -> values
    with which the factor exists. Empty for sweeps of before there were conditions."""
    objectives: tuple[Objective, ...] = ("ndcg",)
    """What a joint space was searched for."""
    search: str = ""
    """Of a path: the search to whose best point it leads."""
    looks: int = 1
    """How often the seeds so far may be looked at before more are added; 1 where all are run."""
    ours: str = ""
    """Of a comparison: the model whose gain over the best of the others is told; empty for the
    gain of the best over the second."""
    num_tuned: int = 0
    """Of a comparison: points of each model's own search; 0 where none was made."""
    label: str = ""
    """What the model is called on this data set, where that is not its name (``iisan-pooled``)."""

    @property
    def shown_model(self) -> str:
        """What titles, tables and files call the model."""
        return self.label or self.model

    @property
    def has_variants(self) -> bool:
        """Whether its runs belong to variants, rather than to points."""
        return self.kind in ("ablation", "diagnosis", "path", "comparison")

    @property
    def members(self) -> tuple[VariantInfo, ...]:
        """The variants, after the base where there is one: models have none in common."""
        if self.kind == "comparison":
            return self.variants
        return (VariantInfo(name=BASE, changed={}), *self.variants)

    def to_json(self) -> JSON:
        """Plain data from which :func:`sweep_from_json` rebuilds this."""
        return dataclasses.asdict(self)


def sweep_from_json(plain: JSON) -> SweepInfo:
    """Rebuild what :meth:`SweepInfo.to_json` gave."""
    factors = {key: tuple(map(_frozen, values)) for key, values in plain["factors"].items()}
    base = {key: _frozen(value) for key, value in plain["base"].items()}
    variants = tuple(map(_variant, plain.get("variants", ())))
    changes = {"factors": factors, "base": base, "seeds": tuple(plain["seeds"])}
    domains = {key: _domain(domain) for key, domain in plain.get("domains", {}).items()}
    objectives = tuple(plain.get("objectives", ("ndcg",)))
    searched = {"domains": domains, "objectives": objectives}
    return SweepInfo(**{**plain, **changes, **searched, "variants": variants})


def _domain(plain: JSON) -> JSON:
    when = {key: _frozen(values) for key, values in plain.get("when", {}).items()}
    frozen = {key: _frozen(value) for key, value in plain.items() if key != "when"}
    return {**frozen, "when": when} if when else frozen


def _variant(plain: JSON) -> VariantInfo:
    changed = {key: _frozen(value) for key, value in plain["changed"].items()}
    return VariantInfo(**{**plain, "changed": changed, "members": tuple(plain["members"])})


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
    variant: str = ""
    """Of an ablation's run: the variant it belongs to, :data:`BASE` for none; else empty."""
    phase: Phase = "fixed"
    model: str = ""
    """Of a run that is compared with the sweep's model: its own model."""

    @property
    def key(self) -> str:
        """What tells it apart within its sweep or ablation."""
        return run_key(self.run_id, self.variant, self.phase)

    def to_json(self) -> JSON:
        """Plain data from which :func:`run_from_json` rebuilds this."""
        return dataclasses.asdict(self)


def run_key(run_id: str, variant: str, phase: str) -> str:
    """A run's key: its id; in an ablation, where several variants may share it, more than that."""
    return f"{run_id}.{phase}.{variant}" if variant else run_id


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
