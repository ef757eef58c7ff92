"""What a reader of a comparison's tables and figure must be told."""

import math

from orchestrator.evaluation.bootstrap import RESAMPLES
from orchestrator.reporting.blocks import MARKS, REACH
from orchestrator.reporting.compare.tables import SIGN, Compared, gain_name
from orchestrator.reporting.numbers import model_text
from orchestrator.reporting.published import comparison_source

_SHARE = 40
"""Percent of the users that are cold, and of those with rare targets, at least."""


def notes(
    of: Compared, *, bound: float, with_asides: bool = True, is_plain: bool = True
) -> list[str]:
    """How to read the tables, a few sentences each.

    Args:
        of: the comparison.
        bound: part of a mean that does not matter.
        with_asides: there are tables of tests, groups and costs too.
        is_plain: marks are characters, as on a terminal, and not bold and underlined.
    """
    if not of.frame["seeds"].any():
        return ["No run has finished."]
    return [
        f"{_settings(of)} {counts(of)}",
        f"{_marks(is_plain=is_plain)}. Improvement: {gain_name(of.info)}.",
        f"{REACH} half of the 95 % t interval over seeds.",
        _tests(of),
        *([_verdicts(bound), *_groups(of), *_costs(of)] if with_asides else []),
        *_paper(of),
        "Test metrics choose nothing.",
    ]


def _marks(*, is_plain: bool) -> str:
    if is_plain:
        return f"{MARKS['best']} best, {MARKS['second']} second"
    return "Best in bold, second underlined"


def _settings(of: Compared) -> str:
    if of.origin:
        return of.origin
    if not of.info.num_tuned:
        return "Each model at its own settings on this data set."
    return (
        f"Each model at the settings that a search of its own, of {of.info.num_tuned} points at "
        "one seed, chose by validation."
    )


def counts(of: Compared) -> str:
    """Seeds and users, and whatever lacks some."""
    own = of.frame[of.frame["metric"] == of.headline]
    own = own[own["group"] == ""]
    most = int(own["seeds"].max())
    users = int(of.pairs["users"].max())
    among = f", {users:,} test users" if users else ", no test over users, as ranks are missing"
    told = [f"{most} seed{'s' * (most != 1)}{among}."]
    if most == 1:
        told.append("There is no test over one seed, so nothing is resolved.")
    few = own[own["seeds"] < most]
    if len(few):
        named = [f"{model_text(row.model)} {row.seeds}" for row in few.itertuples()]
        told.append(f"Fewer seeds: {', '.join(named)}.")
    failed = own[own["failed"] > 0]
    if len(failed):
        named = [f"{model_text(row.model)} {row.failed}" for row in failed.itertuples()]
        told.append(f"Failed runs, left out: {', '.join(named)}.")
    return " ".join(told)


def _tests(of: Compared) -> str:
    num = len(of.pairs) // max(1, len(of.metrics))
    return (
        f"{SIGN} a gain that both tests resolve (p < 0.05): paired t test over seeds and paired "
        f"bootstrap over users ({RESAMPLES:,} resamples), corrected by Holm over {num} "
        f"pair{'s' * (num != 1)} of models."
    )


def _verdicts(bound: float) -> str:
    return (
        "better, worse: both tests resolve it; equal: neither, and both 90 % intervals lie within "
        f"±{100 * bound:g} %; smallest: what these seeds would show with 80 % power."
    )


def _groups(of: Compared) -> list[str]:
    known = set(of.frame["group"])
    told = []
    if "cold" in known:
        told.append(f"cold: the {_SHARE} % of users with the fewest training interactions")
    if "rare" in known:
        told.append(f"rare: the {_SHARE} % of users whose test target was trained on least")
    return [f"{'; '.join(told)}; those that tie with the last of them count too."] if told else []


def _costs(of: Compared) -> list[str]:
    told = ["Time on the clock, training and validation, with what else the machine was doing."]
    if any(not math.isnan(value) for value in of.costs["peak_memory"]):
        told.append(
            "Memory: the most of a run, on a GPU of its tensors, on a CPU of its process with its "
            "libraries."
        )
    return [" ".join(told)]


def _paper(of: Compared) -> list[str]:
    if not of.frame["published"].notna().any():
        return []
    source = comparison_source(of.info.dataset)
    return [f"{source}: the paper's own numbers, under its own conditions."]
