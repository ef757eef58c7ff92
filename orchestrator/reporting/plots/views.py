"""Figures that a diagnosis logged the numbers of: gradients, items, attention, cold users."""

from collections.abc import Callable

import pandas as pd

from orchestrator.errors import DataError, StoreError
from orchestrator.reporting.diagnostics.attention import attention_part
from orchestrator.reporting.diagnostics.clusters import clusters_part, scores_text
from orchestrator.reporting.diagnostics.cold import METRICS, Measured, cold_frame, cold_part
from orchestrator.reporting.diagnostics.gradients import gradients_part
from orchestrator.reporting.diagnostics.recall import recall_part
from orchestrator.reporting.diagnostics.unimodal import unimodal_part
from orchestrator.reporting.parts import Part
from orchestrator.reporting.plots.kind import A_STUDY, Asked, CannotDrawError, finished
from orchestrator.reporting.plots.variants import as_variants
from orchestrator.tracking.runs import BASE, SweepInfo
from orchestrator.tracking.stored import StoredStudy

_PARTS: dict[str, Callable[[pd.DataFrame], Part]] = {
    "gradients": gradients_part,
    "recall": recall_part,
    "unimodal": unimodal_part,
    "attention": attention_part,
}
_AGAINST = "against-"
"""Begins the name of a diagnosis's variant that is another model."""


def of_view(view: str) -> Callable[[StoredStudy, Asked], list[Part]]:
    """The parts of a view whose file has all of its numbers."""

    def parts(study: StoredStudy, _: Asked) -> list[Part]:
        return [_PARTS[view](study.table(_file(study.info, view)))]

    return parts


def tsne(study: StoredStudy, _: Asked) -> list[Part]:
    """Items in the plane, before and after their cluster's embedding is added."""
    places = study.table(_file(study.info, "clusters"))
    scores = study.table(_file(study.info, "clusters-silhouette", of="clusters"))
    return [clusters_part(places, scores_text(scores))]


def why_no_view(view: str) -> Callable[[StoredStudy], str | None]:
    """A rule that a diagnosis has drawn a view."""

    def why_not(study: StoredStudy) -> str | None:
        info = study.info
        if info.kind != "diagnosis":
            return f"it is {A_STUDY[info.kind]}, and a diagnosis logs what it is drawn from"
        if _file(info, view) not in study.files:
            return (
                f"it has not drawn the view `{view}`, which `orch diagnose {info.model} "
                f"--dataset {info.dataset} --views {view}` does"
            )
        return None

    return why_not


def _file(info: SweepInfo, name: str, *, of: str | None = None) -> str:
    view, ending = of or name, name.removeprefix(of or name)
    return f"{info.shown_model}-{view}-{info.dataset}{ending}.csv"


def cold(study: StoredStudy, asked: Asked) -> list[Part]:
    """The gain over another model for users of few and of many interactions."""
    own = _measured(study, BASE)
    if asked.against is not None:
        _check_same_data(study.info, asked.against.info)
        other, against = _measured(asked.against, BASE), asked.against.info.shown_model
    else:
        name = _compared_with(study)
        if name is None:
            raise CannotDrawError("it has no other model beside it; name a study with --against")
        other, against = _measured(study, name), name.removeprefix(_AGAINST)
    metrics = tuple(_plain(name) for name in asked.metrics) or METRICS
    frame = cold_frame(own, other, metrics)
    lacking = [name for name in metrics if name not in set(frame["metric"])]
    if lacking:
        raise StoreError(
            f"{study.info.name}: `{lacking[0]}` is not logged by a seed that both models have "
            f"finished. There is {', '.join(sorted(_shared(own, other))) or 'none'}."
        )
    return [cold_part(frame, against)]


def _plain(name: str) -> str:
    return name if name.startswith("test/") else f"test/{name}"


def _shared(own: Measured, other: Measured) -> set[str]:
    seeds = set(own) & set(other)
    names = [set(found[seed]) for found in (own, other) for seed in seeds]
    return {n for n in (set.intersection(*names) if names else set()) if n.count("/") == 1}


def _measured(study: StoredStudy, variant: str) -> Measured:
    """Seed -> test metrics of the finished runs of a variant or of a sweep's base."""
    runs, _ = as_variants(study)
    if "variant" not in runs:
        raise CannotDrawError(f"{study.info.name} is {A_STUDY[study.info.kind]} and has no base")
    own = finished(runs[runs["variant"] == variant])
    if "phase" in own:
        own = own[own["phase"] == "fixed"]
    names = [name for name in own.columns if name.startswith("test/")]
    records = own.drop_duplicates("seed", keep="last").to_dict("records")
    return {
        int(row["seed"]): {name: row[name] for name in names if not pd.isna(row[name])}
        for row in records
    }


def _check_same_data(one: SweepInfo, other: SweepInfo) -> None:
    if one.data_hash != other.data_hash:
        raise DataError(
            f"--against: {one.name} is of `{one.dataset}` ({one.data_hash[:8]}) and {other.name} "
            f"of `{other.dataset}` ({other.data_hash[:8]}): gains are over runs on the same data."
        )


def _compared_with(study: StoredStudy) -> str | None:
    names = [v.name for v in study.info.variants if v.name.startswith(_AGAINST)]
    return names[0] if names else None


def why_no_cold(study: StoredStudy) -> str | None:
    """The base has finished; what it is compared with may be named."""
    if study.info.kind not in ("one-factor", "ablation", "diagnosis"):
        return f"it is {A_STUDY[study.info.kind]}, which has no base beside another model"
    runs, _ = as_variants(study)
    if BASE not in set(finished(runs)["variant"]):
        return "no run of its base has finished"
    return None


def has_other_model(study: StoredStudy) -> bool:
    """Whether another model was run beside it."""
    return _compared_with(study) is not None
