"""Comparisons: several models on one data set at the same seeds, each tuned with equal budget."""

from dataclasses import dataclass

from orchestrator.config import JSON, TrialConfig, content_hash
from orchestrator.digest import code_digest
from orchestrator.sweep.retune import Search
from orchestrator.sweep.study import ListedStudy, SpaceStudy, Trial
from orchestrator.tracking.runs import VariantInfo


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A model that is compared."""

    base: TrialConfig
    """Its own settings on the data set."""
    search: Search | None = None
    """What it is tuned over; None runs it at its own settings."""
    label: str = ""
    """What it is called on this data set, where that is not its name (``iisan-pooled``)."""

    @property
    def model(self) -> str:
        """The model's name in the zoo."""
        return self.base.model

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.label or self.model

    @property
    def member(self) -> VariantInfo:
        """What the tracker calls it."""
        return VariantInfo(name=self.name, changed={}, model=self.model)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A checked plan: every model can be built on the data set, and searched if it is tuned."""

    name: str
    contenders: tuple[Contender, ...]
    """In the order to show them."""
    seeds: tuple[int, ...]
    data_hash: str
    notes: tuple[str, ...] = ()

    @property
    def base(self) -> TrialConfig:
        """The first model's settings; no other's follow from them."""
        return self.contenders[0].base

    @property
    def members(self) -> tuple[VariantInfo, ...]:
        """The models."""
        return tuple(contender.member for contender in self.contenders)

    @property
    def num_tuned(self) -> int:
        """Points of each model's own search; 0 where none is made."""
        search = self.contenders[0].search
        return search.num_trials if search else 0

    def fixed(self) -> ListedStudy | None:
        """All models at their own settings; None where they are tuned first."""
        if self.num_tuned:
            return None
        return ListedStudy.of(
            self, [_fixed(contender) for contender in self.contenders], notes=self.notes
        )

    def searches(self) -> dict[str, SpaceStudy]:
        """Model, as tables call it -> the search for its settings, at the first seed."""
        return {
            contender.name: contender.search.study(
                contender.member, contender.base, name=self.name, data_hash=self.data_hash
            )
            for contender in self.contenders
            if contender.search
        }

    def plan(self) -> JSON:
        """What decides its results; two comparisons of one name must agree in it."""
        return {
            "kind": "comparison",
            "models": {each.model: each.base.to_json() for each in self.contenders},
            "seeds": list(self.seeds),
            "tune": {each.model: each.search.plan() for each in self.contenders if each.search},
            "data": self.data_hash,
            "code": {each.model: code_digest(each.model) for each in self.contenders},
        }

    def default_name(self) -> str:
        """The same plan, typed again, gets the same name, and so goes on where it stopped."""
        return f"comparison-{self.base.dataset}-{content_hash(self.plan(), length=8)}"


def _fixed(contender: Contender) -> Trial:
    return Trial(label=contender.name, config=contender.base, changed={}, variant=contender.name)
