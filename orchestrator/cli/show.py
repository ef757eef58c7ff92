"""``orch show``: one run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import short

if TYPE_CHECKING:
    from orchestrator.api import RunView
    from orchestrator.results import Epoch, Record
    from orchestrator.tracking.reading import Holder

METRICS = ("recall@10", "recall@20", "ndcg@10", "ndcg@20", "mrr@10")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(show)


def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id or the beginning of it.")],
    results: options.Results = Path("results"),
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Show one run: settings, outcome, epochs, where its numbers come from, and its files.

    Example: orch show 06d440b4
    """
    from orchestrator import api

    view = api.show(run, results=results, tracking_uri=tracking_uri)
    for line in _head(view):
        typer.echo(line)
    for line in _settings(view):
        typer.echo(line)
    for line in _places(view):
        typer.echo(line)


def _head(view: "RunView") -> list[str]:
    record = view.record
    if record is None:
        hint = "" if view.status == "running" else "; the same command goes on with it"
        lines = [f"Run {view.run_id}: {view.status}{hint}", *filter(None, [view.model])]
        return [*lines, *_epochs(view.epochs, None)]
    config = record.config
    lines = [
        f"Run {view.run_id}: {view.status}",
        f"{record.label or config['model']} on {config['dataset']}, seed {config['seed']}",
    ]
    if record.reason:
        lines.append(f"Reason: {record.reason}")
    for split, title in (("val", "Validation"), ("test", "Test, scored once")):
        told = [(name, record.metrics.get(f"{split}/{name}")) for name in METRICS]
        figures = ", ".join(f"{name} {value:.4f}" for name, value in told if value is not None)
        lines += [f"{title}: {figures}"] if figures else []
    return [*lines, *_epochs(view.epochs, record.best_step), *_origin(record)]


def _epochs(epochs: "tuple[Epoch, ...]", best: int | None) -> list[str]:
    """The curve in a line: first, best and last."""
    from orchestrator.config import MONITOR

    if not epochs:
        return ["Epochs: none"]
    top = max(epochs, key=lambda epoch: epoch.valid[MONITOR])
    kept = next((epoch for epoch in epochs if epoch.step == best), top)
    points = {epochs[0].step: "first", epochs[-1].step: "last", kept.step: "best"}
    shown = [
        f"{epoch.valid[MONITOR]:.4f} in epoch {epoch.step} ({points[epoch.step]})"
        for epoch in epochs
        if epoch.step in points
    ]
    stages = {stage: sum(e.stage == stage for e in epochs) for stage in _stages(epochs)}
    parts = ", ".join(f"{stage} {num}" for stage, num in stages.items())
    seconds = sum(epoch.seconds for epoch in epochs)
    return [
        f"Epochs: {len(epochs)} ({parts}), {seconds:.1f} s",
        f"Validation NDCG@10: {', '.join(shown)}",
        f"Loss: {epochs[0].loss['total']:.4f} first, {epochs[-1].loss['total']:.4f} last",
    ]


def _stages(epochs: "tuple[Epoch, ...]") -> list[str]:
    return list(dict.fromkeys(epoch.stage for epoch in epochs))


def _origin(record: "Record") -> list[str]:
    source = record.provenance
    versions = ", ".join(f"{name} {text}" for name, text in source.versions.items())
    lines = [
        f"Parameters: {record.num_parameters:,}; seconds: {record.seconds:.1f}; "
        f"device: {source.device}",
        f"Code: {source.code}, commit {source.commit or 'unknown'}; data: {source.data}",
        f"Versions: {versions}",
    ]
    if record.inputs:
        inputs = ", ".join(f"{modality} ({form})" for modality, form in record.inputs.items())
        lines.append(f"Inputs: {inputs}")
    lines += [f"Stage {stage} taken from run {run}" for stage, run in record.reused.items()]
    return lines


def _settings(view: "RunView") -> list[str]:
    if not view.settings:
        return ["", "Settings: told when it ends; no sweep of the store holds it."]
    rest = {key: value for key, value in view.settings.items() if key not in view.changed}
    lines = ["", "Settings that differ from the model's defaults:"]
    lines += [f"  {key} = {value}" for key, value in view.changed.items()] or ["  none"]
    return [*lines, "The defaults:", *(f"  {key} = {value}" for key, value in rest.items())]


def _places(view: "RunView") -> list[str]:
    lines = ["", "Files:"]
    lines += [f"  {what}: {short(path.resolve())}" for what, path in view.files.items()] or [
        "  none"
    ]
    if view.problem:
        lines.append(f"Sweeps: not known: {view.problem}")
    else:
        lines.append(f"Sweeps: {', '.join(map(_holder, view.sweeps)) or 'none'}")
    if view.record is not None and view.record.traceback:
        lines += ["", view.record.traceback.rstrip()]
    return lines


def _holder(holder: "Holder") -> str:
    own = f" ({holder.phase} {holder.variant})" if holder.variant else ""
    return f"{holder.sweep}{own}"
