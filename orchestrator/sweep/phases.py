"""The phases in which ablations and comparisons are run: as they are, searched, as chosen."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, runtime_checkable

from orchestrator.sweep.events import Listener, Sink
from orchestrator.sweep.options import Options
from orchestrator.sweep.resolve import run_resolved
from orchestrator.sweep.retune import best
from orchestrator.sweep.run import Execute, StudyOutcome, joined
from orchestrator.sweep.study import ListedStudy, Run, Seeded, SpaceStudy, Study, Trial
from orchestrator.tracking.runs import VariantInfo


@runtime_checkable
class Phased(Seeded, Protocol):
    """A checked plan of members that are run at the same seeds, each searched if need be."""

    @property
    def members(self) -> tuple[VariantInfo, ...]:
        """What is compared, in the order to run it."""

    def fixed(self) -> ListedStudy | None:
        """The members as they are; None where only what their searches choose is run."""

    def searches(self) -> Mapping[str, SpaceStudy]:
        """Member -> the search for its own settings, at the first seed; empty without one."""


def run_phases(
    plan: Phased, *, sink: Sink, options: Options, execute: Execute, listener: Listener
) -> StudyOutcome:
    """Run phase after phase; what was run before, in whichever sweep, is taken.

    Args:
        plan: the checked plan.
        sink: where runs are recorded.
        options: where and how to run.
        execute: what :func:`orchestrator.sweep.run.open_executor` gave.
        listener: told of everything, in this process.

    Raises:
        StoreError: the results folder or Ray cannot be used.
    """
    outcomes: list[StudyOutcome] = []

    def run(phase: str, study: Study, *folder: str) -> StudyOutcome:
        if any(outcome.stop_reason for outcome in outcomes):
            return StudyOutcome(ended=(), num_reused=0)
        listener.phase(phase)
        place = replace(options, folder=options.folder.joinpath(*folder))
        if study.sampled or phase.startswith("search"):
            place = replace(place, max_trials=None, rule=None)  # each search has equal budget
        outcome = run_resolved(study, sink=sink, options=place, execute=execute, listener=listener)
        told = f"{phase}: " if phase == "retuned" else ""
        outcomes.append(replace(outcome, notes=tuple(f"{told}{n}" for n in outcome.notes)))
        return outcome

    fixed = plan.fixed()
    if fixed is not None:
        run("fixed settings", fixed, "fixed")
    names = [member.name for member in plan.members[: options.max_trials]]
    searched = {
        name: run(f"search {name}", search, "search", name)
        for name, search in plan.searches().items()
        if name in names
    }
    if searched and not any(outcome.num_left for outcome in searched.values()):
        chosen = {name: best(outcome) for name, outcome in searched.items()}
        run("retuned", retuned(plan, chosen), "retuned")
    return joined(outcomes)


def retuned(plan: Phased, chosen: Mapping[str, Run | None]) -> ListedStudy:
    """The members, each at the settings that its own search chose.

    Args:
        plan: whose members they are.
        chosen: member -> the best run of its search; None where none finished.
    """
    trials = [_retuned(run) for run in chosen.values() if run is not None]
    notes = tuple(
        f"`{name}` is not retuned: no run of its search finished."
        for name, run in chosen.items()
        if run is None
    )
    return ListedStudy.of(plan, trials, notes=notes)


def _retuned(found: Run) -> Trial:
    return Trial(
        label=f"retuned{found.label.removeprefix('search')}",
        config=found.config,
        changed=found.changed,
        variant=found.variant,
        phase="retuned",
    )
