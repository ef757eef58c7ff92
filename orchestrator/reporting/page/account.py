"""What a study cost, what failed in it, and what made it: from its runs, as parts of the page."""

from collections import Counter
from collections.abc import Iterable, Sequence

from orchestrator.config import MONITOR
from orchestrator.reporting.page.parts import Grid, Part
from orchestrator.reporting.points import metric_text
from orchestrator.tracking.reading import RunState, SweepState

_LONG = 20
"""Rows from which a table is folded."""
_RUN = (
    *("run", "id", "status", "epoch", f"val {metric_text(MONITOR)}"),
    *("wall time, s", "processor time, s"),
)


def time_text(seconds: float) -> str:
    """A time in words.

    >>> time_text(3723.0), time_text(61.0), time_text(2.34)
    ('1 h 02 min', '1 min 01 s', '2.3 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left:02} min" if hours else f"{minutes} min {rest:02} s"


def budget(state: SweepState, runs: Sequence[RunState]) -> Part:
    """How many runs there were, how long each took, and all together."""
    if not runs:
        return Part(title="Budget", sentences=("No run was needed: nothing is trained.",))
    counts = Counter(run.condition for run in runs)
    of = "" if state.num_planned is None else f" of {state.num_planned} planned"
    facts = (
        ("Runs", f"{len(runs)}{of}: {', '.join(f'{n} {name}' for name, n in counts.items())}"),
        ("Wall time, runs added up", _total([run.seconds for run in runs])),
        ("Processor time, all threads", _total([run.cpu_seconds for run in runs])),
    )
    told = (
        "Training and evaluation of each run, as its worker measured it. A run that another study "
        "did before was reused, and is counted with what it took there; of a run that was cut and "
        "went on, the times are of its last part.",
    )
    rows = tuple(_row(run) for run in runs)
    grid = Grid(caption="Every run", header=_RUN, rows=rows, is_long=len(rows) > _LONG)
    return Part(title="Budget", facts=facts, sentences=told, grids=(grid,))


def _total(times: Iterable[float | None]) -> str:
    every = list(times)
    known = [seconds for seconds in every if seconds is not None]
    if not known:
        return "not measured"
    lacking = len(every) - len(known)
    return time_text(sum(known)) + (f", without {lacking} runs not measured" if lacking else "")


def _row(run: RunState) -> tuple[str, ...]:
    return (
        run.name if run.phase in ("", "fixed") else f"{run.name} ({run.phase})",
        run.run_id[:8],
        run.condition,
        "-" if run.epoch is None else str(run.epoch),
        "-" if run.value is None else f"{run.value:.4f}",
        *("-" if time is None else f"{time:.1f}" for time in (run.seconds, run.cpu_seconds)),
    )


def failures(runs: Iterable[RunState]) -> Part:
    """Runs that did not finish, with what kind of failure it was and why."""
    bad = [run for run in runs if run.condition in ("failed", "killed", "dead")]
    if not bad:
        return Part(title="Failures", sentences=("No run failed.",))
    rows = tuple((run.name, run.failure or run.condition, run.reason or "-") for run in bad)
    grid = Grid(caption="Runs that failed", header=("run", "kind", "reason"), rows=rows)
    kinds = Counter(kind for _, kind, _ in rows)
    told = f"{len(bad)} runs: {', '.join(f'{n} {kind}' for kind, n in kinds.items())}."
    return Part(title="Failures", sentences=(told,), grids=(grid,))


def versions(runs: Iterable[RunState]) -> Part:
    """What code on which machine made the runs; a row per thing, each value once."""
    ended = [run.origin for run in runs if run.origin]
    if not ended:
        return Part(title="Versions", sentences=("No run says what made it.",))
    names = dict.fromkeys(name for origin in ended for name in origin)
    facts = tuple(
        (_words(name), _each([origin[name] or "unknown" for origin in ended if name in origin]))
        for name in sorted(names, key=lambda name: (name.startswith("version."), name))
    )
    return Part(title="Versions", facts=facts)


def _words(name: str) -> str:
    told = {"code": "Code digest", "commit": "Git commit of orch", "device": "Device"}
    return told.get(name, name.removeprefix("version."))


def _each(values: Sequence[str]) -> str:
    counts = Counter(values)
    if len(counts) == 1:
        return values[0]
    return ", ".join(f"{value} ({n} runs)" for value, n in counts.items())
