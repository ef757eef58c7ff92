"""Gradients of a model's id part and modality part, step by step (DeCoRec paper, Figure 3).

At the weights that a step starts from, with the dropout of that step: each part's loss alone sends
a gradient into the parameters that both parts share, and the joint loss sends one into each part's
own. A :class:`Tracer` only observes: a run is the same, bit for bit, with it and without it.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from models import Batch, Recommender
from orchestrator.errors import ConfigError, StoreError

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("id", "modality")
SCHEMA = pa.schema(
    {
        "step": pa.int64(),
        "epoch": pa.int64(),
        "stage": pa.string(),
        "cosine": pa.float64(),
        "norm_id": pa.float64(),
        "norm_modality": pa.float64(),
        "shared_norm_id": pa.float64(),
        "shared_norm_modality": pa.float64(),
    }
)
"""``step`` and ``epoch`` count from 1 over all stages. ``cosine`` is that of the gradients that the
two parts send into the shared parameters, ``shared_norm_*`` are their norms; ``norm_*`` is the norm
of the joint loss's gradient in the part's own parameters, before any clipping. NaN is where nothing
of a part, or nothing that is shared, trains, and where a cosine has no direction."""


@dataclass(frozen=True)
class _Parts:
    """A model's trainable parameters by the part that they belong to."""

    shared: tuple[nn.Parameter, ...]
    own: tuple[tuple[nn.Parameter, ...], ...]
    """In the order of :data:`PARTS`."""


class Tracer:
    """Records every step of a run in which both parts take part.

    A stage in which one of them does not leaves no rows. Rows are kept per epoch beside the run's
    checkpoints, so that a run that goes on after a cut has all of them in the end.

    Args:
        model: the model that is trained.
        folder: where epochs are kept until the end; made when first needed.
        is_on: whether anything is recorded.

    Raises:
        ConfigError: it is to record and the model has no two parts.
    """

    def __init__(self, model: Recommender, folder: Path, *, is_on: bool) -> None:
        if is_on and not model.parts():
            raise ConfigError(
                "`train.trace_gradients` cannot be on: with these settings the model has no id "
                "part and modality part to compare. Leave it off."
            )
        self._model = model
        self._folder = folder
        self._is_on = is_on
        self._parts: _Parts | None = None
        self._epoch, self._stage, self._num_steps = 0, "", 0
        self._rows: list[Tensor] = []

    def start_epoch(self, epoch: int, stage: str, *, num_steps: int) -> None:
        """Be ready for an epoch, after the model was told of it.

        Args:
            epoch: counted from 1 over all stages.
            stage: name of the stage.
            num_steps: optimiser steps done before it.
        """
        self._epoch, self._stage, self._num_steps = epoch, stage, num_steps
        self._rows = []
        self._parts = _parts_of(self._model) if self._is_on and self._model.parts() else None

    @contextmanager
    def step(
        self, batch: Batch, autocast: Callable[[], AbstractContextManager[object]]
    ) -> Iterator[None]:
        """Record a step; inside, the joint loss is computed and sent back.

        Args:
            batch: the step's samples.
            autocast: gives the context that losses are computed in.
        """
        if self._parts is None:
            yield
            return
        sent = [self._sent(self._parts, batch, part, autocast) for part in PARTS]
        yield
        own = [_norm([p.grad for p in parameters]) for parameters in self._parts.own]
        figures = [_cosine(*sent), *own, *map(_norm, sent)]
        self._rows.append(torch.stack([figure.cpu() for figure in figures]))

    def _sent(
        self,
        parts: _Parts,
        batch: Batch,
        part: str,
        autocast: Callable[[], AbstractContextManager[object]],
    ) -> list[Tensor | None]:
        """Gradient that one part alone sends into each shared parameter."""
        if not parts.shared:
            return []
        device = parts.shared[0].device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            with autocast():
                loss = self._model.part_loss(batch, part)
            return list(torch.autograd.grad(loss.total, parts.shared, allow_unused=True))

    def end_epoch(self) -> None:
        """Keep the epoch's rows.

        Raises:
            StoreError: the folder cannot be written.
        """
        if self._is_on:
            figures = torch.stack(self._rows).T.tolist() if self._rows else [[]] * 5
            _write(self._path(self._epoch), self._table(figures))

    def _table(self, figures: Sequence[Sequence[float]]) -> pa.Table:
        num_rows = len(self._rows)
        steps = range(self._num_steps + 1, self._num_steps + num_rows + 1)
        head = [steps, [self._epoch] * num_rows, [self._stage] * num_rows]
        columns = [
            pa.array(values, of) for values, of in zip([*head, *figures], SCHEMA.types, strict=True)
        ]
        return pa.Table.from_arrays(columns, schema=SCHEMA)

    def write(self, path: Path, *, num_epochs: int) -> None:
        """Write the rows of all epochs as one file, whole or not at all; nothing if it is off.

        Raises:
            StoreError: an epoch's rows are gone, or the folder cannot be written.
        """
        if self._is_on:
            epochs = [_read(self._path(epoch)) for epoch in range(1, num_epochs + 1)]
            _write(path, pa.concat_tables(epochs))

    def _path(self, epoch: int) -> Path:
        return self._folder / f"trace-{epoch:05d}.parquet"


def read_trace(path: Path) -> "pd.DataFrame":
    """A run's trace, a row per recorded step, with the columns of :data:`SCHEMA`.

    Raises:
        StoreError: the file is missing or is no trace.
    """
    return _read(path).to_pandas()


def _parts_of(model: Recommender) -> _Parts:
    patterns = model.parts()
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]

    def is_in(name: str, part: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in patterns[part])

    return _Parts(
        shared=tuple(p for name, p in trained if not any(is_in(name, part) for part in PARTS)),
        own=tuple(tuple(p for name, p in trained if is_in(name, part)) for part in PARTS),
    )


def _norm(gradients: Sequence[Tensor | None]) -> Tensor:
    """Norm of a gradient over several parameters; NaN where there are none."""
    if not gradients:
        return torch.tensor(math.nan, dtype=torch.float64)
    return _dot(gradients, gradients).sqrt()


def _cosine(one: Sequence[Tensor | None], other: Sequence[Tensor | None]) -> Tensor:
    return _dot(one, other) / (_norm(one) * _norm(other))


def _dot(one: Sequence[Tensor | None], other: Sequence[Tensor | None]) -> Tensor:
    """Sum of products in double precision; what no gradient reached counts as 0."""
    pairs = zip(one, other, strict=True)
    products = [
        (first.double() * second.double()).sum()
        for first, second in pairs
        if first is not None and second is not None
    ]
    return torch.stack(products).sum() if products else torch.zeros((), dtype=torch.float64)


def _write(path: Path, table: pa.Table) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, temporary)
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}). Choose another --results folder."
        ) from None


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, columns=SCHEMA.names, use_threads=False)
    except (OSError, KeyError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StoreError(
            f"{path}: is no trace of gradients ({reason}). Delete {path.parent} to train this "
            "run again."
        ) from None
