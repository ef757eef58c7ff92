"""A diagnosis: views of one model, and the runs that they need; each variant is run once."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.config import JSON, TrialConfig, override, trial_from_json
from orchestrator.digest import code_digest
from orchestrator.sweep.diagnostics import Diagnostics, View
from orchestrator.sweep.study import ListedStudy, Point, Trial
from orchestrator.tracking.runs import BASE, VariantInfo

TRACED: Mapping[str, bool] = {"train.trace_gradients": True}
"""What a variant whose gradients are looked at is run with, besides its own changes."""
OF_BASE: frozenset[View] = frozenset({"clusters", "unimodal", "cold", "attention"})
"""Views of the model as it is."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A checked plan: every view can be drawn once its runs are done."""

    name: str
    base: TrialConfig
    views: tuple[View, ...]
    declared: Diagnostics
    changes: Mapping[str, Point]
    """Variant that the file declares -> what it overrides."""
    baseline: TrialConfig | None
    """Another model at its own settings, for what the model gains over it."""
    seeds: tuple[int, ...]
    data_hash: str
    notes: tuple[str, ...] = ()

    @property
    def against(self) -> str:
        """Name of the variant that is the other model."""
        assert self.baseline is not None
        return f"against-{self.baseline.model}"

    def needed(self) -> dict[str, Point]:
        """Variant -> what it overrides, of those that the views need, the base first."""
        names = [BASE] if OF_BASE & set(self.views) else []
        names += self._named()
        traced = self.declared.gradients if "gradients" in self.views else ()
        return {
            name: {**self.changes.get(name, {}), **(TRACED if name in traced else {})}
            for name in dict.fromkeys(names)
        }

    def _named(self) -> list[str]:
        of_views: dict[View, tuple[str, ...]] = {
            "convergence": self.declared.convergence,
            "gradients": self.declared.gradients,
            "clusters": tuple(filter(None, [self.declared.without_clusters])),
            "unimodal": tuple(self.declared.alone.values()),
        }
        return [name for view in self.views for name in of_views.get(view, ())]

    def config(self, variant: str) -> TrialConfig:
        """A variant's settings."""
        return override(self.base, self.needed()[variant], where=variant)

    def variants(self) -> tuple[VariantInfo, ...]:
        """What is run beside the base."""
        own = [VariantInfo(name=n, changed=c) for n, c in self.needed().items() if n != BASE]
        other = [VariantInfo(name=self.against, changed={})] if self.baseline else []
        return (*own, *other)

    def study(self) -> ListedStudy:
        """All trials."""
        every = tuple(trial for study in self.studies() for trial in study.trials)
        return ListedStudy.of(self, every, notes=self.notes)

    def studies(self) -> tuple[ListedStudy, ...]:
        """The trials of each model; none where nothing is trained."""
        own = [
            Trial(label=name, config=self.config(name), changed=changed, variant=name)
            for name, changed in self.needed().items()
        ]
        found = [ListedStudy.of(self, own)] if own else []
        if self.baseline:
            name = self.against
            other = Trial(label=name, config=self.baseline, changed={}, variant=name)
            found.append(ListedStudy.of(self, [other], base=self.baseline))
        return tuple(found)

    def plan(self) -> JSON:
        """What decides its results; two diagnoses of one name must agree in it."""
        return {
            "kind": "diagnosis",
            "base": self.base.to_json(),
            "views": list(self.views),
            "variants": {variant.name: dict(variant.changed) for variant in self.variants()},
            "against": self.baseline.to_json() if self.baseline else None,
            "seeds": list(self.seeds),
            "data": self.data_hash,
            "code": "+".join(code_digest(one.model) for one in (self.base, self.baseline) if one),
        }


def diagnosis_of_plan(name: str, plan: JSON, declared: Diagnostics) -> Diagnosis:
    """The diagnosis that :meth:`Diagnosis.plan` told of.

    Args:
        name: the diagnosis's name.
        plan: what was told.
        declared: what the model's file says of its views.
    """
    return Diagnosis(
        name=name,
        base=trial_from_json(plan["base"]),
        views=tuple(plan["views"]),
        declared=declared,
        changes=plan["variants"],
        baseline=trial_from_json(plan["against"]) if plan["against"] else None,
        seeds=tuple(plan["seeds"]),
        data_hash=plan["data"],
    )
