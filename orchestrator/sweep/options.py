"""How a study is run, as opposed to what it is: none of this changes a result."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from orchestrator.sweep.budget import Deadline
from orchestrator.sweep.settle import Rule

Executor = Literal["ray", "local"]
Gpus = float | Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where a study runs and where its files go."""

    results: Path
    """Folder of runs, sweeps and, by default, the tracking store; absolute."""
    data_dir: Path
    """Folder of data sets; absolute."""
    folder: Path
    """The sweep's own folder."""
    workers: int = 2
    """Runs at once."""
    threads: int = 1
    """CPU threads per run."""
    gpus: Gpus | None = 0.0
    """GPUs per run; a share of one packs several runs onto it. ``auto`` takes the share from the
    memory that the first runs took, None shares all GPUs evenly among the workers."""
    device: str = "auto"
    address: str | None = None
    """A Ray cluster to join; None starts Ray on this machine."""
    limit: float | None = None
    """Seconds that a run may take; None is no limit."""
    stop_after: int = 5
    """Failures of one kind and reason in a row that stop the study; 0 never stops it."""
    storage: str | None = None
    """Of a cluster: URL where runs' files are kept; None keeps them in the results folder."""
    deadline: Deadline = field(default_factory=Deadline)
    max_trials: int | None = None
    """Trials of a listed study at most, the first ones; None runs all."""
    rule: Rule | None = None
    """When a trial of a listed study gets no more seeds; None gives all of them to each."""

    def alone(self) -> "Options":
        """The same for runs that need a device for themselves."""
        return replace(self, workers=1, gpus=0.0 if self.gpus == 0 else None)

    @property
    def journal(self) -> Path:
        """Optuna's history of a sampled study."""
        return self.folder / "optuna.journal"
