"""Checkpoints of a run: weights, optimiser state and progress, one folder per epoch.

A folder appears whole (written beside, then renamed), so a run killed at any moment finds the
last finished epoch. Tensors are safetensors, the rest is JSON; nothing is pickled. The latest and
the best epoch are kept.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from orchestrator.errors import StoreError
from orchestrator.results import Epoch


@dataclass(kw_only=True)
class Progress:
    """How far a run has come."""

    stage: int = 0
    """Index of the stage in progress."""
    stage_epoch: int = 0
    """Epochs done within that stage."""
    step: int = 0
    """Epochs done over all stages."""
    num_updates: int = 0
    """Optimiser steps done over all stages that were trained here."""
    best_value: float | None = None
    """Best validation NDCG@10 of the stage in progress."""
    best_step: int = 0
    """Epoch, over all stages, that reached it."""
    epochs: list[Epoch] = field(default_factory=list)
    reused: dict[str, str] = field(default_factory=dict)
    """Stage -> the finished run that it was taken from."""

    def add(self, epoch: Epoch, value: float) -> None:
        """Count an epoch of the stage in progress, and whether it is the best."""
        self.step, self.stage_epoch = self.step + 1, self.stage_epoch + 1
        if self.best_value is None or value > self.best_value:
            self.best_value, self.best_step = value, self.step
        self.epochs.append(epoch)

    def stale_epochs(self) -> int:
        """Epochs since the best one."""
        return self.step - self.best_step


class Checkpoints:
    """The checkpoint folders of one run.

    Raises:
        StoreError: (all methods) the folder cannot be written, or a checkpoint is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(
        self,
        progress: Progress,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        training_weights: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        """Write the epoch just done and drop epochs that are neither latest nor best.

        Args:
            progress: how far the run has come.
            model: holds the weights that are evaluated and may be kept.
            optimizer: the stage's.
            training_weights: those that training goes on with, where they are others.
        """
        final = self._path(progress.step)
        temporary = final.with_name(f".{final.name}")
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            save_file(_contiguous(model.state_dict()), temporary / "model.safetensors")
            if training_weights:
                save_file(dict(training_weights), temporary / "training.safetensors")
            tensors, plain = _split_state(optimizer.state_dict())
            save_file(tensors, temporary / "optimizer.safetensors")
            state = {"progress": asdict(progress), "optimizer": plain}
            (temporary / "progress.json").write_text(json.dumps(state))
            shutil.rmtree(final, ignore_errors=True)
            temporary.replace(final)
        except (OSError, SafetensorError) as error:
            raise StoreError(f"{final}: the checkpoint cannot be written ({error}).") from None
        for path in self._all():
            if path not in (final, self._path(progress.best_step)):
                shutil.rmtree(path, ignore_errors=True)

    def latest(self) -> Progress | None:
        """Progress of the last finished epoch; None where there is none."""
        paths = self._all()
        if not paths:
            return None
        with _undamaged(paths[-1]):
            plain = dict(self._state(paths[-1])["progress"])
            epochs = [Epoch(**epoch) for epoch in plain.pop("epochs")]
            return Progress(**plain, epochs=epochs)

    def load_model(self, step: int, model: nn.Module) -> None:
        """Set the weights to those after epoch ``step``."""
        with _undamaged(self._path(step)):
            model.load_state_dict(self._tensors(step, "model.safetensors"))

    def training_weights(self, step: int) -> dict[str, torch.Tensor]:
        """What :meth:`save` was given as such after epoch ``step``."""
        with _undamaged(self._path(step)):
            return self._tensors(step, "training.safetensors")

    def load_optimizer(self, step: int, optimizer: torch.optim.Optimizer) -> None:
        """Set the optimiser's state to that after epoch ``step``."""
        state: dict[int, dict[str, torch.Tensor]] = {}
        with _undamaged(self._path(step)):
            for key, tensor in self._tensors(step, "optimizer.safetensors").items():
                index, name = key.split(".", 1)
                state.setdefault(int(index), {})[name] = tensor
            plain = self._state(self._path(step))["optimizer"]
            for group in plain:
                group["betas"] = tuple(group["betas"])
            optimizer.load_state_dict({"state": state, "param_groups": plain})

    def keep(self, step: int, path: Path) -> None:
        """Move the weights after epoch ``step`` to a file and delete all checkpoints."""
        weights = self._path(step) / "model.safetensors"
        if weights.exists():  # not so where a kill came between the move and the deletion
            weights.replace(path)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"epoch-{step:05d}"

    def _all(self) -> list[Path]:
        return sorted(self.folder.glob("epoch-*"))

    def _tensors(self, step: int, name: str) -> dict[str, torch.Tensor]:
        return load_file(self._path(step) / name)

    def _state(self, path: Path) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((path / "progress.json").read_text())
        return state


@contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    """Whatever goes wrong with reading an epoch's folder becomes one sentence."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise StoreError(
            f"{path}: the checkpoint is damaged ({reason}). "
            f"Delete {path.parent} to run from the start."
        ) from None


def load_weights(model: nn.Module, path: Path, *, without: tuple[str, ...] = ()) -> None:
    """Set a model's weights from a file of finished ones.

    Args:
        model: the model.
        path: what :meth:`Checkpoints.keep` left.
        without: patterns of parameters that the file may lack; these stay as they are.

    Raises:
        StoreError: the file is damaged, or is of another model.
    """
    with _undamaged(path):
        missing, unexpected = model.load_state_dict(load_file(path), strict=False)
        allowed = {name for name in missing if any(fnmatchcase(name, p) for p in without)}
        if unexpected or set(missing) - allowed:
            odd = [*unexpected, *(set(missing) - allowed)][0]
            raise ValueError(f"`{odd}` is on one side alone")


def _contiguous(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _split_state(state: dict[str, Any]) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """Optimiser state as flat named tensors, and its groups as plain data."""
    tensors = {
        f"{index}.{name}": value.contiguous()
        for index, values in state["state"].items()
        for name, value in values.items()
    }
    return tensors, state["param_groups"]
