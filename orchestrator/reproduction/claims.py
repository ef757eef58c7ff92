"""Claims of an exhibit on one data set, with what the paper prints for them."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from orchestrator.errors import ConfigError
from orchestrator.reporting.published import published
from orchestrator.reproduction.declared import EACH, Exhibit, Relation, Statement, Value
from orchestrator.sweep.space import read_spaces
from orchestrator.sweep.variants import choose
from orchestrator.tracking.runs import BASE

Subjects = tuple[str, ...]
Printed = Mapping[tuple[str, str], float]
"""Subject, metric -> what the paper prints."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Of one metric on one data set: the first is above, below or about the second."""

    dataset: str
    metric: str
    """Without a split."""
    first: Subjects
    """Their mean is compared."""
    second: Subjects
    """Empty where it is compared with a number."""
    number: float = 0.0
    """That one."""
    relation: Relation
    printed: float = math.nan
    """First less second as the paper prints them; NaN where its text alone says it."""

    @property
    def subjects(self) -> Subjects:
        """All that must be measured."""
        return (*self.first, *self.second)

    def text(self) -> str:
        """The claim in words."""
        second = told(self.second) if self.second else f"{self.number:g}"
        return f"{told(self.first)} {self.relation} {second}"


def told(subjects: Subjects) -> str:
    """Subjects as a reader sees them."""
    return ", ".join(subject.replace("_", " ") for subject in subjects)


def claims(exhibit: Exhibit, dataset: str) -> tuple[Claim, ...]:
    """The claims of an exhibit on a data set.

    On a data set that is not the paper's, a printed claim keeps the direction that all of the
    paper's data sets agree in, and is left out where they do not.

    Args:
        exhibit: whose.
        dataset: one of the paper's, or one that stands in for them.

    Raises:
        ConfigError: a claim without a relation has no printed numbers.
    """
    found = (
        _claim(exhibit, dataset, statement, metric, pair)
        for statement in exhibit.claims
        for metric in statement.metrics or exhibit.metrics
        for pair in _pairs(exhibit, statement)
    )
    return tuple(claim for claim in found if claim is not None)


def subjects(exhibit: Exhibit) -> Subjects:
    """What an exhibit compares, where that is listed: variants or models."""
    if exhibit.kind != "ablation":
        return exhibit.every_model
    variants = choose(read_spaces(exhibit.model), exhibit.variants, model=exhibit.model)
    return (BASE, *(variant.name for variant in variants))


def printed(exhibit: Exhibit, dataset: str) -> Printed:
    """What the paper prints for each subject on a data set; empty for one that is not its own."""
    if not exhibit.number or exhibit.kind == "statistics":
        return {}
    rows = published(paper=exhibit.paper, table=exhibit.number)
    rows = rows[rows["dataset"] == dataset]
    column = "model" if exhibit.kind == "comparison" else "variant"
    keys = zip(rows[column], rows["metric"], strict=True)
    return dict(zip(keys, rows["value"].astype(float), strict=True))


def _pairs(exhibit: Exhibit, statement: Statement) -> Iterator[tuple[Subjects, Subjects | float]]:
    """Every two sides that a statement is about."""
    first, second = _side(statement.first), _side(statement.second)
    assert not isinstance(first, float), "a number is what something is compared with"
    if first == (EACH,):
        yield from (((one,), second) for one in subjects(exhibit) if (one,) != second)
    elif second == (EACH,):
        yield from ((first, (one,)) for one in subjects(exhibit) if (one,) != first)
    else:
        yield first, second


def _side(value: Value | tuple[Value, ...]) -> Subjects | float:
    if isinstance(value, float):
        return value
    return tuple(map(str, value)) if isinstance(value, tuple) else (str(value),)


def _claim(
    exhibit: Exhibit,
    dataset: str,
    statement: Statement,
    metric: str,
    pair: tuple[Subjects, Subjects | float],
) -> Claim | None:
    first, second = pair
    is_number = isinstance(second, float)
    others = () if isinstance(second, float) else second
    relation = statement.relation or _direction(exhibit, dataset, metric, first, others)
    if relation is None:
        return None
    return Claim(
        dataset=dataset,
        metric=metric,
        first=first,
        second=others,
        number=second if isinstance(second, float) else 0.0,
        relation=relation,
        printed=math.nan if is_number else _difference(exhibit, dataset, metric, first, others),
    )


def _direction(
    exhibit: Exhibit, dataset: str, metric: str, first: Subjects, second: Subjects
) -> Relation | None:
    """Which side is higher in print; None where the paper's data sets do not agree."""
    own = (dataset,) if dataset in exhibit.datasets else exhibit.datasets
    differences = [_difference(exhibit, one, metric, first, second) for one in own]
    if any(map(math.isnan, differences)):
        raise ConfigError(
            f"{exhibit.paper}.toml: {exhibit.key}: `relation` is missing, and published.csv has no "
            f"{metric} of {told((*first, *second))} on {', '.join(own)}."
        )
    if all(difference > 0 for difference in differences):
        return "above"
    return "below" if all(difference < 0 for difference in differences) else None


def _difference(
    exhibit: Exhibit, dataset: str, metric: str, first: Subjects, second: Subjects
) -> float:
    """First less second, as printed; NaN where it is not."""
    found = printed(exhibit, dataset)
    sides = [[found.get((one, metric), math.nan) for one in side] for side in (first, second)]
    return round(fmean(sides[0]) - fmean(sides[1]), 12)
