"""From what a user asks for to a checked diagnosis; whatever can be refused is refused here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from models import Recommender
from orchestrator.config import TrialConfig, flatten, override
from orchestrator.data import PLANTED, Dataset
from orchestrator.errors import ConfigError, unknown
from orchestrator.sweep.diagnosis import Diagnosis
from orchestrator.sweep.diagnostics import DECLARED, VIEWS, View
from orchestrator.sweep.prepare import at_least_one, checked_name
from orchestrator.sweep.space import SpaceFile, base_trial
from orchestrator.sweep.study import default_name
from orchestrator.training.loop import build_model


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a user asks of a diagnosis."""

    views: str | None = None
    """Names of views, by commas; None takes all that the model can have."""
    against: str
    """The model that gains are over."""
    num_seeds: int
    overrides: Mapping[str, Any]
    """Dotted key -> value; those of the section ``model`` are for the model alone."""
    name: str | None = None


class _CannotBeError(Exception):
    """Why a view cannot be drawn."""


def prepare_diagnosis(
    wish: Wish, declared: SpaceFile, base: TrialConfig, dataset: Dataset
) -> Diagnosis:
    """A checked diagnosis on a data set.

    Args:
        wish: what is asked for.
        declared: the model's file of spaces, variants and diagnostics.
        base: the model's settings on the data set.
        dataset: the open data set; every model is built on it once.

    Raises:
        ConfigError: any of it cannot be, or a view that is asked for by name cannot be drawn.
    """
    base = override(base, wish.overrides, where="--set")
    seeds = tuple(range(at_least_one("--seeds", wish.num_seeds)))
    plan = Diagnosis(
        name=checked_name(wish.name or "unnamed"),
        base=base,
        views=(),
        declared=declared.diagnostics,
        changes=declared.variants,
        baseline=None,
        seeds=seeds,
        data_hash=dataset.data_hash,
    )
    views, notes = _views(wish, plan, dataset)
    baseline = _baseline(wish, dataset) if "cold" in views else None
    plan = replace(plan, views=views, notes=notes, baseline=baseline)
    return plan if wish.name else replace(plan, name=default_name("diagnosis", base, plan.plan()))


def _views(
    wish: Wish, plan: Diagnosis, dataset: Dataset
) -> tuple[tuple[View, ...], tuple[str, ...]]:
    """The views that can be drawn, and sentences about those that were not asked for by name."""
    wanted = _named(wish.views)
    check = _Check(plan, dataset, wish)
    kept, notes = [], []
    for view in wanted or VIEWS:
        try:
            check.view(view)
            kept.append(view)
        except _CannotBeError as reason:
            if wanted:
                raise ConfigError(
                    f"--views: `{view}` cannot be drawn of {plan.base.model}: {reason}."
                ) from None
            notes.append(f"`{view}` is not drawn: {reason}.")
    if not kept:
        raise ConfigError(f"--views: nothing can be drawn of {plan.base.model}: {' '.join(notes)}")
    return tuple(kept), tuple(notes)


def _named(views: str | None) -> tuple[View, ...]:
    """The views that a user names, in the order to show them; none where all are meant."""
    if views is None:
        return ()
    words = [word.strip() for word in views.split(",")]
    for word in words:
        if word not in VIEWS:
            raise ConfigError(f"--views: {unknown('view', word, VIEWS)}")
    return tuple(view for view in VIEWS if view in words)


def _baseline(wish: Wish, dataset: Dataset) -> TrialConfig:
    """The other model, with what was set for all models."""
    shared = {key: v for key, v in wish.overrides.items() if not key.startswith("model.")}
    config = override(base_trial(wish.against, dataset.name), shared, where="--set")
    build_model(config, dataset)
    return config


class _Check:
    """Sees whether views can be drawn; each model that they need is built once."""

    def __init__(self, plan: Diagnosis, dataset: Dataset, wish: Wish) -> None:
        self._plan = plan
        self._dataset = dataset
        self._against = wish.against
        self._built: dict[TrialConfig, Recommender] = {}

    def view(self, view: View) -> None:
        """Check one view.

        Raises:
            _CannotBeError: it cannot be drawn.
        """
        model = self._plan.base.model
        if view in DECLARED and view not in self._plan.declared.views:
            raise _CannotBeError(f"{model}.toml has no [diagnostics.{view}]")
        checks = {
            "clusters": self._clusters,
            "recall": self._recall,
            "unimodal": self._unimodal,
            "cold": self._cold,
            "attention": self._attention,
        }
        with _as_reason():
            for name in replace(self._plan, views=(view,)).needed():
                self._of(name, view)
            checks.get(view, lambda: None)()

    def _of(self, variant: str, view: View) -> None:
        """Build a variant's model, and see that it has what its gradients are compared of."""
        built = self._model(replace(self._plan, views=(view,)).config(variant))
        if view == "gradients" and not built.parts():
            raise _CannotBeError(f"`{variant}` has no id part and modality part to compare")

    def _clusters(self) -> None:
        if not self._model(self._plan.base).clustered():
            raise _CannotBeError("with these settings the model has no clusters of items")

    def _recall(self) -> None:
        if not any(m.pooled is not None for m in self._dataset.modalities().values()):
            raise _CannotBeError(f"{self._dataset.name} has no pooled features to compare items by")

    def _unimodal(self) -> None:
        base, setting = self._plan.base, self._plan.declared.setting
        if setting not in flatten(base):
            raise _CannotBeError(unknown("key", setting, flatten(base)).rstrip("."))
        for value in self._plan.declared.alone:
            scored = override(base, {setting: value}, where=f"{setting} = {value}")
            if _shapes(self._model(scored)) != _shapes(self._model(base)):
                raise _CannotBeError(f"`{setting}` = {value} changes the model's parameters")

    def _cold(self) -> None:
        if self._against == self._plan.base.model:
            raise _CannotBeError("it is compared with itself; name another model with --against")

    def _attention(self) -> None:
        if not self._model(self._plan.base).attention(torch.tensor([1])):
            raise _CannotBeError("with these settings the model reads no tokens")
        if self._dataset.manifest.origin.importer != PLANTED:
            raise _CannotBeError(
                f"{self._dataset.name} does not say which tokens tell; planted data sets do, and "
                "`orch explain` shows what is read on others"
            )

    def _model(self, config: TrialConfig) -> Recommender:
        if config not in self._built:
            self._built[config] = build_model(config, self._dataset)
        return self._built[config]


def _shapes(model: Recommender) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


@contextmanager
def _as_reason() -> Iterator[None]:
    """A model that cannot be built is a reason against the view."""
    try:
        yield
    except ConfigError as error:
        raise _CannotBeError(str(error).rstrip(".")) from None
