"""Taking a sweep out of the store, and back: MLflow marks runs as deleted and keeps them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import StoreError, unknown
from orchestrator.tracking.client import connect, experiments, search, store_errors
from orchestrator.tracking.reading import StoreReader, SweepState
from orchestrator.tracking.store import shown
from orchestrator.tracking.tree import runs_of, variants_of

_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A sweep in the store: its run, those of its variants, and its runs."""

    state: SweepState
    identities: tuple[str, ...]
    """MLflow's ids, the lowest level first, so that a removal that is cut can be repeated."""
    run_ids: tuple[str, ...]
    """Ids of its runs, each once."""
    alone: tuple[str, ...]
    """Those that no other sweep of the store has."""
    has_namesake: bool
    """Another sweep of the store has its name."""


class Remover:
    """Removes sweeps from a store that is there, and restores them.

    Raises:
        StoreError: (all methods) the store cannot be read or written.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._reader = StoreReader(uri)
        self._client = connect(uri)

    def tree(self, name: str) -> Tree:
        """What there is of a sweep; the newest where several models have one of it.

        Raises:
            StoreError: there is no such sweep.
        """
        state = self._reader.sweep(name)
        with store_errors(self._uri):
            parent = self._client.get_run(state.identity)
            runs = runs_of(self._client, parent)
            variants = variants_of(self._client, parent)
            own = {run.info.run_id for run in runs}
            every = self._every("run")
            sweeps = [run for run in self._every("sweep") if run.data.tags["orch.sweep"] == name]
        ids = tuple(dict.fromkeys(run.data.tags["orch.run_id"] for run in runs))
        used = {run.data.tags["orch.run_id"] for run in every if run.info.run_id not in own}
        return Tree(
            state=state,
            identities=tuple(run.info.run_id for run in (*runs, *variants, parent)),
            run_ids=ids,
            alone=tuple(run for run in ids if run not in used),
            has_namesake=len(sweeps) > 1,
        )

    def delete(self, tree: Tree) -> None:
        """Mark all of a sweep as deleted."""
        with store_errors(self._uri):
            for identity in tree.identities:
                self._client.delete_run(identity)

    def restore(self, name: str) -> int:
        """Bring back the sweep of this name that was started last of those deleted.

        Returns:
            How many runs came back, the sweep's own and its variants' among them.

        Raises:
            StoreError: none was deleted, or another of the name is there.
        """
        with store_errors(self._uri):
            there = {run.data.tags["orch.sweep"] for run in self._every("sweep")}
            deleted = self._every("sweep", is_deleted=True)
            by_name = {run.data.tags["orch.sweep"]: run for run in reversed(deleted)}
            self._refuse(name, there, by_name)
            whole = self._below(by_name[name])
            for run in whole:
                self._client.restore_run(run.info.run_id)
        return len(whole)

    def _refuse(self, name: str, there: Iterable[str], deleted: Iterable[str]) -> None:
        place = shown(self._uri)
        if name in there:
            raise StoreError(
                f"{place}: a sweep `{name}` is there. Remove that one first: two of a name could "
                "not be told apart."
            )
        if name not in deleted:
            raise StoreError(f"{place}: {unknown('removed sweep', name, deleted)}")

    def _below(self, parent: Any) -> list[Any]:  # noqa: ANN401 - MLflow's runs
        """A deleted sweep's run and all deleted below it, the parents first."""
        variants = _children(self._every("variant", is_deleted=True), [parent])
        runs = _children(self._every("run", is_deleted=True), [parent, *variants])
        return [parent, *variants, *runs]

    def _every(self, role: str, *, is_deleted: bool = False) -> list[Any]:
        every = experiments(self._client)
        return search(self._client, every, f"tags.`orch.role` = '{role}'", is_deleted=is_deleted)


def _children(runs: Iterable[Any], parents: Iterable[Any]) -> list[Any]:
    above = {parent.info.run_id for parent in parents}
    return [run for run in runs if run.data.tags.get(_PARENT) in above]
