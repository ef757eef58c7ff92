"""What a kind of figure is, and what a user may ask of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from orchestrator.errors import ConfigError, StoreError, unknown
from orchestrator.reporting.parts import Part
from orchestrator.reporting.points import FINISHED, short_names
from orchestrator.tracking.runs import Kind as StudyKind
from orchestrator.tracking.runs import SweepInfo
from orchestrator.tracking.stored import StoredStudy

A_STUDY: dict[StudyKind, str] = {
    "one-factor": "a sweep of one factor at a time",
    "joint": "a search of a joint space",
    "grid": "a sweep of a grid",
    "ablation": "an ablation",
    "diagnosis": "a diagnosis",
    "path": "a path",
    "comparison": "a comparison of models",
}


class CannotDrawError(Exception):
    """Why a study cannot give a kind of figure, as the end of a sentence."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a user wants of a figure, beside its kind and its studies."""

    metrics: tuple[str, ...] = ()
    """Names of figures that runs log; none leaves the choice to the kind."""
    factors: tuple[str, ...] = ()
    """Swept keys, whole or their last part; none takes all."""
    against: StoredStudy | None = None
    """What gains are over."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of figure."""

    about: str
    """What it shows, for ``--help``."""
    why_not: Callable[[StoredStudy], str | None]
    """Why a study cannot give it, where that is seen without computing; None where it can."""
    parts: Callable[[StoredStudy, Asked], list[Part]]
    """Raises :class:`CannotDrawError` for what is seen by computing alone."""
    what: str
    """What is shown, for the title."""
    takes: frozenset[str] = frozenset()
    """Options that mean something to it: ``metric``, ``factor``, ``against``, ``together``."""
    most_metrics: int | None = None
    is_alone: Callable[[StoredStudy], bool] = lambda _: True
    """Whether a study gives it without another one being named."""
    needs_runs: bool = True
    """Whether it takes a finished run."""


def kind_is(*allowed: StudyKind) -> Callable[[StoredStudy], str | None]:
    """A rule that studies are of certain kinds."""

    def why_not(study: StoredStudy) -> str | None:
        is_one = study.info.kind in allowed
        return None if is_one else f"it is {A_STUDY[study.info.kind]}"

    return why_not


def finished(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with an outcome."""
    return runs[runs["status"] == FINISHED]


def logged(study: StoredStudy) -> list[str]:
    """Final figures that its finished runs have."""
    done = finished(study.runs).dropna(axis="columns", how="all")
    own = {"num_parameters", "seconds"}
    return [name for name in done.columns if "/" in name or name in own]


def metrics_of(study: StoredStudy, asked: Asked, default: Sequence[str]) -> tuple[str, ...]:
    """The metrics to show: those asked for, which the runs must have, or a kind's own.

    Raises:
        StoreError: no finished run has one of them.
    """
    known = logged(study)
    return tuple(_metric(name, known, study.info) for name in asked.metrics or default)


def _metric(name: str, known: Sequence[str], info: SweepInfo) -> str:
    for full in (name, f"test/{name}"):
        if full in known:
            return full
    groups = ("/cold", "/warm")
    plain = [one for one in known if one.startswith("test/") and not one.endswith(groups)]
    raise StoreError(
        f"{info.name}: no finished run of it has logged `{name}`. "
        f"There is {', '.join(plain)}; the same of `val/`; num_parameters and seconds."
    )


def factors_of(info: SweepInfo, asked: Asked) -> list[str]:
    """The swept keys to show.

    Raises:
        ConfigError: one of them is none of this study's.
    """
    if not asked.factors:
        return list(info.factors)
    short = {name.replace(" ", "_"): key for key, name in short_names(info.factors).items()}
    known = {**short, **{key: key for key in info.factors}}
    for name in asked.factors:
        if name not in known:
            raise ConfigError(f"--factor: {info.name}: {unknown('factor', name, short)}")
    return [known[name] for name in asked.factors]
