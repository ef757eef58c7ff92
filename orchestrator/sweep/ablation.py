"""Ablations: a base and its variants at the same seeds, and the phases in which they are run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrator.config import JSON, TrialConfig, override
from orchestrator.digest import code_digest
from orchestrator.sweep.events import Listener, Sink
from orchestrator.sweep.options import Options
from orchestrator.sweep.resolve import run_resolved
from orchestrator.sweep.retune import Search, best
from orchestrator.sweep.run import Execute, StudyOutcome, joined
from orchestrator.sweep.study import ListedStudy, Run, SpaceStudy, Study, Trial
from orchestrator.tracking.runs import BASE, VariantInfo


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """A checked plan: every variant can be run, and changes the model."""

    name: str
    base: TrialConfig
    variants: tuple[VariantInfo, ...]
    """In the order to show them; the base is none of them."""
    seeds: tuple[int, ...]
    data_hash: str
    search: Search | None = None
    notes: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[VariantInfo, ...]:
        """The base, as the variant that changes nothing, and the variants."""
        return (VariantInfo(name=BASE, changed={}), *self.variants)

    def fixed(self) -> ListedStudy:
        """Base and variants at the settings of the base."""
        return self._study([self._fixed(variant) for variant in self.members], self.notes)

    def _fixed(self, variant: VariantInfo) -> Trial:
        return Trial(
            label=variant.name,
            config=override(self.base, variant.changed, where=variant.name),
            changed=variant.changed,
            variant=variant.name,
        )

    def searches(self) -> dict[str, SpaceStudy]:
        """Variant -> the search for its own settings, at the first seed; empty without one."""
        if self.search is None:
            return {}
        return {
            variant.name: self.search.study(
                variant, self.base, name=self.name, data_hash=self.data_hash
            )
            for variant in self.members
        }

    def retuned(self, chosen: Mapping[str, Run | None]) -> ListedStudy:
        """Base and variants, each at the settings that its own search chose.

        Args:
            chosen: variant -> the best run of its search; None where none finished.
        """
        trials = [_retuned(run) for run in chosen.values() if run is not None]
        notes = tuple(
            f"`{name}` is not retuned: no run of its search finished."
            for name, run in chosen.items()
            if run is None
        )
        return self._study(trials, notes)

    def _study(self, trials: list[Trial], notes: tuple[str, ...]) -> ListedStudy:
        return ListedStudy(
            name=self.name,
            base=self.base,
            seeds=self.seeds,
            data_hash=self.data_hash,
            notes=notes,
            trials=tuple(trials),
        )

    def plan(self) -> JSON:
        """What decides its results; two ablations of one name must agree in it."""
        return {
            "kind": "ablation",
            "base": self.base.to_json(),
            "variants": {variant.name: dict(variant.changed) for variant in self.variants},
            "seeds": list(self.seeds),
            "retune": self.search.plan() if self.search else None,
            "data": self.data_hash,
            "code": code_digest(self.base.model),
        }


def _retuned(found: Run) -> Trial:
    return Trial(
        label=f"retuned{found.label.removeprefix('search')}",
        config=found.config,
        changed=found.changed,
        variant=found.variant,
        phase="retuned",
    )


def run_ablation(
    ablation: Ablation, *, sink: Sink, options: Options, execute: Execute, listener: Listener
) -> StudyOutcome:
    """Run an ablation, phase after phase; what was run before, in whichever sweep, is taken.

    Args:
        ablation: the checked plan.
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

    run("fixed settings", ablation.fixed(), "fixed")
    names = [variant.name for variant in ablation.members[: options.max_trials]]
    searched = {
        name: run(f"search {name}", search, "search", name)
        for name, search in ablation.searches().items()
        if name in names
    }
    if searched and not any(outcome.num_left for outcome in searched.values()):
        chosen = {name: best(outcome) for name, outcome in searched.items()}
        run("retuned", ablation.retuned(chosen), "retuned")
    return joined(outcomes)
