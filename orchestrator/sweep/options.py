"""How a study is run, as opposed to what it is: none of this changes a result."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from orchestrator.sweep.budget import Deadline
from orchestrator.sweep.settle import Rule

Executor = Literal["ray", "local"]


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
    gpus: float = 0.0
    """GPUs per run; a share of one packs several runs onto it."""
    device: str = "auto"
    address: str | None = None
    """A Ray cluster to join; None starts Ray on this machine."""
    deadline: Deadline = field(default_factory=Deadline)
    max_trials: int | None = None
    """Trials of a listed study at most, the first ones; None runs all."""
    rule: Rule | None = None
    """When a trial of a listed study gets no more seeds; None gives all of them to each."""

    @property
    def journal(self) -> Path:
        """Optuna's history of a sampled study."""
        return self.folder / "optuna.journal"
