"""An ablation's frame as tables: what is shown where, and how to read it."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from orchestrator.reporting.blocks import Block, Cells, Section
from orchestrator.reporting.comparison import Role
from orchestrator.reporting.numbers import NONE, number, p_value, with_half
from orchestrator.reporting.points import metric_text
from orchestrator.tracking.runs import SweepInfo

_SECTIONS: tuple[tuple[str, Role], ...] = (
    ("", "base"),
    ("", "component"),
    ("modality controls", "control"),
)


def ablation_table(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per variant, the base first, and each metric's figures side by side.

    Columns begin with the metric (``test/hit@10``, ``test/hit@10 verdict``), and before it with
    ``retuned`` where each variant had a search of its own. Interactions are not among them.
    """
    named = frame[frame["role"] != "interaction"].set_index("variant")
    parts = [named[~named.index.duplicated()][["role"]]]
    for (phase, metric), rows in named.groupby(["phase", "metric"], sort=False):
        start = metric if phase == "fixed" else f"{phase} {metric}"
        figures = rows.drop(columns=["role", "metric", "phase", "by_seed"])
        parts.append(figures.add_prefix(f"{start} "))
    table = pd.concat(parts, axis=1).reset_index()
    return table.rename(columns=lambda name: name.removesuffix(" mean"))


def ablation_blocks(
    frame: pd.DataFrame, info: SweepInfo, *, is_wide: bool = False
) -> tuple[Block, ...]:
    """Per metric: variants against the base; beside it the retuned ones; pairs' interactions.

    Args:
        frame: what :func:`~orchestrator.reporting.comparison.ablation_frame` gave.
        info: the ablation.
        is_wide: show effect sizes too, which do not fit on a terminal.
    """
    blocks: list[Block] = []
    for metric in frame["metric"].drop_duplicates():
        rows = frame[frame["metric"] == metric]
        fixed, retuned = (rows[rows["phase"] == phase] for phase in ("fixed", "retuned"))
        blocks.append(_against_base(fixed, is_wide=is_wide))
        if len(retuned):
            blocks.append(_side_by_side(fixed, retuned))
        blocks += [
            _interactions(part, info, is_wide=is_wide)
            for part in (fixed, retuned)
            if (part["role"] == "interaction").any()
        ]
    return tuple(blocks)


def readable(name: str) -> str:
    """A variant's name in words."""
    return name.replace("_", " ").replace("+", " + ")


def percent(row: Any, value: float) -> float:  # noqa: ANN401 - a row of the frame
    """A difference in % of the base's mean; NaN where there is no base, or it is 0."""
    return 100 * value / row.base if row.base else math.nan


def published_percent(row: Any) -> float:  # noqa: ANN401 - a row of the frame
    """The paper's own difference in % of the paper's own base."""
    return 100 * row.published_difference / (row.published - row.published_difference)


class _Column(NamedTuple):
    header: str
    text: Callable[[Any], str]
    """Of a row of the frame."""
    is_wide: bool = False


_MEAN = _Column("mean", lambda row: with_half(row.mean, (row.high - row.low) / 2, ".4f"))
_DIFFERENCE = _Column("difference %", lambda row: _difference(row))
_VERDICT = _Column("verdict", lambda row: row.verdict or NONE)
_TESTS = (
    _Column("p seeds", lambda row: p_value(row.p_seeds_holm)),
    _Column("p users", lambda row: p_value(row.p_users_holm)),
    _Column("d_z", lambda row: number(row.effect, "+.2f"), is_wide=True),
    _Column("smallest %", lambda row: number(percent(row, row.detectable), ".1f")),
    _VERDICT,
)
_PUBLISHED = (
    _Column("paper", lambda row: number(row.published, ".4f")),
    _Column("paper %", lambda row: number(published_percent(row), "+.1f")),
)


def _against_base(rows: pd.DataFrame, *, is_wide: bool) -> Block:
    columns = [_MEAN, _DIFFERENCE, *_TESTS]
    columns += _PUBLISHED if rows["published"].notna().any() else ()
    chosen = _chosen(columns, is_wide=is_wide)
    header = (_metric(rows), *(column.header for column in chosen))
    return Block(header=header, sections=_sections(rows, _cells(rows, chosen)))


def _side_by_side(fixed: pd.DataFrame, retuned: pd.DataFrame) -> Block:
    """Each variant's figures at the base's settings and at its own."""
    columns = [_MEAN, _DIFFERENCE, _VERDICT]
    rest = (_DIFFERENCE.header, _VERDICT.header)
    both = zip(_cells(fixed, columns), _cells(retuned, columns), strict=True)
    return Block(
        header=(f"{_metric(fixed)}, retuned", "fixed", *rest, "retuned", *rest),
        sections=_sections(fixed, [left + right[1:] for left, right in both]),
        is_main=False,
    )


def _interactions(rows: pd.DataFrame, info: SweepInfo, *, is_wide: bool) -> Block:
    """What each pair's members do alone and together, and how far that is from their sum."""
    single = rows[rows["role"] != "interaction"]
    effect = _Column("", lambda row: number(percent(row, row.difference), "+.1f"))
    alone = {
        name: text
        for name, (_, text) in zip(single["variant"], _cells(single, [effect]), strict=True)
    }
    members = {variant.name: variant.members for variant in info.variants}
    chosen = _chosen([_DIFFERENCE, *_TESTS], is_wide=is_wide)
    crossed = rows[rows["role"] == "interaction"]
    found = []
    for pair, cells in zip(crossed["variant"], _cells(crossed, chosen), strict=True):
        effects = (alone.get(name, NONE) for name in (*members[pair], pair))
        found.append((cells[0], *effects, *cells[1:]))
    phase = "" if (rows["phase"] == "fixed").all() else ", retuned"
    names = [f"{_metric(rows)}, pairs{phase}", "first %", "second %", "both %", "interaction %"]
    header = (*names, *(column.header for column in chosen[1:-1]), "finding")
    return Block(header=header, sections=(Section(rows=tuple(found)),), is_main=False)


def _metric(rows: pd.DataFrame) -> str:
    return metric_text(rows["metric"].iloc[0])


def _chosen(columns: Sequence[_Column], *, is_wide: bool) -> list[_Column]:
    return [column for column in columns if is_wide or not column.is_wide]


def _cells(rows: pd.DataFrame, columns: Sequence[_Column]) -> list[Cells]:
    return [
        (readable(str(row.variant)), *(column.text(row) for column in columns))
        for row in rows.itertuples()
    ]


def _sections(rows: pd.DataFrame, cells: Sequence[Cells]) -> tuple[Section, ...]:
    """Base, components and controls apart; pairs have a table of their own."""
    parts = {
        role: tuple(own for own, other in zip(cells, rows["role"], strict=True) if other == role)
        for _, role in _SECTIONS
    }
    return tuple(Section(title=title, rows=parts[role]) for title, role in _SECTIONS if parts[role])


def _difference(row: Any) -> str:  # noqa: ANN401 - a row of the frame
    half = (row.difference_high - row.difference_low) / 2
    return with_half(percent(row, row.difference), percent(row, half), "+.1f")
