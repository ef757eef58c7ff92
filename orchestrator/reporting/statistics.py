"""Data sets in numbers: the papers' Table 1."""

import math
from collections.abc import Sequence

import pandas as pd

from orchestrator.data import Manifest
from orchestrator.reporting.blocks import Block, Section
from orchestrator.reporting.numbers import number
from orchestrator.reporting.published import published_statistics
from orchestrator.reporting.table import Table

_FORMS = {
    "num_users": ("users", ",.0f"),
    "num_items": ("items", ",.0f"),
    "num_interactions": ("interactions", ",.0f"),
    "interactions_per_user": ("per user", ".2f"),
    "interactions_per_item": ("per item", ".2f"),
    "sparsity_percent": ("sparsity %", ".2f"),
}
"""Statistic, as ``results/published.csv`` calls it -> its column and the form of its number."""


def statistics_of(manifest: Manifest) -> dict[str, float]:
    """A data set's statistics by the names of :data:`_FORMS`, and each modality's coverage."""
    counts = manifest.counts
    cells = counts.users * counts.items
    covered = {f"{name}_percent": 100 * m.coverage for name, m in manifest.modalities.items()}
    return {
        "num_users": float(counts.users),
        "num_items": float(counts.items),
        "num_interactions": float(counts.interactions),
        "interactions_per_user": counts.interactions / counts.users,
        "interactions_per_item": counts.interactions / counts.items,
        "sparsity_percent": 100 * (1 - counts.interactions / cells),
        **covered,
    }


def statistics_table(manifests: Sequence[Manifest], *, has_published: bool = False) -> Table:
    """A row per data set.

    Args:
        manifests: what the data sets say of themselves.
        has_published: set below what papers print of them.
    """
    found = {manifest.name: statistics_of(manifest) for manifest in manifests}
    covered = dict.fromkeys(key for own in found.values() for key in own)
    forms = {
        **_FORMS,
        **{k: (f"{k.removesuffix('_percent')} %", ".1f") for k in covered if k not in _FORMS},
    }
    sections = [Section(rows=tuple(_row(name, own, forms) for name, own in found.items()))]
    sections += _printed(list(found), forms) if has_published else []
    block = Block(
        header=("data set", *(header for header, _ in forms.values())), sections=tuple(sections)
    )
    notes = _notes(manifests)
    return Table(
        title="Data sets",
        label="datasets",
        blocks=[block],
        pages=[block],
        notes=notes,
        page_notes=notes,
        frame=_frame(found, has_published=has_published),
    )


def _row(
    name: str, statistics: dict[str, float], forms: dict[str, tuple[str, str]]
) -> tuple[str, ...]:
    cells = (number(statistics.get(key, math.nan), form) for key, (_, form) in forms.items())
    return (name, *cells)


def _printed(names: Sequence[str], forms: dict[str, tuple[str, str]]) -> list[Section]:
    """A section per paper that prints some of the data sets."""
    by_source: dict[str, list[tuple[str, ...]]] = {}
    for name in names:
        paper, source = published_statistics(name)
        if paper:
            by_source.setdefault(source, []).append(_row(name, paper, forms))
    return [Section(title=source, rows=tuple(rows)) for source, rows in by_source.items()]


def _frame(found: dict[str, dict[str, float]], *, has_published: bool) -> pd.DataFrame:
    rows = []
    for name, own in found.items():
        paper = published_statistics(name)[0] if has_published else {}
        rows.append({"dataset": name, **own, **{f"published_{k}": v for k, v in paper.items()}})
    return pd.DataFrame(rows)


def _notes(manifests: Sequence[Manifest]) -> list[str]:
    told = [
        "per user: the average length of a sequence; the percentages of modalities are of items."
    ]
    synthetic = [m.name for m in manifests if m.origin.synthetic]
    if synthetic:
        told.append(f"Synthetic data: {', '.join(synthetic)}.")
    told += [
        f"{m.name} was published as rows of a history and a target, {m.counts.targets:,} of them, "
        "which leave out each user's first item."
        for m in manifests
        if f"{m.counts.targets:,}" in m.size_text
    ]
    return told
