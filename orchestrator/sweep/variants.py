"""Which variants an ablation compares with its base: named ones, pairs of them, and controls."""

import itertools
from collections.abc import Iterable, Iterator

from orchestrator.errors import ConfigError, unknown
from orchestrator.sweep.space import SpaceFile
from orchestrator.tracking.runs import VariantInfo

DEFAULT_GROUP = "components"
"""The group that is taken where none is named and the model has it."""
CONTROLS = {"shuffle": "shuffled", "noise": "noise", "mean": "mean"}
"""Setting of section ``data`` -> what the names of its variants begin with."""


def choose(declared: SpaceFile, names: str | None, *, model: str) -> tuple[VariantInfo, ...]:
    """The variants that a user names, each once, in the order named.

    Args:
        declared: the model's file of spaces.
        names: variants and groups of them, by commas; None takes the group ``components`` where
            the file has it, else all variants.
        model: whose variants they are.

    Raises:
        ConfigError: there is none of a name, or none is named.
    """
    words = _default(declared) if names is None else [word.strip() for word in names.split(",")]
    chosen = dict.fromkeys(name for word in words for name in _named(declared, word, model))
    return tuple(VariantInfo(name=name, changed=declared.variants[name]) for name in chosen)


def _default(declared: SpaceFile) -> list[str]:
    return [DEFAULT_GROUP] if DEFAULT_GROUP in declared.ablations else list(declared.variants)


def _named(declared: SpaceFile, word: str, model: str) -> tuple[str, ...]:
    if word in declared.ablations:
        return declared.ablations[word].variants
    if word not in declared.variants:
        known = [*declared.variants, *declared.ablations]
        raise ConfigError(f"--variants: {unknown(f'variant of {model}', word, known)}")
    return (word,)


def controls(modalities: Iterable[str]) -> Iterator[VariantInfo]:
    """For each modality: its features moved to other items, as noise, and all the same."""
    for modality in modalities:
        for setting, word in CONTROLS.items():
            yield VariantInfo(
                name=f"{word}_{modality}",
                changed={f"data.{setting}": (modality,)},
                is_control=True,
            )


def pairs(variants: Iterable[VariantInfo]) -> tuple[tuple[VariantInfo, ...], tuple[str, ...]]:
    """Every two variants as one; and the names of those that contradict each other."""
    joined, contradictions = [], []
    for one, other in itertools.combinations(variants, 2):
        name = f"{one.name}+{other.name}"
        if any(other.changed.get(key, value) != value for key, value in one.changed.items()):
            contradictions.append(name)
            continue
        changed = {**one.changed, **other.changed}
        joined.append(VariantInfo(name=name, changed=changed, members=(one.name, other.name)))
    return tuple(joined), tuple(contradictions)
