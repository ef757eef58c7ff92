"""Ablations: a base and its variants at the same seeds, as a plan."""

from dataclasses import dataclass

from orchestrator.config import JSON, TrialConfig, override
from orchestrator.digest import code_digest
from orchestrator.sweep.retune import Search
from orchestrator.sweep.study import ListedStudy, SpaceStudy, Trial
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
        return ListedStudy.of(
            self, [self._fixed(variant) for variant in self.members], notes=self.notes
        )

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
