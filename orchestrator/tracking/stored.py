"""One sweep, ablation, path or diagnosis as a store has it: runs, curves and files, read only."""

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.errors import StoreError
from orchestrator.tracking.client import store_errors
from orchestrator.tracking.names import from_mlflow, to_mlflow
from orchestrator.tracking.reading import StoreReader
from orchestrator.tracking.runs import SweepInfo
from orchestrator.tracking.tags import is_superseded

_CURVES = ("val/", "loss/", "epoch/")
"""What begins the names of figures that are logged per epoch."""


class StoredStudy:
    """What a store has of one study; nothing is written.

    Args:
        reader: the store.
        name: the study's name; the newest where several models have one of it.

    Raises:
        StoreError: there is no such study, or (all methods) the store cannot be read.
    """

    def __init__(self, reader: StoreReader, name: str) -> None:
        self._uri = reader.uri
        self._client, self._runs, self.state = reader.opened(name)

    @property
    def info(self) -> SweepInfo:
        """What it is."""
        return self.state.info

    @property
    def runs(self) -> pd.DataFrame:
        """Its runs, as :meth:`orchestrator.tracking.mlflow.Tracker.runs_frame` gives them."""
        return self.state.runs

    @cached_property
    def curve_names(self) -> tuple[str, ...]:
        """Figures that any run has per epoch, sorted."""
        names = {name for run in self._kept for name in run.data.metrics if _is_curve(name)}
        return tuple(sorted(map(from_mlflow, names)))

    def curves(self, metric: str) -> pd.DataFrame:
        """A figure of every epoch of every run.

        Returns:
            ``place`` (row of :attr:`runs`), ``epoch``, ``value`` and ``is_best``, which is true
            at the epoch whose weights a finished run kept.
        """
        rows = []
        with store_errors(self._uri):
            for place, run in enumerate(self._kept):
                told = self._client.get_metric_history(run.info.run_id, to_mlflow(metric))
                best = run.data.metrics.get("best_step")
                by_epoch = {one.step: one.value for one in told}
                rows += [[place, step, by_epoch[step], step == best] for step in sorted(by_epoch)]
        return pd.DataFrame(rows, columns=["place", "epoch", "value", "is_best"])

    @cached_property
    def files(self) -> frozenset[str]:
        """Names of the files that were logged when it ended."""
        with store_errors(self._uri):
            listed = self._client.list_artifacts(self.state.identity)
        return frozenset(one.path for one in listed if not one.is_dir)

    def table(self, name: str) -> pd.DataFrame:
        """One of its files, of comma-separated values.

        Raises:
            StoreError: it is not there any more, or is no table.
        """
        with tempfile.TemporaryDirectory() as folder, store_errors(self._uri):
            path = self._client.download_artifacts(self.state.identity, name, folder)
            try:
                return pd.read_csv(Path(path))
            except (ValueError, UnicodeDecodeError) as error:
                raise StoreError(
                    f"{self.info.name}: its file `{name}` in MLflow is no table ({error}). Type "
                    "the command of this study again to make it anew."
                ) from None

    @property
    def _kept(self) -> list[Any]:
        """In the order of :attr:`runs`."""
        return [run for run in self._runs if not is_superseded(run)]


def _is_curve(name: str) -> bool:
    return name.startswith(_CURVES)
