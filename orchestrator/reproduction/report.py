"""An exhibit on one data set as tables: for a terminal, for a page, and as files."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.reporting.blocks import Block, Section, block_markdown, block_text, filled
from orchestrator.reporting.points import metric_text
from orchestrator.reporting.style import write_whole
from orchestrator.reproduction.claims import told
from orchestrator.reproduction.part import Part, claims_frame, values_frame, verdicts_text
from orchestrator.reproduction.verdict import NOT_RUN, Judged

_DIGITS = {"peak_epoch": 1, "precision_rate": 5, "recall_count": 0, "predicted_count": 0}
"""Decimals of metrics that are told with others than four."""
_NAMES = {
    "peak_epoch": "epoch of the best validation",
    "gradients": "gradients",
    "silhouette": "silhouette",
    "precision_rate": "precision",
    "recall_count": "recalled",
    "predicted_count": "predicted",
}


def head(part: Part) -> str:
    """What was tried on what."""
    origin = " (synthetic data)" if part.is_synthetic else ""
    num = part.num_seeds
    seeds = f", {num} seed{'s' * (num != 1)}" if part.is_trained else ""
    return f"{part.exhibit.name} on {part.dataset}{origin}{seeds}"


def summary(part: Part) -> str:
    """The verdicts counted, in one line."""
    told = verdicts_text(part.verdicts)
    but = {"not the paper's data": part.stands_in, "settings changed": bool(part.changed)}
    limits = "; ".join(limit for limit, holds in but.items() if holds)
    return f"{told} ({limits})" if limits else told


def part_text(part: Part) -> str:
    """Claims with verdicts, the numbers, and what to know of them."""
    blocks = [block_text(block) for block in _blocks(part)]
    told = f"{head(part)}: {summary(part)}"
    return "\n\n".join([told, *blocks, filled(notes(part))])


def part_markdown(part: Part) -> str:
    """The same for a page."""
    blocks = [block_markdown(block) for block in _blocks(part)]
    title, told = f"# {part.exhibit.title}", f"**{head(part)}: {summary(part)}**"
    lines = "\n".join(f"- {note}" for note in notes(part))
    return "\n\n".join([title, told, *blocks, lines])


def write_part(part: Part, folder: Path) -> tuple[Path, ...]:
    """Write ``claims.csv``, ``values.csv`` where there are any, and ``claims.md``.

    Raises:
        StoreError: the folder cannot be written.
    """
    frames = {"claims": claims_frame(part)}
    if part.measured:
        frames["values"] = values_frame(part)
    written = [
        write_whole(folder / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n").encode())
        for name, frame in frames.items()
    ]
    return (write_whole(folder / "claims.md", f"{part_markdown(part)}\n".encode()), *written)


def notes(part: Part) -> tuple[str, ...]:
    """What a reader must know of the numbers above."""
    found = [*_about_data(part), *part.notes]
    if part.changed:
        settings = ", ".join(f"{key} = {value}" for key, value in part.changed.items())
        found.append(f"With other settings than those chosen for this data set: {settings}.")
    if part.counts and part.exhibit.counts == "rows":
        found.append(
            "Counted as the paper does: interactions are pairs of a history and the item after it, "
            "and the padding item is one of the items."
        )
    if not part.judged:
        return tuple(found)
    if part.num_seeds == 1 and part.is_trained:
        found.append("One seed has no interval, so it resolves nothing: add --seeds 3 or more.")
    return (*found, *_not_run(part), *_how_judged(part))


def _not_run(part: Part) -> list[str]:
    """Why claims are not run, once for each reason."""
    missing: dict[str, dict[str, None]] = {}
    for own in part.judged:
        if own.verdict == NOT_RUN:
            missing.setdefault(own.reason, {})[told((own.absent,))] = None
    return [f"Not run: {', '.join(names)}: {reason}." for reason, names in missing.items()]


def _about_data(part: Part) -> list[str]:
    exhibit = part.exhibit
    own = ", ".join(exhibit.datasets)
    if part.stands_in:
        found = [
            f"{part.dataset} stands in for the paper's data ({own}): its numbers are not to be set "
            "beside the paper's, and a verdict says only whether the same shows there."
        ]
        if any(statement.relation is None for statement in exhibit.claims):
            found.append(
                "Claimed is what the paper's numbers agree in on all of its data sets; where they "
                "disagree, nothing is claimed."
            )
        return found
    if not exhibit.is_named:
        return [
            f"The paper does not say which data set it shows; {part.dataset} is one of its own."
        ]
    return []


def _how_judged(part: Part) -> list[str]:
    over = "over users, of two samples" if not part.is_trained else "over seeds, in pairs"
    found = [
        f"ours: first less second, ± half of the 95 % interval {over}. reproduced: the interval "
        "leaves out 0 on the paper's side; opposite: on the other side; not resolved: it holds 0.",
    ]
    if any(own.claim.relation == "about" for own in part.judged):
        found.append(
            "about: reproduced where the 90 % interval lies within 2 % of the second, opposite "
            "where the 95 % interval lies outside."
        )
    num = sum(own.verdict != NOT_RUN for own in part.judged)
    if num > 1:
        found.append(
            f"{num} claims are tested, each at 5 %: where nothing differs, one in 20 is resolved "
            "by chance."
        )
    if part.exhibit.kind in ("ablation", "comparison"):
        found.append(
            "The study's own tables and figures also test over users and correct for the number of "
            "comparisons: they may leave open what is told apart here."
        )
    if not part.exhibit.number:
        found.append("The paper prints no numbers of this: the claims are what its text says.")
    return found


def _blocks(part: Part) -> list[Block]:
    if part.counts:
        return [_counts_block(part)]
    judged = [own for own in part.judged if own.verdict != NOT_RUN]
    blocks = [_claims_block(judged, part.exhibit.measure)] if judged else []
    return [*blocks, *([_values_block(part)] if part.measured else [])]


def _counts_block(part: Part) -> Block:
    rows = tuple(
        (
            count.metric.replace("_", " "),
            count.text(count.printed),
            count.text(count.ours),
            count.verdict or "-",
        )
        for count in part.counts
    )
    return Block(header=("count", "paper", "ours", "verdict"), sections=(Section(rows=rows),))


def _claims_block(judged: Sequence[Judged], measure: str) -> Block:
    metrics = dict.fromkeys(own.claim.metric for own in judged)
    sections = tuple(
        Section(
            title=name_of(metric, measure),
            rows=tuple(_claim_cells(own) for own in judged if own.claim.metric == metric),
        )
        for metric in metrics
    )
    return Block(header=("claim", "paper", "ours", "verdict"), sections=sections)


def _claim_cells(own: Judged) -> tuple[str, ...]:
    digits = _digits(own.claim.metric)
    found = own.difference
    ours = _number(found.mean, f"+.{digits}f")
    if not math.isnan(found.low):
        ours += f" ± {(found.high - found.low) / 2:.{digits}f}"
    why = f" ({own.reason})" if own.reason and found.num == 0 else ""
    paper = _number(own.claim.printed, f"+.{digits}f")
    return (own.claim.text(), paper, ours, f"{own.verdict}{why}")


def _values_block(part: Part) -> Block:
    grouped = values_frame(part).groupby("metric", sort=False)
    sections = tuple(
        Section(
            title=name_of(str(metric), part.exhibit.measure),
            rows=tuple(
                _value_cells(row, str(metric))[: 4 if part.is_trained else 3]
                for row in own.itertuples()
            ),
        )
        for metric, own in grouped
    )
    header = ("measured", "paper", "ours", *(("seeds",) if part.is_trained else ()))
    return Block(header=header, sections=sections)


def _value_cells(row: Any, metric: str) -> tuple[str, ...]:  # noqa: ANN401 - a row of the frame
    digits = _digits(metric)
    ours = _mean(row.mean, row.low, row.high, digits)
    return (told((row.subject,)), _number(row.paper, f",.{digits}f"), ours, str(row.seeds))


def name_of(metric: str, measure: str = "") -> str:
    """A metric as a reader sees it, and what its values are of."""
    name = _NAMES.get(metric) or metric_text(metric)
    return f"{name}, {measure}" if measure else name


def _digits(metric: str) -> int:
    return _DIGITS.get(metric, 4)


def _mean(mean: float, low: float, high: float, digits: int) -> str:
    if math.isnan(mean) or math.isnan(low):
        return _number(mean, f",.{digits}f")
    return f"{mean:.{digits}f} ± {(high - low) / 2:.{digits}f}"


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else f"{value:{form}}"
