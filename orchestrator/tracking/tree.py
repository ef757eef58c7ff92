"""One sweep or ablation in the store: its parent run, an ablation's variants, and the runs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.results import Epoch, Record
from orchestrator.tracking.client import (
    below,
    experiment,
    log_all,
    log_tags,
    running_here,
    search,
    store_errors,
)
from orchestrator.tracking.names import param_text
from orchestrator.tracking.runs import RunInfo, SweepInfo, SweepStatus, VariantInfo, run_key
from orchestrator.tracking.store import is_server
from orchestrator.tracking.tags import (
    NAME_LENGTH,
    NOTE_LENGTH,
    SECONDS,
    TAG_LENGTH,
    command_tags,
    curve,
    cut,
    finals,
    is_orphan,
    is_superseded,
    place_tags,
    process_tags,
    record_tags,
    run_tags,
    sweep_tags,
    variant_means,
    variant_outcome,
    variant_tags,
)
from orchestrator.tracking.view import VIEW_TAGS

_ENDS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "FINISHED", "killed": "KILLED"}
"""Our status -> MLflow's."""


class SweepStore:
    """One sweep's runs in the store, as :class:`orchestrator.tracking.sweep.Writer`."""

    def __init__(self, client: Any, uri: str, info: SweepInfo, artifacts: Path) -> None:  # noqa: ANN401
        self._client = client
        self._uri = uri
        self._info = info
        with store_errors(uri):
            location = None if is_server(uri) else (artifacts / family(info)).as_uri()
            self._experiment = experiment(client, uri, family(info), location, VIEW_TAGS)
            self._parent = self._find_parent() or self._new_parent()
            self._variants = {
                run.data.tags["orch.variant"]: run for run in variants_of(client, self._parent)
            }
            runs = runs_of(client, self._parent)
        self._runs = {_key(run.data.tags): run for run in runs}
        self._steps: dict[str, set[int]] = {}
        """Of the runs started here: the epochs logged."""

    def open(self) -> None:
        """Mark the sweep as running here; end what dead processes left running, in any sweep."""
        with store_errors(self._uri):
            for run in running_here(self._client):
                if is_orphan(run):
                    self._stop(run.info.run_id, "killed", "its process ended without a word")
            self._resume(self._parent, {**command_tags(), **sweep_tags(self._info)})
            if self._info.has_variants:
                for variant in self._info.members:
                    self._resume(self._variant(variant.name), variant_tags(self._info, variant))

    def plan(self, num_runs: int) -> None:
        """Say how many runs the sweep has, of the phases begun so far."""
        with store_errors(self._uri):
            self._tag(self._parent.info.run_id, {"orch.num_runs": str(num_runs)})

    def start(self, run: RunInfo) -> None:
        """Create the run, or open it again."""
        tags = run_tags(self._info, run)
        with store_errors(self._uri):
            known = self._runs.get(run.key)
            if known is None:
                steps: set[int] = set()
                self._runs[run.key] = self._new_run(run, {**process_tags(), **tags})
            else:
                steps = self._logged_steps(known.info.run_id)
                self._resume(known, tags)
            self._add_params(self._runs[run.key], run.params)
            self._supersede(run)
        self._steps[run.key] = steps

    def log(self, run: RunInfo, epochs: Sequence[Epoch]) -> None:
        """Add epochs to a run; those it has already are left out."""
        with store_errors(self._uri):
            log_all(self._client, self._identity(run), figures=self._new_figures(run, epochs))
        self._steps[run.key].update(epoch.step for epoch in epochs)

    def finish(self, run: RunInfo, record: Record) -> None:
        """Write a run's outcome and end it; creates the run if need be."""
        identity = self._identity(run)
        figures = self._new_figures(run, record.epochs)
        figures += _new_finals(self._runs[run.key], finals(record))
        with store_errors(self._uri):
            log_all(self._client, identity, figures=figures, tags=record_tags(record))
            self._client.set_terminated(identity, _ENDS[record.status])
            self._client.log_dict(identity, dict(record.config), "config.json")
            self._client.log_dict(identity, record.to_json(), "record.json")
            if record.traceback:
                self._client.log_text(identity, record.traceback, "traceback.txt")
            if self._info.has_variants:  # their means are taken of it at the end
                self._runs[run.key] = self._client.get_run(identity)
        self._steps[run.key].update(epoch.step for epoch in record.epochs)

    def kill(self, key: str, reason: str, *, status: str = "killed") -> None:
        """End a run that has no outcome; what is ``stopped`` goes on later."""
        if key in self._runs:
            with store_errors(self._uri):
                identity = self._runs[key].info.run_id
                self._stop(identity, status, reason, ends="KILLED")
                self._runs[key] = self._client.get_run(identity)

    def end(self, status: SweepStatus, summary: str, artifacts: Sequence[Path]) -> None:
        """End the sweep with its summary, and an ablation's variants with their means."""
        parent = self._parent.info.run_id
        note = "\n\n".join(filter(None, [self._info.description, summary]))
        with store_errors(self._uri):
            self._end_variants()
            self._tag(parent, {"mlflow.note.content": cut(note, NOTE_LENGTH)})
            self._stop(parent, status, "")
            for path in artifacts:
                self._client.log_artifact(parent, str(path))

    def abandon(self, *, is_failure: bool, reason: str) -> None:
        """End a sweep that has no summary."""
        with store_errors(self._uri):
            for run in (*self._variants.values(), self._parent):
                self._stop(run.info.run_id, "failed" if is_failure else "killed", reason)

    def _find_parent(self) -> Any:  # noqa: ANN401 - MLflow's run or None
        runs = search(self._client, [self._experiment], "tags.`orch.role` = 'sweep'")
        return next((r for r in runs if r.data.tags["orch.sweep"] == self._info.name), None)

    def _new_parent(self) -> Any:  # noqa: ANN401 - MLflow's run
        """A parent that is ended, until :meth:`open` says that the sweep runs here."""
        tags = {"orch.sweep": self._info.name, "orch.role": "sweep"}
        run = self._client.create_run(self._experiment, tags=tags, run_name=self._info.name)
        self._tag(run.info.run_id, sweep_tags(self._info))
        self._stop(run.info.run_id, "killed", "")
        return run

    def _variant(self, name: str, changed: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
        """A variant's run; a new one is ended, until :meth:`open` says that it runs here.

        One that was not announced, as those of a path are not, has the changes of its first run.
        """
        if name not in self._variants:
            self._variants[name] = self._new_variant(name, changed or {})
        return self._variants[name]

    def _new_variant(self, name: str, changed: Mapping[str, Any]) -> Any:  # noqa: ANN401
        listed = {variant.name: variant for variant in self._info.variants}
        variant = listed.get(name, VariantInfo(name=name, changed=changed))
        tags = {"mlflow.parentRunId": self._parent.info.run_id, "orch.role": "variant"}
        run = self._client.create_run(self._experiment, tags=tags, run_name=cut(name, NAME_LENGTH))
        self._tag(run.info.run_id, variant_tags(self._info, variant))
        self._add_params(run, variant.changed)
        self._stop(run.info.run_id, "killed", "")
        return run

    def _end_variants(self) -> None:
        for name, run in self._variants.items():
            own = [found for found in self._runs.values() if _belongs(found, name)]
            fresh = self._client.get_run(run.info.run_id)
            figures = _new_finals(fresh, variant_means(own))
            log_all(self._client, run.info.run_id, figures=figures)
            self._stop(run.info.run_id, *variant_outcome(own))

    def _new_run(self, run: RunInfo, tags: Mapping[str, str]) -> Any:  # noqa: ANN401
        parent = self._variant(run.variant, run.changed) if run.variant else self._parent
        identity = {
            "mlflow.parentRunId": parent.info.run_id,
            "orch.run_id": run.run_id,
            "orch.role": "run",
        }
        name = cut(run.name, NAME_LENGTH)
        return self._client.create_run(self._experiment, tags={**tags, **identity}, run_name=name)

    def _supersede(self, run: RunInfo) -> None:
        """A search may choose other settings than it did before more of its runs finished."""
        if run.phase != "retuned":
            return
        place = place_tags(run_tags(self._info, run))
        for key, other in self._runs.items():
            if key != run.key and place_tags(other.data.tags) == place:
                self._tag(other.info.run_id, {"orch.superseded": "true"})
                self._runs[key] = self._client.get_run(other.info.run_id)

    def _resume(self, run: Any, tags: Mapping[str, str]) -> None:  # noqa: ANN401
        """Say that a run goes on in this process."""
        self._client.update_run(run.info.run_id, status="RUNNING")
        self._tag(run.info.run_id, {**process_tags(), **tags})

    def _add_params(self, run: Any, settings: Mapping[str, Any]) -> None:  # noqa: ANN401
        new = {k: param_text(v) for k, v in settings.items() if k not in run.data.params}
        log_all(self._client, run.info.run_id, params=new)

    def _new_figures(self, run: RunInfo, epochs: Sequence[Epoch]) -> list[tuple[str, float, int]]:
        """Curves of the epochs that the run does not have yet."""
        steps = self._steps[run.key]
        new = [epoch for epoch in epochs if epoch.step not in steps]
        return [(name, value, epoch.step) for epoch in new for name, value in curve(epoch).items()]

    def _logged_steps(self, identity: str) -> set[int]:
        return {m.step for m in self._client.get_metric_history(identity, SECONDS)}

    def _tag(self, identity: str, tags: Mapping[str, str]) -> None:
        log_tags(self._client, identity, tags)

    def _stop(self, identity: str, status: str, reason: str, *, ends: str | None = None) -> None:
        self._tag(identity, {"orch.status": status, "orch.reason": cut(reason, TAG_LENGTH)})
        self._client.set_terminated(identity, ends or _ENDS[status])

    def _identity(self, run: RunInfo) -> str:
        """MLflow's id of a run, which is started if need be."""
        if run.key not in self._steps:
            self.start(run)
        return str(self._runs[run.key].info.run_id)


def _new_finals(run: Any, figures: Mapping[str, float]) -> list[tuple[str, float, int]]:  # noqa: ANN401
    """Figures without a step; those that the run has already are left out."""
    before = run.data.metrics
    return [(name, value, 0) for name, value in figures.items() if before.get(name) != value]


def family(info: SweepInfo) -> str:
    """Name of the experiment that a sweep belongs to."""
    return info.space if info.kind == "comparison" else f"{info.shown_model}-{info.space}"


def variants_of(client: Any, parent: Any) -> list[Any]:  # noqa: ANN401
    """An ablation's runs of variants, oldest first; a sweep has none."""
    return [run for run in below(client, parent) if run.data.tags.get("orch.role") == "variant"]


def runs_of(client: Any, parent: Any) -> list[Any]:  # noqa: ANN401
    """A sweep's runs, or those of all variants of an ablation, oldest first."""
    direct = below(client, parent)
    variants = [run for run in direct if run.data.tags.get("orch.role") == "variant"]
    nested: Iterable[Any] = (run for variant in variants for run in below(client, variant))
    return [run for run in (*direct, *nested) if "orch.run_id" in run.data.tags]


def _key(tags: Mapping[str, str]) -> str:
    variant = tags.get("orch.variant", "") if "orch.phase" in tags else ""
    return run_key(tags["orch.run_id"], variant, tags.get("orch.phase", ""))


def _belongs(run: Any, variant: str) -> bool:  # noqa: ANN401
    return run.data.tags.get("orch.variant") == variant and not is_superseded(run)
