"""What runs in Ray's workers: they train and report; the driver alone records.

A trial of a listed study is one run. A trial of a sampled study is one point: its seeds run one
after the other, the first of them reporting every epoch so that a scheduler may end the trial
early.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from ray import tune

from orchestrator.config import MONITOR
from orchestrator.data import Dataset
from orchestrator.digest import whole_digest
from orchestrator.errors import OrchError
from orchestrator.results import Epoch, Record, run_id
from orchestrator.sweep.budget import LEFT
from orchestrator.sweep.local import is_left, outcome
from orchestrator.sweep.objective import dataset_in_worker, failure
from orchestrator.sweep.options import Options
from orchestrator.sweep.ray.gpus import measured, start_measuring
from orchestrator.sweep.ray.nodes import Remote, dataset_on_node, difference, train_on_node
from orchestrator.sweep.study import Run, Study

REPORT_SECONDS = 0.5
"""Epochs are reported together no more often than this, unless a scheduler decides on each."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What every worker is given."""

    study: Study
    options: Options
    todo: tuple[Run, ...]
    remote: Remote | None = None
    """Of a cluster: what workers on other machines need."""
    code: str = field(default_factory=whole_digest)
    """The driver's."""

    def runs(self, config: dict[str, Any]) -> tuple[Run, ...]:
        """The runs of one of Ray's trials, by its config."""
        if "index" in config:
            return (self.todo[config["index"]],)
        assert self.study.sampled, "a listed study's trial is an index"
        return self.study.sampled.runs(config)


def work(config: dict[str, Any], *, context: Context) -> None:
    """A worker's trial: train and report; what it reports last carries the records."""
    torch.set_num_threads(context.options.threads)
    runs = context.runs(config)
    start_measuring()
    reporter = _Reporter(every=REPORT_SECONDS if context.study.scheduler == "none" else 0.0)
    records: list[Record] = []
    for place, run in enumerate(runs):
        if context.options.deadline.is_over():
            break
        on_epoch = reporter.epoch if place == 0 else None
        records.append(_trial(run, context, on_epoch))
    is_cut, use = is_left(records, num_runs=len(runs)), measured()
    end = {"state": LEFT, "value": None} if is_cut else outcome(records)
    tune.report(
        {
            MONITOR: end["value"] if end["state"] == "finished" else float("-inf"),
            "epochs": reporter.take(),
            "records": [record.to_json() for record in records],
            "use": use and asdict(use),
            **end,
        }
    )


def _trial(run: Run, context: Context, on_epoch: Callable[[Epoch], None] | None) -> Record:
    options, expected = context.options, context.study.data_hash
    try:
        dataset = _dataset(run.config.dataset, context)
    except OrchError as error:
        return failure(run.config, "", reason=str(error))
    wrong = difference(dataset.data_hash, code=context.code, data_hash=expected)
    if wrong is not None:
        return failure(run.config, dataset.data_hash, reason=wrong)
    assert run_id(run.config, dataset.data_hash) == run.run_id, "a run's id is that of its content"
    if context.remote is not None:
        return train_on_node(
            run,
            dataset,
            context.remote,
            device=options.device,
            on_epoch=on_epoch,
            limit=options.limit,
            deadline=options.deadline,
        )
    return options.deadline.run_trial(
        run.config,
        dataset,
        results=options.results,
        device=options.device,
        on_epoch=on_epoch,
        limit=options.limit,
    )


def _dataset(name: str, context: Context) -> Dataset:
    if context.remote is None:
        return dataset_in_worker(name, context.options.data_dir)
    return dataset_on_node(name, context.study.data_hash, context.remote)


class _Reporter:
    """Collects epochs and reports them together, since a report costs a round trip."""

    def __init__(self, *, every: float) -> None:
        self._every = every
        self._last = time.monotonic()
        self._epochs: list[Epoch] = []

    def epoch(self, epoch: Epoch) -> None:
        self._epochs.append(epoch)
        if time.monotonic() - self._last >= self._every:
            tune.report({MONITOR: epoch.valid[MONITOR], "epochs": self.take()})
            self._last = time.monotonic()

    def take(self) -> list[dict[str, Any]]:
        """The epochs not reported yet, as plain data."""
        epochs, self._epochs = self._epochs, []
        return [asdict(epoch) for epoch in epochs]
