"""The best point of a sweep, by validation, and its settings as a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.api.results import RESULTS
from orchestrator.config import default_trial, flatten
from orchestrator.errors import ConfigError, StoreError, unknown
from orchestrator.reporting.points import Mean, mean_over_seeds
from orchestrator.reporting.standing import Standing, best_point, retuned
from orchestrator.sweep.settings_file import Origin, write_settings
from orchestrator.tracking.reading import StoreReader, SweepState
from orchestrator.tracking.runs import BASE
from orchestrator.tracking.store import existing_uri

METRICS = ("recall@10", "ndcg@10", "recall@20", "ndcg@20", "mrr@10")
"""What is told of a point, of both splits."""


@dataclass(frozen=True, kw_only=True)
class BestPoint:
    """The settings that a sweep chose by validation, and what they measured."""

    sweep: str
    model: str
    dataset: str
    synthetic: bool
    variant: str
    """Of an ablation whose variants had searches of their own; of a comparison the model; else
    empty."""
    settings: Mapping[str, Any]
    """Dotted key -> value, all of them."""
    changed: Mapping[str, Any]
    """Those that differ from the model's defaults."""
    swept: tuple[str, ...]
    """Keys that the sweep varied."""
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    """Ids of its runs, in the order of ``seeds``."""
    num_compared: int
    """Points that it was chosen from, itself among them."""
    num_others: int
    """Points with a finished run, but of fewer seeds, which were not compared."""
    is_whole: bool
    """The sweep has ended; otherwise another point may turn out better."""
    figures: Mapping[str, Mean]
    """Mean and 95 % t interval over seeds of ``val/...`` and ``test/...``."""
    about: str
    """How it was chosen, in sentences."""


def best(
    sweep: str,
    *,
    variant: str | None = None,
    results: Path = RESULTS,
    tracking_uri: str | None = None,
) -> BestPoint:
    """The point of highest mean validation NDCG@10 over its seeds; test figures choose nothing.

    Points with fewer finished seeds than others are not compared. Of an ablation the settings are
    those that a variant's own search chose.

    Args:
        sweep: its name.
        variant: of an ablation with searches; the base by default. Of a comparison the model.
        results: the results folder.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.

    Raises:
        StoreError: there is no such sweep, or no run of it has finished.
        ConfigError: it chooses no settings, or has no such variant.
    """
    reader = StoreReader(existing_uri(tracking_uri, results))
    state = reader.sweep(sweep)
    standing, of = _chosen(state, variant)
    rows = standing.runs.sort_values("seed")
    runs = tuple(rows["run_id"])
    settings = dict(reader.params(runs[0]))
    compared = {variant.name: variant.model for variant in state.info.variants if variant.model}
    model = compared.get(of, state.info.model)
    return BestPoint(
        sweep=sweep,
        model=model,
        dataset=state.info.dataset,
        synthetic=state.info.synthetic,
        variant=of,
        settings=settings,
        changed=differing(model, settings),
        swept=tuple(state.info.factors),
        seeds=standing.mean.seeds,
        runs=runs,
        num_compared=standing.num_compared,
        num_others=standing.num_others,
        is_whole=state.condition in ("finished", "failed"),
        figures=_figures(standing),
        about=_about(state, standing, of),
    )


def export_best(point: BestPoint, path: Path, *, overwrite: bool = False) -> None:
    """Write a point's settings as TOML, which ``--config`` reads.

    Raises:
        ConfigError: the file is there and ``overwrite`` is not set.
        StoreError: the file cannot be written.
    """
    origin = Origin(
        model=point.model,
        dataset=point.dataset,
        sweep=point.sweep,
        variant=point.variant,
        runs=point.runs,
    )
    use = (
        f"\nUse: orch train {point.model} --dataset {point.dataset} --config {path.name}\n"
        "     (also orch sweep, orch ablate, orch diagnose; --set goes over it)"
    )
    write_settings(path, point.settings, origin, about=point.about + use, overwrite=overwrite)


def differing(model: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are not the model's defaults."""
    defaults = flatten(default_trial(model, ""))
    return {k: v for k, v in settings.items() if k not in defaults or v != defaults[k]}


def _chosen(state: SweepState, variant: str | None) -> tuple[Standing, str]:
    """The best point, and the variant that it is of."""
    name = state.info.name
    if state.info.kind == "diagnosis":
        raise ConfigError(
            f"{name} is a diagnosis: it compares views of one model and chooses none."
        )
    if state.info.kind == "comparison":
        return _tuned_model(state, variant)
    if state.info.kind == "ablation":
        return _retuned(state, variant or BASE)
    if variant is not None:
        raise ConfigError(f"--variant: {name} is a sweep and has no variants. Leave it out.")
    found = best_point(state.runs, state.info)
    if found is None:
        raise StoreError(f"{name}: no run has finished yet; see `orch status {name}`.")
    return found, ""


def _tuned_model(state: SweepState, model: str | None) -> tuple[Standing, str]:
    """A compared model at the settings that its own search chose."""
    name, models = state.info.name, [variant.name for variant in state.info.variants]
    if not state.info.num_tuned:
        raise ConfigError(
            f"{name} is a comparison that has chosen no settings: its models run at their own, "
            "unless --tune N gives each a search."
        )
    if model is None:
        raise ConfigError(
            f"--variant: {name} tuned each model for itself. Name one of {', '.join(models)}."
        )
    if model not in models:
        raise ConfigError(f"--variant: {unknown(f'model of {name}', model, models)}")
    found = retuned(state.runs)
    if model not in found:
        raise StoreError(f"{name}: no run of {model} at chosen settings has finished yet.")
    return found[model], model


def _retuned(state: SweepState, variant: str) -> tuple[Standing, str]:
    name, found = state.info.name, retuned(state.runs)
    if not found:
        raise ConfigError(
            f"{name} is an ablation that has chosen no settings: base and variants run at fixed "
            "ones, unless --retune N gives each a search whose runs have finished."
        )
    if variant not in found:
        raise ConfigError(f"--variant: {unknown(f'retuned variant of {name}', variant, found)}")
    return found[variant], variant


def _figures(standing: Standing) -> dict[str, Mean]:
    names = [f"{split}/{metric}" for split in ("val", "test") for metric in METRICS]
    return {m: mean_over_seeds(standing.runs, m) for m in names if m in standing.runs}


def _about(state: SweepState, standing: Standing, variant: str) -> str:
    info, mean = state.info, standing.mean
    kind = f"Variant `{variant}` of ablation" if variant else "Best point of sweep"
    model = info.shown_model
    if info.kind == "comparison":
        kind, model = "A model of comparison", variant
    origin = " (synthetic data)" if info.synthetic else ""
    seeds = f"seed{'s' * (len(mean.seeds) > 1)} {', '.join(map(str, mean.seeds))}"
    count = f"{standing.num_compared} point{'s' * (standing.num_compared != 1)}"
    searched = " searched at one seed" if variant else ""
    lines = [
        f"{kind} {info.name}: {model} on {info.dataset}{origin}, {seeds}.",
        f"Chosen from {count}{searched} by validation NDCG@10 alone, "
        f"which is {mean.mean:.4f} over the seeds above; test figures choose nothing.",
    ]
    if standing.num_others:
        lines.append(f"{standing.num_others} more points have fewer seeds: they were not compared.")
    if state.condition not in ("finished", "failed"):
        lines.append("The sweep has not ended: another point may turn out better.")
    return "\n".join(lines)
