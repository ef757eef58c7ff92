"""A sweep and its runs as MLflow's tags and metrics, and back."""

import json
import shlex
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import psutil

from orchestrator.results import Epoch, Record
from orchestrator.tracking.names import (
    BEST,
    final_name,
    from_mlflow,
    param_text,
    param_value,
    to_mlflow,
)
from orchestrator.tracking.runs import RunInfo, SweepInfo, VariantInfo, sweep_from_json
from orchestrator.tracking.store import shown

TAG_LENGTH = 5000
"""Characters per tag on every store."""
NOTE_LENGTH = 8000
"""Characters of a run's note."""
NAME_LENGTH = 250
"""Characters of a run's name; a server's database refuses longer ones."""
SECONDS = "epoch/seconds"
"""Logged last in every epoch, so that its steps are the epochs that are complete."""


def curve(epoch: Epoch) -> dict[str, float]:
    """What is drawn per epoch."""
    valid = {to_mlflow(name): value for name, value in epoch.valid.items()}
    loss = {f"loss/{part}": value for part, value in epoch.loss.items()}
    return {**valid, **loss, SECONDS: epoch.seconds}


def finals(record: Record) -> dict[str, float]:
    """A run's outcome in figures."""
    figures = {final_name(name): value for name, value in record.metrics.items()}
    figures |= {"num_parameters": float(record.num_parameters), "seconds": record.seconds}
    if record.cpu_seconds is not None:
        figures["cpu_seconds"] = record.cpu_seconds
    if record.best_step is not None:
        figures["best_step"] = float(record.best_step)
    if record.epochs:
        figures["num_epochs"] = float(len(record.epochs))
        figures["seconds_per_epoch"] = fmean(epoch.seconds for epoch in record.epochs)
    if record.peak_memory is not None:
        figures["peak_memory"] = float(record.peak_memory)
    return figures


def row(run: Any) -> dict[str, Any]:  # noqa: ANN401
    """A child run as a row of the frame; curves are left out."""
    tags = run.data.tags
    status = tags.get("orch.status", run.info.status.lower())
    head = {"run_id": tags["orch.run_id"], "status": status, "seed": int(tags["orch.seed"])}
    if "orch.phase" in tags:
        head |= {"variant": tags["orch.variant"], "phase": tags["orch.phase"]}
    params = {key: param_value(text) for key, text in run.data.params.items()}
    figures = {
        from_mlflow(name.removeprefix(BEST)): value for name, value in _final_figures(run).items()
    }
    return {**head, **params, **figures}


def _final_figures(run: Any) -> dict[str, float]:  # noqa: ANN401
    """A run's figures without its curves."""
    curves = ("val/", "loss/", "epoch/")
    return {name: v for name, v in run.data.metrics.items() if not name.startswith(curves)}


def sweep_tags(info: SweepInfo) -> dict[str, str]:
    """Tags of a sweep's parent run."""
    chunks = list(parts(json.dumps(info.to_json()), TAG_LENGTH))
    return {
        **_shared_tags(info),
        "orch.kind": info.kind,
        "orch.seeds": ", ".join(map(str, info.seeds)),
        "orch.status": "running",
        "orch.reason": "",
        "orch.info.parts": str(len(chunks)),
        **{f"orch.info.{i}": "".join(chunk) for i, chunk in enumerate(chunks)},
        "mlflow.note.content": cut(info.description, NOTE_LENGTH),
    }


def read_info(tags: Mapping[str, str]) -> SweepInfo:
    """The sweep that :func:`sweep_tags` described."""
    text = "".join(tags[f"orch.info.{i}"] for i in range(int(tags["orch.info.parts"])))
    return sweep_from_json(json.loads(text))


def variant_tags(info: SweepInfo, variant: VariantInfo) -> dict[str, str]:
    """Tags of a variant's run that goes on."""
    return {
        **_shared_tags(info),
        **({"orch.model": variant.model} if variant.model else {}),
        **_changed_tags(variant.changed),
        "orch.variant": variant.name,
        "orch.members": ", ".join(variant.members),
        "orch.control": param_text(variant.is_control),
        "orch.status": "running",
        "orch.reason": "",
    }


def run_tags(info: SweepInfo, run: RunInfo) -> dict[str, str]:
    """Tags of a run that goes on."""
    state = {"orch.seed": str(run.seed), "orch.status": "running", "orch.reason": ""}
    if run.variant:
        state |= {"orch.variant": run.variant, "orch.phase": run.phase, "orch.superseded": "false"}
    if run.model:
        state["orch.model"] = run.model
        if run.model != info.model:
            state["orch.label"] = run.model  # until its record says more
    return {**_shared_tags(info), **_changed_tags(run.changed), **state, **run.tags}


def _changed_tags(changed: Mapping[str, Any]) -> dict[str, str]:
    return {f"orch.changed.{key}": param_text(value) for key, value in changed.items()}


def is_superseded(run: Any) -> bool:  # noqa: ANN401
    """Whether a variant's search has chosen other settings since the run."""
    return bool(run.data.tags.get("orch.superseded") == "true")


def place_tags(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Which result of an ablation a run gives: two runs of one place are the same result."""
    return tuple(tags.get(f"orch.{name}", "") for name in ("variant", "phase", "seed"))


def variant_means(runs: Sequence[Any]) -> dict[str, float]:
    """Means over the seeds of a variant's finished runs; those of retuned runs by ``retuned/``."""
    means: dict[str, float] = {}
    for phase, prefix in (("fixed", ""), ("retuned", "retuned/")):
        finished = [run for run in _in_phase(runs, phase) if _status(run) == "finished"]
        figures = [_final_figures(run) for run in finished]
        shared = set.intersection(*map(set, figures)) if figures else set()
        means |= {f"{prefix}{name}": fmean(f[name] for f in figures) for name in sorted(shared)}
        if finished:
            means[f"{prefix}num_seeds"] = float(len(finished))
    return means


def variant_outcome(runs: Sequence[Any]) -> tuple[str, str]:
    """Status and reason of a variant whose runs are over.

    A search may try settings that no model survives: its runs count where none finished.
    """
    searched = _in_phase(runs, "search")
    counted = [run for run in runs if run not in searched]
    if not counted:
        return "killed", "none of its runs was started"
    bad = [run for run in counted if _status(run) not in ("finished", "stopped")]
    if bad:
        return "failed", f"{len(bad)} of its {len(counted)} runs did not finish"
    left = [run for run in counted if _status(run) == "stopped"]
    if left:
        return "killed", f"{len(left)} of its {len(counted)} runs are left"
    if searched and all(_status(run) != "finished" for run in searched):
        return "failed", "no run of its search finished"
    return "finished", ""


def _in_phase(runs: Sequence[Any], phase: str) -> list[Any]:
    return [run for run in runs if run.data.tags.get("orch.phase") == phase]


def _status(run: Any) -> str:  # noqa: ANN401
    return str(run.data.tags.get("orch.status", ""))


def _shared_tags(info: SweepInfo) -> dict[str, str]:
    return {
        "mlflow.source.name": "orch",
        "orch.model": info.model,
        "orch.label": info.shown_model,
        "orch.dataset": info.dataset,
        "orch.data_hash": info.data_hash,
        "orch.space": info.space,
        "orch.synthetic": param_text(info.synthetic),
    }


def record_tags(record: Record) -> dict[str, str]:
    """Tags of a run that is over."""
    source = record.provenance
    return {
        "orch.status": record.status,
        "orch.reason": cut(record.reason or "", TAG_LENGTH),
        "orch.failure": record.failure or "",
        **({"orch.label": record.label} if record.label else {}),
        "orch.code": source.code,
        "orch.commit": source.commit,
        "orch.device": source.device,
        **{f"orch.inputs.{modality}": form for modality, form in record.inputs.items()},
        **{f"orch.version.{package}": text for package, text in source.versions.items()},
    }


def process_tags() -> dict[str, str]:
    """Who writes: a process id comes back, its starting time does not."""
    me = psutil.Process()
    return {
        "orch.host": socket.gethostname(),
        "orch.pid": str(me.pid),
        "orch.pid_started": f"{me.create_time():.2f}",
    }


def command_tags() -> dict[str, str]:
    """What was typed, without passwords, and where; empty where it is no command of orch's."""
    program, *words = sys.argv or [""]
    typed = shlex.join(["orch", *(_without_password(word) for word in words)])
    is_ours = Path(program).stem == "orch"
    return {
        "orch.command": cut(typed, TAG_LENGTH) if is_ours else "",
        "orch.cwd": str(Path.cwd()) if is_ours else "",
    }


def _without_password(word: str) -> str:
    option, equals, value = word.partition("=")
    if option.startswith("--") and equals:
        return f"{option}={_without_password(value)}"
    return shown(word) if "://" in word else word


def is_orphan(run: Any) -> bool:  # noqa: ANN401
    """Whether the run is said to go on by a process of this machine that is no more."""
    tags = run.data.tags
    if run.info.status != "RUNNING" or tags.get("orch.host") != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(tags["orch.pid"]))
        is_gone = process.status() == psutil.STATUS_ZOMBIE
        return is_gone or f"{process.create_time():.2f}" != tags["orch.pid_started"]
    except psutil.NoSuchProcess:
        return True


def cut(text: str, length: int) -> str:
    """The text, shortened where it is too long."""
    return text if len(text) <= length else f"{text[: length - 2]} …"


def parts(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of at most ``size`` items, in order."""
    whole = list(items)
    for begin in range(0, len(whole), size):
        yield whole[begin : begin + size]
