"""Counts of data sets beside those that a paper prints: they must be equal, digit for digit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.data.manifest import Counts
from orchestrator.reporting.published import published
from orchestrator.reproduction.declared import Exhibit

EQUAL, DIFFERENT = "reproduced", "different"
"""Verdicts on a count."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """One number of a data set, ours and the paper's."""

    metric: str
    ours: float
    """Rounded as the paper rounds."""
    printed: float
    digits: int
    """Decimals that the paper prints."""

    @property
    def verdict(self) -> str:
        """Whether both are the same number; empty where the paper has none."""
        if math.isnan(self.printed):
            return ""
        return EQUAL if self.ours == self.printed else DIFFERENT

    def text(self, value: float) -> str:
        """A number as the paper prints such."""
        return "-" if math.isnan(value) else f"{value:,.{self.digits}f}"


def counted(exhibit: Exhibit, dataset: str, here: Counts) -> tuple[Count, ...]:
    """A data set's counts by the paper's own rule, and the paper's.

    Args:
        exhibit: a table of statistics.
        dataset: one of the paper's, or one that stands in, of which the paper has no number.
        here: what there is of it.
    """
    ours = statistics(here, is_rows=exhibit.counts == "rows")
    rows = published(paper=exhibit.paper, table=exhibit.number)
    found = []
    for metric in exhibit.metrics:
        column = rows[rows["metric"] == metric].set_index("dataset")["value"].astype(float)
        digits = max(map(_decimals, column))
        found.append(
            Count(
                metric=metric,
                ours=round(ours[metric], digits),
                printed=float(column.get(dataset, math.nan)),
                digits=digits,
            )
        )
    return tuple(found)


def statistics(here: Counts, *, is_rows: bool) -> Mapping[str, float]:
    """What papers tell of a data set.

    Args:
        here: its counts.
        is_rows: interactions are the pairs of a history and a target, and the padding item counts.
    """
    users, items = here.users, here.items + is_rows
    interactions = here.targets if is_rows else here.interactions
    return {
        "num_users": float(users),
        "num_items": float(items),
        "num_interactions": float(interactions),
        "interactions_per_user": interactions / users,
        "interactions_per_item": interactions / items,
        "sparsity_percent": 100 * (1 - interactions / (users * items)),
    }


def _decimals(value: float) -> int:
    """That a number is printed with; none for a whole one."""
    return len(repr(value).partition(".")[2]) if value % 1 else 0
