"""The studies behind a table or figure of a paper: checked, priced, run, and measured."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.api.comparing import compare
from orchestrator.api.diagnosing import BASELINE, diagnose
from orchestrator.api.jobs import Job, plan, run_job
from orchestrator.api.results import RESULTS, SweepResult
from orchestrator.api.studies import ablate, sweep
from orchestrator.api.way import How
from orchestrator.data import Dataset, open_dataset
from orchestrator.errors import ConfigError
from orchestrator.reproduction.declared import Exhibit
from orchestrator.reproduction.standing import missing_models
from orchestrator.reproduction.verdict import Measured
from orchestrator.sweep.settings_file import base_settings
from orchestrator.tracking.reading import StoreReader
from orchestrator.training.loop import build_model


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How an exhibit is to be made."""

    num_seeds: int
    config: Path | None
    overrides: Mapping[str, Any]
    tune: int | None = None
    """Of a comparison: points of a search that each model gets of its own."""
    how: How

    def arguments(self, dataset: str) -> dict[str, Any]:
        """What every function takes that runs something."""
        return {
            "dataset": dataset,
            "num_seeds": self.num_seeds,
            "config": self.config,
            "overrides": self.overrides,
            **self.how,
        }

    @property
    def changed(self) -> dict[str, Any]:
        """What is not as the data set's own settings have it."""
        options = {"--config": self.config and str(self.config), "--tune": self.tune}
        return {**self.overrides, **{key: value for key, value in options.items() if value}}

    @property
    def results(self) -> Path:
        """The results folder."""
        return self.how.get("results", RESULTS)

    def note(self, text: str) -> None:
        """Tell whoever watches."""
        listener = self.how.get("listener")
        if listener is not None:
            listener.note(text)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the studies of an exhibit on one data set measured."""

    measured: Measured
    results: tuple[SweepResult, ...]
    absent: Mapping[str, str] = field(default_factory=dict)
    """Subject -> why it cannot be had here."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The studies of an exhibit on one data set, checked; nothing has been started."""

    run: Callable[[], Found]
    price: Callable[[], str]
    """What would be run, and what it costs."""


def ready(exhibit: Exhibit, dataset: str, asked: Asked) -> Ready:
    """Check the studies of an exhibit on a data set.

    Raises:
        OrchError: whatever these refuse.
    """
    if asked.tune is not None and exhibit.kind != "comparison":
        raise ConfigError(
            f"--tune: {exhibit.name} compares no models, which alone are tuned. Leave it out."
        )
    makers = {
        "ablation": _ablation,
        "comparison": _comparison,
        "diagnosis": _diagnoses,
        "sweep": _sweep,
    }
    return makers[exhibit.kind](exhibit, dataset, asked)


def _ablation(exhibit: Exhibit, dataset: str, asked: Asked) -> Ready:
    from orchestrator.reproduction.measured import of_variants

    given = {"model": exhibit.model, "variants": exhibit.variants, **asked.arguments(dataset)}
    return _study(ablate, given, lambda runs, _: of_variants(runs, exhibit.metrics))


def _sweep(exhibit: Exhibit, dataset: str, asked: Asked) -> Ready:
    from orchestrator.reproduction.measured import of_values

    given = {"model": exhibit.model, "space": exhibit.space, **asked.arguments(dataset)}
    return _study(sweep, given, lambda runs, info: of_values(runs, info, exhibit.metrics))


def _comparison(exhibit: Exhibit, dataset: str, asked: Asked) -> Ready:
    """Of the exhibit's models those that the zoo has and the data set can serve."""
    from orchestrator.reproduction.measured import of_variants

    absent = _not_in_zoo(exhibit)
    opened = open_dataset(dataset, asked.how.get("data_dir"), verify=True)
    for model in [*exhibit.models, exhibit.model]:
        if model not in absent:
            absent |= _refusal(exhibit, model, opened)
    models = tuple(model for model in [*exhibit.models, exhibit.model] if model not in absent)
    given = {
        **asked.arguments(dataset),
        "models": models,
        "ours": exhibit.model,
        "tune": asked.tune,
        "configs": () if asked.config is None else (asked.config,),
    }
    given.pop("config")
    return _study(compare, given, lambda runs, _: of_variants(runs, exhibit.metrics), absent)


def _not_in_zoo(exhibit: Exhibit) -> dict[str, str]:
    return dict.fromkeys(missing_models(exhibit), "not in the zoo")


def _refusal(exhibit: Exhibit, model: str, dataset: Dataset) -> dict[str, str]:
    """Why a model cannot be built on a data set; the exhibit's own must be.

    Raises:
        ConfigError: that one cannot.
    """
    try:
        build_model(base_settings(model, dataset.name, None), dataset)
    except ConfigError as error:
        if model == exhibit.model:
            raise
        return {model: str(error).rstrip(".")}
    return {}


def _study(
    function: Callable[..., SweepResult],
    given: Mapping[str, Any],
    measure: Callable[..., Measured],
    absent: Mapping[str, str] | None = None,
) -> Ready:
    prepare: Callable[..., Job] = inspect.unwrap(function)
    job = prepare(**given)

    def run() -> Found:
        result = run_job(job, SweepResult)
        state = StoreReader(result.tracking_uri).sweep(result.name)
        measured = measure(state.runs, state.info)
        return Found(measured=measured, results=(result,), absent=absent or {})

    return Ready(run=run, price=lambda: plan(function, **given).text)


def _diagnoses(exhibit: Exhibit, dataset: str, asked: Asked) -> Ready:
    """A diagnosis of each model that the exhibit compares and the zoo has."""
    absent = _not_in_zoo(exhibit)
    models = [model for model in exhibit.every_model if model not in absent]
    given = {model: _of_model(exhibit, model, dataset, asked) for model in models}
    prepare: Callable[..., Job] = inspect.unwrap(diagnose)
    jobs = {model: prepare(model, **given[model]) for model in models}

    def run() -> Found:
        results = {model: run_job(job, SweepResult) for model, job in jobs.items()}
        measured: dict[Any, Any] = {}
        for model, result in results.items():
            measured |= _told(exhibit, model, dataset, result.figures)
        return Found(measured=measured, results=tuple(results.values()), absent=absent)

    def price() -> str:
        return "\n\n".join(plan(diagnose, model, **given[model]).text for model in models)

    return Ready(run=run, price=price)


def _of_model(exhibit: Exhibit, model: str, dataset: str, asked: Asked) -> dict[str, Any]:
    """What a model's diagnosis is given; a file's settings are those of the exhibit's own model."""
    given = asked.arguments(dataset)
    if model != exhibit.model:
        given["config"] = None
    return {"views": exhibit.views, "against": BASELINE, **given}


def _told(exhibit: Exhibit, model: str, dataset: str, files: tuple[Path, ...]) -> Measured:
    """What the numbers behind a diagnosis's figure say; nothing where it was not drawn."""
    from orchestrator.reproduction.measured import of_view

    stem = f"{model}-{exhibit.views}-{dataset}"
    frames = {
        path.stem.removeprefix(stem).removeprefix("-"): pd.read_csv(path)
        for path in files
        if path.suffix == ".csv" and path.stem.startswith(stem)
    }
    return of_view(exhibit.views, frames, model) if frames else {}
