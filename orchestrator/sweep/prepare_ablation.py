"""From what a user asks for to a checked ablation; whatever can be refused is refused here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.config import TrialConfig, override
from orchestrator.data import Dataset
from orchestrator.errors import ConfigError
from orchestrator.sweep.ablation import Ablation
from orchestrator.sweep.prepare import at_least_one, checked_name
from orchestrator.sweep.probe import Probe
from orchestrator.sweep.retune import Search, prepare_search
from orchestrator.sweep.space import SpaceFile
from orchestrator.sweep.study import default_name
from orchestrator.sweep.variants import choose, controls, pairs
from orchestrator.tracking.runs import VariantInfo
from orchestrator.training.loop import build_model

OnCheck = Callable[[int, int], None]
"""Hears how many variants are checked, and how many there are."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a user asks of an ablation."""

    variants: str | None = None
    """Names of variants and of groups, by commas; None takes the model's ``components``."""
    has_pairs: bool = False
    has_controls: bool = False
    num_seeds: int = 5
    retune: int | None = None
    """Points of each variant's own search; None searches nothing."""
    retune_space: str | None = None
    overrides: Mapping[str, Any]
    """Dotted key -> value, set on top of the model's settings on the data set."""
    name: str | None = None


def prepare_ablation(
    question: Question,
    declared: SpaceFile,
    base: TrialConfig,
    dataset: Dataset,
    *,
    on_check: OnCheck,
) -> Ablation:
    """A checked ablation on a data set.

    Args:
        question: what is asked for.
        declared: the model's file of spaces and variants.
        base: the model's settings on the data set.
        dataset: the open data set; every model is built on it, and trained for a moment.
        on_check: told of progress: that moment is long for some models.

    Raises:
        ConfigError: any of it cannot be, or a variant changes nothing.
    """
    base = override(base, question.overrides, where="--set")
    seeds = tuple(range(at_least_one("--seeds", question.num_seeds)))
    name = checked_name(question.name or "unnamed")
    search = prepare_search(question.retune, question.retune_space, declared, model=base.model)
    _refuse_searched(search, question.overrides)
    chosen = _variants(question, declared, base, dataset)
    check = _Check(base, dataset, on_check)
    check.variants(chosen)
    joined = check.pairs(chosen) if question.has_pairs else ()
    ablation = Ablation(
        name=name,
        base=base,
        variants=tuple(sorted([*chosen, *joined], key=lambda variant: variant.is_control)),
        seeds=seeds,
        data_hash=dataset.data_hash,
        notes=tuple(check.notes),
    )
    if search:
        search = search.without_inert(ablation.members, base, check.probe)
        ablation = replace(ablation, search=search)
        ablation.searches()  # refuses a space that does not fit a variant
    if question.name:
        return ablation
    return replace(ablation, name=default_name("ablation", base, ablation.plan()))


def _refuse_searched(search: Search | None, overrides: Mapping[str, Any]) -> None:
    both = sorted(set(search.space.factors) & set(overrides)) if search else []
    if search and both:
        raise ConfigError(
            f"--set: `{both[0]}` is searched by --retune (space {search.space.name}). Leave it out."
        )


def _variants(
    question: Question, declared: SpaceFile, base: TrialConfig, dataset: Dataset
) -> tuple[VariantInfo, ...]:
    """The variants that are named, and the controls."""
    named = choose(declared, question.variants, model=base.model)
    if question.has_pairs and len(named) < 2:
        raise ConfigError(
            f"--pairs cannot be used with {len(named)} variant{'' if len(named) == 1 else 's'}: "
            "a pair joins two. Name more with --variants."
        )
    forms = build_model(base, dataset).input_forms()
    spoilt = tuple(controls(forms)) if question.has_controls else ()
    if question.has_controls and not spoilt:
        raise ConfigError(
            f"--modality-controls: {base.model} uses no modality with these settings. Leave it out."
        )
    for variant in spoilt:
        if variant.name in declared.variants:
            raise ConfigError(
                f"--modality-controls: `{variant.name}` is a variant of {base.model} already. "
                f"Rename it in {base.model}.toml."
            )
    if not (named or spoilt):
        raise ConfigError(
            f"--variants: {base.model} has none. Write [variants.<name>] in {base.model}.toml."
        )
    return (*named, *spoilt)


class _Check:
    """Sees that each variant changes the model, and each pair more than its members do."""

    def __init__(self, base: TrialConfig, dataset: Dataset, on_check: OnCheck) -> None:
        self.probe = Probe(dataset)
        self.notes: list[str] = []
        self._base = base
        self._place = f"{base.model} on {dataset.name}"
        self._on_check = on_check
        self._seen_in_whole: set[str] = set()

    def variants(self, variants: tuple[VariantInfo, ...]) -> None:
        """Refuse a variant that changes nothing, or that cannot be built on the data set."""
        for place, variant in enumerate(variants):
            self._on_check(place, len(variants))
            config = override(
                self._base,
                variant.changed,
                where=f"{self._base.model}.toml: [variants.{variant.name}]",
            )
            if not self._changes(variant, config):
                raise ConfigError(self._refusal(variant))

    def _changes(self, variant: VariantInfo, config: TrialConfig) -> bool:
        try:
            if self.probe.differ(self._base, config):
                return True
            if self.probe.is_small or not self.probe.differ(self._base, config, in_whole=True):
                return False
        except ConfigError as error:
            raise ConfigError(f"variant `{variant.name}`: {error}") from None
        self._seen_in_whole.add(variant.name)
        return True

    def _refusal(self, variant: VariantInfo) -> str:
        keys = ", ".join(f"{key} = {value}" for key, value in variant.changed.items())
        option, mend = "--variants", f"Leave it out, or mend its keys in {self._base.model}.toml"
        if variant.is_control:
            option, mend = "--modality-controls", "Leave --modality-controls out"
        return (
            f"{option}: `{variant.name}` ({keys or 'no keys'}) changes nothing in {self._place}: "
            f"trained for a moment, it gives the base's scores bit for bit. {mend}."
        )

    def pairs(self, variants: tuple[VariantInfo, ...]) -> tuple[VariantInfo, ...]:
        """The pairs that can be run and are not the same as one of their members."""
        members = {variant.name: variant for variant in variants if not variant.is_control}
        joined, contradictions = pairs(members.values())
        if contradictions:
            names = ", ".join(f"`{name}`" for name in contradictions)
            self.notes.append(f"not run, since the two contradict each other: {names}.")
        kept = []
        for place, pair in enumerate(joined):
            self._on_check(place, len(joined))
            if self._is_new(pair, [members[name] for name in pair.members]):
                kept.append(pair)
        return tuple(kept)

    def _is_new(self, pair: VariantInfo, members: list[VariantInfo]) -> bool:
        try:
            config = override(self._base, pair.changed, where=f"`{pair.name}` is not run")
        except ConfigError as error:
            self.notes.append(str(error))
            return False
        in_whole = bool(self._seen_in_whole & set(pair.members))
        for member in members:
            own = override(self._base, member.changed, where=member.name)
            if not self.probe.differ(config, own, in_whole=in_whole):
                self.notes.append(f"`{pair.name}` is not run: it is the same as `{member.name}`.")
                return False
        return True
