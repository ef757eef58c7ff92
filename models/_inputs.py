"""Contracts on inputs: what a model reads, what a data set has, and how the two meet.

A model's settings declare its needs; a catalogue says what it has; :func:`settle` chooses
the form that each input is read in. What a model was not made for but can run on makes it another
model with another name (``iisan-pooled``), so that no table takes it for the one that was meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

IDS, TIMESTAMPS, CATEGORIES = "ids", "timestamps", "categories"
"""Inputs that are no modality."""
PLAIN = (IDS, TIMESTAMPS, CATEGORIES)
WITHOUT = "without"
"""As a degraded form: the model runs without the input at all."""

Available: TypeAlias = Mapping[str, tuple[str, ...]]
"""Input -> the forms it is there in; an input that is no modality has none."""


@dataclass(frozen=True)
class Need:
    """One input that a model reads."""

    source: str
    """A modality, or one of :data:`PLAIN`."""
    forms: tuple[str, ...] = ()
    """Of a modality: forms (``tokens``, ``pooled``, ``layers``) it reads, the first there is."""
    degraded: tuple[str, ...] = ()
    """Forms it runs on where none of those is there, under another name."""


@dataclass(frozen=True)
class Inputs:
    """The inputs a model reads of one data set."""

    forms: Mapping[str, str] = field(default_factory=dict)
    """Modality -> the form it is read in."""
    others: tuple[str, ...] = ()
    """Inputs that are no modality."""
    suffix: str = ""
    """What a degraded model is called after its own name."""

    def label(self, model: str) -> str:
        """What the model is called on this data set: its name, unless it runs degraded."""
        return model + self.suffix


class MissingInputError(ValueError):
    """A data set lacks an input.

    Attributes:
        need: what is lacking.
    """

    def __init__(self, need: Need, available: Available) -> None:
        super().__init__(_lacking(need, available))
        self.need = need


def _lacking(need: Need, available: Available) -> str:
    if need.source in PLAIN:
        return f"the data set has no {need.source}."
    features = {name: forms for name, forms in sorted(available.items()) if name not in PLAIN}
    if need.source not in features:
        has = ", ".join(features) or "no features at all"
        return f"the data set has no `{need.source}` features; it has {has}."
    wanted, found = " or ".join(need.forms), ", ".join(features[need.source])
    return f"the data set has no {wanted} of `{need.source}`; it has {found}."


def settle(needs: tuple[Need, ...], available: Available) -> Inputs:
    """Choose the form that each input is read in.

    Args:
        needs: what a model reads.
        available: what a data set has.

    Raises:
        MissingInputError: an input is there in no form that the model could read.
    """
    chosen = {need: _choose(need, available) for need in needs}
    modalities = {need: form for need, form in chosen.items() if need.source not in PLAIN}
    return Inputs(
        forms={need.source: form for need, form in modalities.items() if form != WITHOUT},
        others=tuple(n.source for n, form in chosen.items() if n.source in PLAIN and not form),
        suffix=_suffix(chosen),
    )


def _choose(need: Need, available: Available) -> str:
    """The form to read; empty for an input that is no modality and is there."""
    if need.source in PLAIN and need.source in available:
        return ""
    there = available.get(need.source, ())
    for form in (*need.forms, *need.degraded):
        if form in there or form == WITHOUT:
            return form
    raise MissingInputError(need, available)


def _suffix(chosen: Mapping[Need, str]) -> str:
    """``-pooled`` where all that can be degraded to pooled is, else ``-image-pooled``."""
    words: list[str] = []
    degraded = {need.source: form for need, form in chosen.items() if form in need.degraded}
    for source, form in degraded.items():
        could = [need.source for need in chosen if form in need.degraded]
        if form == WITHOUT:
            words.append(f"-without-{source}")
        elif all(degraded.get(other) == form for other in could):
            words.append(f"-{form}")
        else:
            words.append(f"-{source}-{form}")
    return "".join(dict.fromkeys(words))
