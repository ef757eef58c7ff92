"""Modality controls: features that keep their form and lose what they tell of their items."""

import dataclasses
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models import Modality, TokenFeatures
from orchestrator.config import DataConfig

_Values = Callable[[Tensor, torch.Generator], Tensor]


def control(
    modalities: Mapping[str, Modality], config: DataConfig, *, seed: int
) -> dict[str, Modality]:
    """The modalities with the controls of ``config`` in place; the others as they are.

    Items whose modality is missing stay without it.

    Args:
        modalities: by name.
        config: which control each modality gets.
        seed: decides the shuffle and the noise; each modality draws its own.

    Raises:
        ValueError: a control names a modality that is not there.
    """
    result = dict(modalities)
    kinds = {"shuffle": config.shuffle, "noise": config.noise, "mean": config.mean}
    for kind, names in kinds.items():
        for name in names:
            if name not in modalities:
                has = ", ".join(sorted(modalities)) or "none"
                raise ValueError(
                    f"`data.{kind}` names `{name}`, which the data set lacks; it has {has}."
                )
            generator = torch.Generator().manual_seed(seed + sorted(modalities).index(name))
            result[name] = _CONTROLS[kind](modalities[name], generator)
    return result


def _shuffled(modality: Modality, generator: torch.Generator) -> Modality:
    present = _present(modality).nonzero().flatten()
    order = torch.arange(len(_present(modality)))
    order[present] = present[torch.randperm(len(present), generator=generator)]
    return dataclasses.replace(
        modality,
        pooled=None if modality.pooled is None else modality.pooled[order],
        tokens=None if modality.tokens is None else _reordered(modality.tokens, order),
        layers=None if modality.layers is None else modality.layers[order],
    )


def _reordered(tokens: TokenFeatures, order: Tensor) -> TokenFeatures:
    """Each item ``i`` gets the tokens of item ``order[i]``."""
    parts = tokens.values.split(tokens.lengths.tolist())
    return TokenFeatures(torch.cat([parts[item] for item in order]), tokens.lengths[order])


def _noise(modality: Modality, generator: torch.Generator) -> Modality:
    return _with_values(modality, _gaussian, generator)


def _mean(modality: Modality, generator: torch.Generator) -> Modality:
    return _with_values(modality, lambda values, _: values.mean(dim=0).expand_as(values), generator)


def _gaussian(
    values: Float[Tensor, "rows ..."], generator: torch.Generator
) -> Float[Tensor, "rows ..."]:
    draws = torch.randn(values.shape, generator=generator)
    return values.mean(dim=0) + draws * values.std(dim=0, correction=0)


def _with_values(modality: Modality, make: _Values, generator: torch.Generator) -> Modality:
    def replaced(vectors: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows ..."]:
        present, result = _present(modality), torch.zeros_like(vectors)
        result[present] = make(vectors[present].float(), generator).to(vectors.dtype)
        return result

    tokens = modality.tokens
    pooled = None if modality.pooled is None else replaced(modality.pooled)
    if tokens is not None:
        values = make(tokens.values.float(), generator).to(tokens.values.dtype)
        tokens = TokenFeatures(values.contiguous(), tokens.lengths)
    layers = None if modality.layers is None else replaced(modality.layers)
    return dataclasses.replace(modality, pooled=pooled, tokens=tokens, layers=layers)


def _present(modality: Modality) -> Bool[Tensor, " rows"]:
    """The items that have the modality; padding is none."""
    rows = modality.pooled if modality.tokens is None else modality.tokens.lengths
    assert rows is not None
    present = torch.ones(len(rows), dtype=torch.bool)
    present[0] = False
    return present if modality.missing is None else present & ~modality.missing


_CONTROLS: Mapping[str, Callable[[Modality, torch.Generator], Modality]] = {
    "shuffle": _shuffled,
    "noise": _noise,
    "mean": _mean,
}
