"""Sweeps, ablations and their runs in MLflow.

An experiment per model and space, in it a parent run per sweep, under it a child run per run. An
ablation has a run per variant between the two. Runs are found again by tags (``orch.sweep``,
``orch.run_id``), never by name.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.errors import StoreError, unknown
from orchestrator.tracking.client import connect, experiments, log_tags, search, store_errors
from orchestrator.tracking.frame import frame_of
from orchestrator.tracking.moved import ARTIFACTS, find_artifacts
from orchestrator.tracking.runs import RunInfo, SweepInfo
from orchestrator.tracking.spool import Ending, Entry, Spool
from orchestrator.tracking.store import check_folder, shown, tracking_uri
from orchestrator.tracking.sweep import SweepTracker
from orchestrator.tracking.tags import read_info
from orchestrator.tracking.tree import SweepStore, family, runs_of

__all__ = ["RunInfo", "SweepInfo", "SweepTracker", "Tracker", "tracking_uri"]

_LOG = logging.getLogger(__name__)


class Tracker:
    """The store: opens sweeps for writing and reads them back.

    Only the driver process has one; workers never see the store.

    Raises:
        StoreError: the store cannot be made or reached, or the results folder cannot be written.
    """

    def __init__(
        self,
        uri: str,
        results: Path,
        *,
        on_problem: Callable[[str], None] = _LOG.warning,
    ) -> None:
        check_folder(results)
        self.uri = uri
        self._artifacts = results.resolve() / ARTIFACTS
        self._client = connect(uri)
        find_artifacts(uri, results)
        self._spool = Spool(results / "spool")
        self._on_problem = on_problem
        self._stores: dict[tuple[str, str], SweepStore] = {}
        self._replay_or_warn()

    def open_sweep(self, info: SweepInfo) -> SweepTracker:
        """Open a sweep, or continue the one of this name.

        Runs that dead processes of this machine left running, in any sweep, are ended as killed.

        Raises:
            StoreError: the store cannot be written.
        """
        store = SweepStore(self._client, self.uri, info, self._artifacts)
        store.open()
        self._stores[family(info), info.name] = store
        return SweepTracker(
            store, info, self._spool, replay=self._replay, on_problem=self._on_problem
        )

    def sweep_names(self) -> list[str]:
        """Names of all sweeps, sorted."""
        return sorted(self._parents())

    def find_sweep(self, name: str) -> SweepInfo:
        """A sweep by name; the newest where several models have one of it.

        Raises:
            StoreError: there is none.
        """
        return read_info(self._parent(name).data.tags)

    def runs_frame(self, name: str) -> pd.DataFrame:
        """A sweep's runs: ``run_id``, ``status``, ``seed``, settings and final metrics by name.

        Those of an ablation have a ``variant`` and a ``phase`` too. Runs at settings that a
        search chose once and no longer chooses are left out.

        Raises:
            StoreError: there is no such sweep.
        """
        parent = self._parent(name)
        with store_errors(self.uri):
            has_variants = read_info(parent.data.tags).has_variants
            return frame_of(runs_of(self._client, parent), has_variants=has_variants)

    def attach(
        self, name: str, *, tags: Mapping[str, str], artifacts: Sequence[Path], folder: str
    ) -> None:
        """Add tags and files to a sweep's run, whatever has become of it.

        Args:
            name: the sweep.
            tags: set, or set anew.
            artifacts: files to copy.
            folder: of the run's artifacts, where they go.

        Raises:
            StoreError: there is no such sweep, or the store cannot be written.
        """
        identity = self._parent(name).info.run_id
        with store_errors(self.uri):
            log_tags(self._client, identity, tags)
            for path in artifacts:
                self._client.log_artifact(identity, str(path), folder)

    def _parents(self) -> dict[str, Any]:
        with store_errors(self.uri):
            # Newest first in the answer; the newest of a name is the one kept.
            every = experiments(self._client)
            runs = search(self._client, every, "tags.`orch.role` = 'sweep'")
        return {run.data.tags["orch.sweep"]: run for run in reversed(runs)}

    def _parent(self, name: str) -> Any:  # noqa: ANN401 - MLflow's run
        parents = self._parents()
        if name not in parents:
            raise StoreError(f"{shown(self.uri)}: {unknown('sweep', name, parents)}")
        return parents[name]

    def _replay(self) -> None:
        self._spool.replay(self._tell, on_problem=self._on_problem)

    def _replay_or_warn(self) -> None:
        try:
            self._replay()
        except StoreError as error:
            self._on_problem(f"{error} What was kept in {self._spool.folder} stays there.")

    def _tell(self, item: Entry | Ending) -> None:
        key = family(item.sweep), item.sweep.name
        if key not in self._stores:
            self._stores[key] = SweepStore(self._client, self.uri, item.sweep, self._artifacts)
        if isinstance(item, Entry):
            self._stores[key].finish(item.run, item.record)
        else:
            self._stores[key].end(item.status, item.summary, list(map(Path, item.artifacts)))
