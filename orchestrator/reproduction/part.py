"""What became of an exhibit on one data set, and its numbers as frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from orchestrator.reproduction.claims import Printed, printed
from orchestrator.reproduction.declared import Exhibit
from orchestrator.reproduction.statistics import DIFFERENT, EQUAL, Count
from orchestrator.reproduction.verdict import VERDICTS, Judged, Measured

ORDER: tuple[str, ...] = tuple(dict.fromkeys((*VERDICTS, EQUAL, DIFFERENT)))
"""All verdicts, as they are told."""


def verdicts_text(verdicts: Mapping[str, int]) -> str:
    """Verdicts counted, in one line."""
    told = [f"{verdicts[verdict]} {verdict}" for verdict in ORDER if verdict in verdicts]
    return ", ".join(told) or "no claim"


@dataclass(frozen=True, kw_only=True)
class Part:
    """An exhibit on one data set."""

    exhibit: Exhibit
    dataset: str
    is_synthetic: bool
    num_seeds: int
    changed: Mapping[str, Any]
    """Settings that the user changed: dotted key -> value."""
    studies: tuple[str, ...] = ()
    """Names of the sweeps, ablations and so on that it was made from."""
    judged: tuple[Judged, ...] = ()
    measured: Measured = field(default_factory=dict)
    counts: tuple[Count, ...] = ()
    """Of a table of statistics, which has no claims."""
    notes: tuple[str, ...] = ()
    """What was found on the way that a reader must know."""

    @property
    def stands_in(self) -> bool:
        """Whether the data set is not one of the paper's."""
        return self.dataset not in self.exhibit.datasets

    @property
    def is_trained(self) -> bool:
        """Whether anything was trained for it; counts and recall by history need no model."""
        return not self.counts and self.exhibit.views != "recall"

    @property
    def verdicts(self) -> dict[str, int]:
        """Verdict -> how many claims, or counts, have it."""
        every = [own.verdict for own in self.judged] + [count.verdict for count in self.counts]
        return {verdict: every.count(verdict) for verdict in ORDER if verdict in every}

    @property
    def printed(self) -> Printed:
        """What the paper prints for this data set."""
        return printed(self.exhibit, self.dataset)


def claims_frame(part: Part) -> pd.DataFrame:
    """A row per claim, or per count of a table of statistics.

    Returns:
        Columns ``exhibit, dataset, is_paper_data, claim, metric, paper, ours, low, high, seeds,
        verdict, reason``; of a claim ``paper`` and ``ours`` are differences, first less second.
    """
    head = {
        "exhibit": part.exhibit.name,
        "dataset": part.dataset,
        "is_paper_data": not part.stands_in,
    }
    rows = [{**head, **_claim(own)} for own in part.judged]
    rows += [{**head, **_count(count)} for count in part.counts]
    return pd.DataFrame(rows, columns=[*head, *_CLAIM])


_CLAIM = ("claim", "metric", "paper", "ours", "low", "high", "seeds", "verdict", "reason")


def _claim(own: Judged) -> dict[str, Any]:
    claim, found = own.claim, own.difference
    return {
        "claim": claim.text(),
        "metric": claim.metric,
        "paper": claim.printed,
        "ours": found.mean,
        "low": found.low,
        "high": found.high,
        "seeds": found.num,
        "verdict": own.verdict,
        "reason": own.reason,
    }


def _count(count: Count) -> dict[str, Any]:
    return {
        "claim": count.metric.replace("_", " "),
        "metric": count.metric,
        "paper": count.printed,
        "ours": count.ours,
        "verdict": count.verdict,
        "reason": "",
    }


def values_frame(part: Part) -> pd.DataFrame:
    """A row per subject and metric: what the paper prints and what was measured.

    Returns:
        Columns ``dataset, is_paper_data, subject, metric, paper, mean, low, high, seeds``.
    """
    paper = part.printed
    keys = [*part.measured, *(key for key in paper if key not in part.measured)]
    rows = []
    for subject, metric in keys:
        if metric not in part.exhibit.metrics:
            continue
        found = part.measured.get((subject, metric))
        rows.append(
            {
                "dataset": part.dataset,
                "is_paper_data": not part.stands_in,
                "subject": subject,
                "metric": metric,
                "paper": paper.get((subject, metric)),
                "mean": found.mean if found else None,
                "low": found.low if found else None,
                "high": found.high if found else None,
                "seeds": len(found.seeds) if found else 0,
            }
        )
    head = ["dataset", "is_paper_data", "subject", "metric"]
    numbers = ["paper", "mean", "low", "high"]
    frame = pd.DataFrame(rows, columns=[*head, *numbers, "seeds"])
    return frame.astype({**dict.fromkeys(numbers, "float64"), "seeds": "int64"})
