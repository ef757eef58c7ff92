"""An ablation path -> its figure, its table, and where the search's importance disagrees."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.config import MONITOR
from orchestrator.reporting.blocks import Block, Section, block_markdown, block_text, filled
from orchestrator.reporting.latex import as_latex
from orchestrator.reporting.path import TOLD, path_frame
from orchestrator.reporting.path_figure import draw_path
from orchestrator.reporting.points import metric_text, short_names, value_text
from orchestrator.reporting.report import Report
from orchestrator.reporting.search.importance import importance_frame, too_few
from orchestrator.reporting.search.trials import trials_frame
from orchestrator.reporting.sensitivity import write_figure
from orchestrator.reporting.style import write_whole
from orchestrator.reporting.verdicts import path_verdicts
from orchestrator.tracking.runs import SweepInfo

Search = tuple[pd.DataFrame, SweepInfo]
"""A sweep's runs, and the sweep."""


def report_path(
    runs: pd.DataFrame, info: SweepInfo, *, folder: Path, search: Search | None = None
) -> Report:
    """Draw a path's figure into a folder and make its table.

    Args:
        runs: the path's runs, as :meth:`Tracker.runs_frame` gives them.
        info: the path.
        folder: where the files go: PDF, PNG, CSV, LaTeX.
        search: the search that it came from, to compare with its importance.

    Raises:
        StoreError: the folder cannot be written.
    """
    frame = path_frame(runs, info)
    chosen = frame[frame["is_chosen"]].reset_index(drop=True)
    labels = [step_label(row, info) for row in chosen.to_dict("records")]
    origin = " (synthetic data)" if info.synthetic else ""
    title = f"{info.shown_model}: path from the base to the best point, on {info.dataset}{origin}"
    stem = folder / f"{info.shown_model}-path"
    pdf, png = write_figure(draw_path(frame, labels, title), stem, plain_path(frame))
    block = _block(chosen, labels)
    disagreements = compared(chosen, info, search)
    notes = [*_notes(chosen, info), *disagreements]
    head = f"{info.name}: {title}; search {info.search}"
    latex = as_latex([block], caption=f"{title}. {notes[0]}", label=f"tab:{info.shown_model}-path")
    tex = write_whole(stem.with_suffix(".tex"), latex.encode())
    return Report(
        table=chosen,
        text="\n".join([head, "", block_text(block), "", filled(notes)]),
        markdown="\n".join([f"**{head}**", "", block_markdown(block), "", *notes]),
        files=(pdf, png, pdf.with_suffix(".csv"), tex),
        verdicts=(*path_verdicts(chosen, labels), *disagreements),
    )


def step_label(row: dict[Any, Any], info: SweepInfo) -> str:
    """What a step is called: by the settings that it changes."""
    if not row["step"]:
        return "base"
    names = short_names(info.factors)
    parts = zip(row["factor"].split(", "), row["value"], strict=True)
    return ", ".join(f"{names[key]} = {value_text(value)}" for key, value in parts)


def plain_path(frame: pd.DataFrame) -> pd.DataFrame:
    """A path's frame as a file has it."""
    return frame.assign(value=[", ".join(map(str, values)) for values in frame["value"]])


def _block(chosen: pd.DataFrame, labels: list[str]) -> Block:
    header = ("step", f"val {metric_text(MONITOR)}", "gain", "95 % interval")
    rows = []
    for label, row in zip(labels, chosen.to_dict("records"), strict=True):
        is_sure = not math.isnan(row["low"])
        bounds = f"{row['low']:+.4f} to {row['high']:+.4f}" if is_sure else "-"
        gain = f"{row['gain']:+.4f}" if row["step"] else "-"
        rows.append((label, f"{row[MONITOR]:.4f}", gain, bounds, f"{row[TOLD]:.4f}"))
    told = f"test {metric_text(TOLD)}"
    return Block(header=(*header, told), sections=(Section(rows=tuple(rows)),))


def _notes(chosen: pd.DataFrame, info: SweepInfo) -> list[str]:
    monitor = f"validation {metric_text(MONITOR)}"
    notes = [
        f"At each step the setting with the highest mean {monitor} over {len(info.seeds)} seeds is "
        "changed. Gains are told on the figure that chose, and so rather too large.",
        "Test metrics choose nothing.",
    ]
    done = {key for factors in chosen["factor"] for key in factors.split(", ")}
    left = [key for key in info.factors if key not in done]
    if left:
        notes.append(f"The path ends early, as runs failed: {', '.join(left)} are not changed.")
    return notes


def compared(chosen: pd.DataFrame, info: SweepInfo, search: Search | None) -> list[str]:
    """Where the path and the importance in its search disagree, in sentences."""
    if search is None:
        return []
    runs, searched = search
    trials = trials_frame(runs, searched)
    reason = too_few(trials, searched)
    if reason:
        return [reason.replace("No importance is told", "Not compared with importance")]
    shares = importance_frame(trials, searched)
    names = short_names(searched.factors)
    steps = {row["factor"]: row for row in chosen.to_dict("records")}
    found = [
        sentence
        for row in shares.to_dict("records")
        if (sentence := _disagreement(row, steps, names[row["factor"]], 1 / len(shares)))
    ]
    agreed = "The path and the importance in the search do not disagree."
    return found or [agreed]


def _disagreement(
    share: dict[Any, Any], steps: dict[Any, dict[Any, Any]], name: str, alike: float
) -> str | None:
    """What intervals show, not what means suggest."""
    told = f"{share['importance']:.2f} [{share['low']:.2f}, {share['high']:.2f}]"
    step = steps.get(share["factor"])
    if step is None:
        if share["low"] > alike:
            return f"Disagreement: {name} is important in the search ({told}) and not on the path."
        return None
    gain = f"{step['gain']:+.4f} [{step['low']:+.4f}, {step['high']:+.4f}]"
    if share["low"] > alike and not step["low"] > 0:
        return f"Disagreement: {name} is important in the search ({told}), but gains {gain}."
    if share["high"] < alike and step["low"] > 0:
        return f"Disagreement: {name} gains {gain}, but is unimportant in the search ({told})."
    return None
