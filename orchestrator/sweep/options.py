"""How a study is run, as opposed to what it is: none of this changes a result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
    storage: str | None = None
    """Of a cluster: URL where runs' files are kept; None keeps them in the results folder."""

    @property
    def journal(self) -> Path:
        """Optuna's history of a sampled study."""
        return self.folder / "optuna.journal"
