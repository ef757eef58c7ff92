"""What the functions of :mod:`orchestrator.api` give back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from models import Need, Samples
from orchestrator.results import Record

RESULTS = Path("results")
"""Default folder of runs, sweeps and the tracking store, below the working directory."""


@dataclass(frozen=True, kw_only=True)
class SettingDescription:
    """One setting of a model."""

    name: str
    kind: str
    """Its type in words; the values, where there are only some."""
    default: Any
    about: str
    """The text under its field."""


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """What ``orch models`` tells of a model, at its default settings."""

    name: str
    about: str
    """First line of the model's docstring."""
    sections: Mapping[str, str]
    """Further paragraphs of it by their heads: ``Paper``, ``Idea``, ``Differs from the paper``."""
    needs: tuple[Need, ...]
    """The inputs it reads."""
    causal: bool
    samples: Samples
    """What it trains on."""
    settings: tuple[SettingDescription, ...]
    spaces: tuple[str, ...]
    variants: tuple[str, ...]

    @property
    def venue(self) -> str:
        """Where and when the paper appeared; empty where the docstring does not say."""
        found = re.search(r'",\s+([^,"]+\s+\d{4})', self.sections.get("Paper", ""))
        return "" if found is None else found[1]


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a sweep left behind."""

    name: str
    """Repeating the sweep, or ``orch plot KIND NAME``, uses it."""
    records: tuple[Record, ...]
    table: pd.DataFrame
    """A row per point; see :func:`orchestrator.reporting.tables.sweep_table`."""
    text: str
    """The table as the command line prints it."""
    num_reused: int
    """Runs that were done before and not run again."""
    stop_reason: str | None
    """Why runs were left out; None where all were tried."""
    figures: tuple[Path, ...]
    tracking_uri: str
    num_left: int = 0
    """Runs that a deadline left, or ended before they had an outcome; the same call goes on."""

    @property
    def failed(self) -> tuple[Record, ...]:
        """Records of the runs that failed, with their reasons."""
        return tuple(record for record in self.records if record.status == "failed")


@dataclass(frozen=True, kw_only=True)
class AblationResult(SweepResult):
    """What an ablation left behind; its table is that of :mod:`orchestrator.reporting.ablation`."""


@dataclass(frozen=True, kw_only=True)
class ComparisonResult(SweepResult):
    """What a comparison left behind; its table has a row per model."""


@dataclass(frozen=True, kw_only=True)
class DiagnosisResult(SweepResult):
    """What a diagnosis left behind; its table has a row per view and number told."""


@dataclass(frozen=True, kw_only=True)
class PathResult(SweepResult):
    """What an ablation path left behind; its table has a row per step, the base first."""


@dataclass(frozen=True, kw_only=True)
class ExplanationResult:
    """Which tokens of an item the queries of a run's model read."""

    item: int
    """Its number."""
    record: Record
    """The run."""
    table: pd.DataFrame
    """A row per weight; see :func:`orchestrator.reporting.explain.explanation_frame`."""
    text: str
    """What is read most, as the command line prints it."""
    files: tuple[Path, ...]
    """PDF, PNG and CSV."""
