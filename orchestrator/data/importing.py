"""Import of a data set from other people's files: which layout it is, and what it is called."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.data import plain
from orchestrator.data.benchmark import benchmark_name, read_benchmark
from orchestrator.data.folders import refuse_existing
from orchestrator.data.planted import NAME as PLANTED
from orchestrator.data.sources import data_folder
from orchestrator.data.store import Content, Dataset, Progress, write_dataset
from orchestrator.errors import DataError

LOOKED_FOR = (
    f"`NAME.train.inter` (benchmark), or `{plain.SEQUENCES}` with `{plain.ITEMS}` (sequences), "
    f"or `{plain.RATINGS}` with `{plain.ITEMS}` (ratings)"
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What an importer may be told beyond the folder."""

    images: Path | None = None
    """Folder of pictures, where they do not lie in the data set's own folder."""
    min_interactions: int | None = None
    """Least interactions of every user and item of a ratings file; 5 unless set."""
    text_columns: tuple[str, ...] | None = None
    """Columns of ``items.tsv`` that make an item's text; unless set, all that hold words."""
    category_columns: tuple[str, ...] | None = None
    """Columns of ``items.tsv`` that hold an item's categories; unless set, it has none."""

    @property
    def columns(self) -> plain.Columns:
        """The columns that are asked for."""
        return plain.Columns(text=self.text_columns, categories=self.category_columns)


@dataclass(frozen=True)
class Layout:
    """A layout that was recognised in a folder."""

    kind: str
    """``benchmark``, ``sequences`` or ``ratings``."""
    name: str
    """What the data set is called unless told otherwise."""
    read: Callable[[Options], Content]


def recognise(path: Path) -> Layout:
    """Which layout a folder holds.

    Raises:
        DataError: none that is known, or one with a file missing.
    """
    if not path.is_dir():
        raise DataError(f"{path}: is no folder. Give the folder that holds the data set's files.")
    if benchmark := benchmark_name(path):
        return Layout("benchmark", benchmark.lower(), lambda options: _benchmark(path, options))
    has_items = (path / plain.ITEMS).is_file()
    name = path.resolve().name.lower().removeprefix("amazon-")
    if has_items and (path / plain.SEQUENCES).is_file():
        return Layout("sequences", name, lambda options: _sequences(path, options))
    if has_items and (path / plain.RATINGS).is_file():
        return Layout("ratings", name, lambda options: _ratings(path, options))
    raise DataError(f"{path}: holds no layout that is known. Looked for: {LOOKED_FOR}.")


def _benchmark(path: Path, options: Options) -> Content:
    _refuse("--images", options.images, "benchmark")
    _refuse("--min-interactions", options.min_interactions, "benchmark")
    _refuse("--text-columns", options.text_columns, "benchmark")
    _refuse("--category-columns", options.category_columns, "benchmark")
    return read_benchmark(path)


def _sequences(path: Path, options: Options) -> Content:
    _refuse("--min-interactions", options.min_interactions, "sequences")
    return plain.read_sequences(path, images=options.images, columns=options.columns)


def _ratings(path: Path, options: Options) -> Content:
    minimum = options.min_interactions
    if minimum is None:
        minimum = plain.MIN_INTERACTIONS
    if minimum < 1:
        raise DataError(f"--min-interactions: cannot be {minimum}: it must be at least 1.")
    return plain.read_ratings(
        path, images=options.images, columns=options.columns, min_interactions=minimum
    )


def _refuse(option: str, value: object, kind: str) -> None:
    if value is not None:
        raise DataError(f"{option}: cannot be given for the {kind} layout. Leave it out.")


def import_dataset(
    path: Path,
    *,
    name: str | None = None,
    data_dir: Path | None = None,
    overwrite: bool = False,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read a data set in any known layout and store it.

    Args:
        path: the folder of the files to import; they are only read.
        name: what to call it; by default what the layout says (``Scientific.train.inter`` is
            ``scientific``, the folder ``amazon-beauty`` is ``beauty``).
        data_dir: the folder of data sets; see :func:`~orchestrator.data.data_folder`.
        overwrite: replace a stored data set of the same name.
        options: what the layout's importer is told.
        progress: told how far a long copy has come.

    Raises:
        DataError: unknown layout, files that disagree, or a name that is taken.
    """
    layout = recognise(path)
    folder = data_folder(data_dir) / checked_name(name or layout.name)
    refuse_existing(folder, overwrite=overwrite)  # before the reading, which may take long
    content = layout.read(options or Options())
    return write_dataset(content, folder, overwrite=overwrite, progress=progress)


def checked_name(name: str, option: str = "--name") -> str:
    """A name that a new data set may have.

    Raises:
        DataError: it is the built-in data set's, or would not do for a folder.
    """
    if name == PLANTED:
        raise DataError(
            f"{option}: cannot be {name!r}: it is the built-in data set. Choose another."
        )
    plain_letters = name.replace("-", "").replace("_", "").replace(".", "")
    if not plain_letters.isalnum() or name[0] == ".":
        rule = "only letters, digits, `-`, `_` and `.`, and no `.` in front"
        raise DataError(f"{option}: cannot be {name!r}: {rule}. Choose another.")
    return name
