"""The two papers' own numbers, to set beside measured ones.

Source: the tables of the TAME and DeCoRec papers, every number as printed, also where a paper
contradicts itself; and the one number that a text gives of a figure (table ``fig2``). ``variant``
is ``base`` for a model as its paper proposes it, the ablation's or the retrieval view's name
otherwise, and empty for statistics of data sets.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from orchestrator.errors import ConfigError, StoreError, unknown

KEYS = ("paper", "table", "dataset", "model", "variant", "metric")
"""Columns that together name one number; each is text, empty where it does not apply."""

IMPROVEMENT = "/improvement_percent"
"""Ending of a metric that states the paper's own gain over the best baseline, in percent."""

ABLATIONS = MappingProxyType({"tame": "III", "decorec": "4"})
"""Model -> the table of its own paper, which is called like it, that ablates it."""
COMPARISONS = MappingProxyType({"tame": "II", "decorec": "2"})
"""Paper -> its table that compares models."""
STATISTICS = MappingProxyType({"tame": "I", "decorec": "1"})
"""Paper -> its table of data sets."""
_NAMES = {"tame": "TAME", "decorec": "DeCoRec"}
_AMAZON = "amazon-"
"""Begins the names of data sets that TAME's tables call by their category alone."""


def published(
    *,
    paper: str | None = None,
    table: str | None = None,
    dataset: str | None = None,
    model: str | None = None,
    variant: str | None = None,
    metric: str | None = None,
) -> pd.DataFrame:
    """Published numbers that match every given key: the columns :data:`KEYS` and ``value``.

    Each key known by itself may still match nothing together; the frame is then empty.

    Raises:
        ConfigError: nothing at all is published under one of the keys.
        StoreError: the installation lacks its table of published numbers.
    """
    asked = dict(zip(KEYS, (paper, table, dataset, model, variant, metric), strict=True))
    frame = _everything()
    match = pd.Series(data=True, index=frame.index)
    for key, value in asked.items():
        if value is None:
            continue
        is_equal = frame[key] == value
        if not is_equal.any():
            raise ConfigError(unknown(f"published {key}", value, set(frame[key]) - {""}))
        match &= is_equal
    return frame[match].reset_index(drop=True)


def published_ablation(model: str, dataset: str, metric: str) -> dict[str, float]:
    """Variant -> value in the ablation of the model's own paper, on this very data set.

    Args:
        model: name of the model.
        dataset: name of the data set.
        metric: with or without its split, which is the test split in the papers.
    """
    rows = _ablation(model)
    match = (rows["dataset"] == dataset) & (rows["metric"] == metric.removeprefix("test/"))
    return dict(zip(rows.loc[match, "variant"], rows.loc[match, "value"], strict=True))


def ablation_metrics(model: str) -> tuple[str, ...]:
    """Test metrics of the ablation in the model's own paper, in its order; none without one."""
    return tuple(f"test/{metric}" for metric in dict.fromkeys(_ablation(model)["metric"]))


def ablation_source(model: str) -> str:
    """Where :func:`published_ablation` takes a model's numbers from; empty where it has none."""
    return _source(_ablation(model))


def published_comparison(dataset: str, metric: str) -> dict[str, float]:
    """Model -> value in the paper that compares models on this very data set; empty without one.

    Args:
        dataset: name of the data set.
        metric: with or without its split, which is the test split in the papers.
    """
    rows = _compared(dataset)
    rows = rows[rows["metric"] == metric.removeprefix("test/")]
    return dict(zip(rows["model"], rows["value"], strict=True))


def comparison_metrics(dataset: str, models: Iterable[str]) -> tuple[str, ...]:
    """Test metrics that a paper prints on this data set of any of these models, in its order."""
    rows = _compared(dataset)
    told = rows.loc[rows["model"].isin(list(models)), "metric"]
    return tuple(f"test/{metric}" for metric in dict.fromkeys(told))


def comparison_source(dataset: str) -> str:
    """Where :func:`published_comparison` takes its numbers from; empty where it has none."""
    return _source(_compared(dataset))


def published_statistics(dataset: str) -> tuple[dict[str, float], str]:
    """What a paper prints of a data set by name of the statistic, and where; empty without one."""
    rows = _of_tables(STATISTICS, dataset)
    return dict(zip(rows["metric"], rows["value"], strict=True)), _source(rows)


def _source(rows: pd.DataFrame) -> str:
    if not len(rows):
        return ""
    return f"{_NAMES[rows['paper'].iloc[0]]} paper, Table {rows['table'].iloc[0]}"


def _compared(dataset: str) -> pd.DataFrame:
    rows = _of_tables(COMPARISONS, dataset)
    return rows[(rows["variant"] == "base") & ~rows["metric"].str.endswith(IMPROVEMENT)]


def _of_tables(tables: Mapping[str, str], dataset: str) -> pd.DataFrame:
    """Rows of some tables about a data set, which TAME's may call by a part of its name."""
    every = _everything()
    of_table = [
        tables.get(paper) == table
        for paper, table in zip(every["paper"], every["table"], strict=True)
    ]
    names = {dataset, dataset.removeprefix(_AMAZON)}
    return every[np.array(of_table) & every["dataset"].isin(names)]


def _ablation(model: str) -> pd.DataFrame:
    if model not in ABLATIONS:
        return _everything().iloc[:0]
    return published(paper=model, table=ABLATIONS[model], model=model)


@cache
def _everything() -> pd.DataFrame:
    types = {**dict.fromkeys(KEYS, "str"), "value": "float64"}
    return pd.read_csv(_path(), dtype=types, keep_default_na=False)


def _path() -> Path:
    """The table's file: ``results/`` lies beside the packages, in a checkout and installed."""
    path = Path(__file__).resolve().parents[2] / "results" / "published.csv"
    if not path.is_file():
        raise StoreError(f"{path}: cannot be found. Install this package again.")
    return path
