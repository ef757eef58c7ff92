"""A stored data set looked at: what is in it, and whether it is sound."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.data import Dataset, data_folder, open_dataset
from orchestrator.data.store import is_dataset
from orchestrator.diagnosis.soundness import Check, check_dataset
from orchestrator.diagnosis.statistics import Statistics, statistics
from orchestrator.obtaining import Source, read_sources


@dataclass(frozen=True, kw_only=True)
class DataInfo:
    """What there is to know of a data set."""

    dataset: Dataset
    statistics: Statistics
    source: Source | None
    """The public source that it was obtained from, where it was."""
    differences: tuple[tuple[str, int, int], ...]
    """What was counted, how many the paper prints, and how many there are."""
    figures: tuple[Path, ...]
    """What was drawn."""


def data_info(
    name: str,
    *,
    plot: Path | None = None,
    declarations: Path | None = None,
    data_dir: Path | None = None,
) -> DataInfo:
    """Counts, sparsity, sequence lengths, popularity, modalities, origin of a data set.

    Args:
        name: of a data set.
        plot: a folder; lengths and popularity are drawn into it as PDF, PNG and CSV.
        declarations: a TOML file of further sources, whose counts may be compared.
        data_dir: folder of data sets; by default ``ORCH_DATA``, else the user's cache.

    Raises:
        ConfigError: a declaration is wrong.
        DataError: there is no such data set, or it is damaged.
        StoreError: the folder cannot be written.
    """
    dataset = open_dataset(name, data_dir)
    source = read_sources(declarations).get(dataset.manifest.origin.importer)
    expected = None if source is None else source.expected
    found = statistics(dataset)
    return DataInfo(
        dataset=dataset,
        statistics=found,
        source=source,
        differences=()
        if expected is None
        else tuple(expected.differences(dataset.manifest.counts)),
        figures=() if plot is None else _drawn(dataset, found, plot),
    )


def _drawn(dataset: Dataset, found: Statistics, folder: Path) -> tuple[Path, ...]:
    from orchestrator.reporting.dataset import draw_dataset  # matplotlib takes its time

    label = " (synthetic)" if dataset.manifest.origin.synthetic else ""
    return draw_dataset(f"{dataset.name}{label}", found, folder / f"{dataset.name}-data")


def check_data(
    name: str,
    *,
    data_dir: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[Check, ...]:
    """Compare a stored data set with its manifest: hashes, counts, ranges.

    Args:
        name: of a data set.
        data_dir: folder of data sets; by default ``ORCH_DATA``, else the user's cache.
        progress: hears how many files were compared.

    Raises:
        DataError: there is no such data set, or its manifest cannot be read.
    """
    folder = data_folder(data_dir) / name
    if not is_dataset(folder):
        folder = open_dataset(name, data_dir).folder  # says what there is, or makes the built-in
    return check_dataset(folder, progress=progress)
