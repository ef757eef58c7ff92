"""What a reader of an ablation's tables and figures must be told."""

from collections.abc import Iterable

import pandas as pd

from orchestrator.evaluation.bootstrap import RESAMPLES
from orchestrator.reporting.ablation_tables import readable
from orchestrator.reporting.looks import looks_note
from orchestrator.reporting.published import ablation_source
from orchestrator.tracking.runs import SweepInfo


def notes(frame: pd.DataFrame, info: SweepInfo, *, bound: float) -> list[str]:
    """How to read the tables, a few sentences each."""
    if not frame["seeds"].any():
        return ["No run has finished."]
    return [
        "Differences: variant minus base over the same seeds, in % of the base's mean; ± half of "
        "the 95 % t interval over seeds.",
        *counts(frame),
        _tests(frame),
        *looks_note(info),
        "Verdict on what a variant takes away or replaces: it helps if the variant is below the "
        "base in both tests (p < 0.05), hurts if above; neutral if neither, and both 90 % "
        f"intervals lie within ±{100 * bound:g} % of the base's mean; else unresolved.",
        *_extras(frame, info),
        "Test metrics choose nothing.",
    ]


def _tests(frame: pd.DataFrame) -> str:
    num_variants = frame.loc[frame["role"].isin(["component", "control"]), "variant"].nunique()
    return (
        f"p: paired t test over seeds, paired bootstrap over users ({RESAMPLES:,} resamples), "
        f"corrected by Holm over {num_variants} variant{'s' * (num_variants != 1)}. smallest: the "
        "smallest difference that these seeds would show, with 80 % power and before correction."
    )


def _extras(frame: pd.DataFrame, info: SweepInfo) -> list[str]:
    told = []
    if (frame["phase"] == "retuned").any():
        told.append(
            "retuned: every variant, the base too, at the settings that its own search of equal "
            "budget chose by validation."
        )
    if (frame["role"] == "interaction").any():
        told.append(
            "interaction: both - first - second, as differences to the base. Negative: together "
            "they lower the metric by more than their sum; positive: by less; additive: within "
            "the bound. Over the seeds that finished in all four."
        )
    if frame["published"].notna().any():
        told.append(f"paper: {ablation_source(info.model)}, under the paper's own conditions.")
    return told


def counts(frame: pd.DataFrame) -> list[str]:
    """Seeds and users of the comparisons of each phase, and whatever lacks some."""
    compared = frame[~frame["role"].isin(["base", "interaction"])]
    told = [
        sentence
        for phase in frame["phase"].drop_duplicates()
        for sentence in _phase_counts(compared[compared["phase"] == phase], phase)
    ]
    return [" ".join([*told, *_failed(frame)])]


def _phase_counts(compared: pd.DataFrame, phase: str) -> list[str]:
    own = "" if phase == "fixed" else " of retuned variants"
    most = int(compared["paired"].max()) if len(compared) else 0
    if not most:
        return [f"No comparison{own}: no seed has finished in a variant and in the base."]
    users = int(compared["users"].max())
    told = [f"{most} seed{'s' * (most > 1)} and {users:,} users in each comparison{own}."]
    if most == 1:
        told.append("There is no test over one seed, so nothing is resolved.")
    few = compared[compared["paired"] < most]
    told += [f"Fewer seeds: {_listed(few, 'paired')}."] if len(few) else []
    unranked = compared[(compared["users"] == 0) & (compared["paired"] > 0)]
    if len(unranked):
        told.append(f"No test over users, as ranks are missing: {_listed(unranked)}.")
    return told


def _failed(frame: pd.DataFrame) -> list[str]:
    failed = frame[frame["failed"] > 0]
    return [f"Failed runs, left out: {_listed(failed, 'failed')}."] if len(failed) else []


def _listed(rows: pd.DataFrame, column: str | None = None) -> str:
    """Names of rows, each once, with a number if one is asked for."""
    return ", ".join(dict.fromkeys(_entries(rows, column)))


def _entries(rows: pd.DataFrame, column: str | None) -> Iterable[str]:
    for row in rows.to_dict("records"):
        name = readable(row["variant"]) + (" retuned" if row["phase"] == "retuned" else "")
        yield f"{name} {row[column]}" if column else name
