"""A study as one HTML page, from its runs in MLflow."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import models as zoo
from orchestrator.api.choosing import differing
from orchestrator.api.drawing import dataset_of, drawn
from orchestrator.api.results import RESULTS
from orchestrator.data import describe
from orchestrator.errors import StoreError
from orchestrator.tracking.reading import StoreReader, SweepState
from orchestrator.tracking.runs import SweepInfo
from orchestrator.tracking.store import existing_uri


def report(
    study: str,
    *,
    output: Path | None = None,
    results: Path = RESULTS,
    data_dir: Path | None = None,
    tracking_uri: str | None = None,
) -> Path:
    """Write a sweep, an ablation, a path or a diagnosis as one HTML page.

    The page needs no network and no other file: figures and numbers are in it. It tells what was
    asked, what was found, the settings, what it cost, what failed, what made it, and the command
    that repeats it. Figures are drawn anew from the runs, as :func:`plot` draws them.

    Args:
        study: its name.
        output: the file; by default ``report.html`` in the study's folder. One that is there is
            replaced.
        results: the results folder, where an ablation's ranks of users are, and what a diagnosis
            is drawn from.
        data_dir: folder of data sets; the counts of the data set are taken from it.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.

    Returns:
        The file.

    Raises:
        StoreError: there is no such study, no run of it has finished, or the file cannot be
            written; then nothing is.
    """
    from orchestrator.reporting.page import Evidence, page_of, render
    from orchestrator.reporting.style import write_whole

    store = StoreReader(existing_uri(tracking_uri, results))
    state, runs = store.sweep_and_runs(study)
    _check_finished(state)
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="orch-report-") as folder:
        made = drawn(
            store,
            study,
            folder=Path(folder),
            results=results,
            data_dir=data_dir,
            on_problem=problems.append,
        )
        evidence = Evidence(
            state=state,
            runs=runs,
            report=made,
            dataset=_known(state.info, data_dir),
            changed=_changed(state.info),
            problems=tuple(problems),
        )
        html = render(page_of(evidence))
    path = output or results / "sweeps" / study / "report.html"
    return write_whole(path, html.encode())


def _check_finished(state: SweepState) -> None:
    """See that there is something to tell; a diagnosis may need no run to have come to its end."""
    if state.count("finished") or (state.num_planned == 0 and state.condition == "finished"):
        return
    name, others = state.info.name, sorted(set(state.conditions))
    told = (
        f"its {len(state.conditions)} runs are {' or '.join(others)}" if others else "it has none"
    )
    raise StoreError(
        f"{name}: no run of it has finished, so there is nothing to report: {told}. "
        f"`orch status {name}` tells more."
    )


def _known(info: SweepInfo, data_dir: Path | None) -> Mapping[str, str]:
    """What the data set here says of itself, if it is the one that the study ran on."""
    dataset = dataset_of(info, data_dir)
    if dataset is None:
        return {}
    modalities = {d.name: d.modalities for d in describe(data_dir)}.get(info.dataset, ())
    return {
        "Counts": dataset.manifest.size_text,
        "Features": "; ".join(modalities) or "none",
    }


def _changed(info: SweepInfo) -> Mapping[str, Any]:
    """Settings of the base that are not its model's defaults."""
    return differing(info.model, info.base) if info.model in zoo.names() else {}
