"""What a stored data set says of itself, and the check that its files are the ones it means."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from models import FORMS
from orchestrator.config import content_hash
from orchestrator.data.interactions import corrupt
from orchestrator.errors import DataError

FORMAT = 1
"""Version of the folder's layout; a reader refuses any other."""

MANIFEST_FILE = "manifest.json"


class _Strict:
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Counts(_Strict):
    """How much there is."""

    users: int
    items: int
    """Without padding."""
    interactions: int
    targets: int
    """Pairs of a history and the item after it, over all users: all but a user's first item."""
    training_targets: int
    """The pairs that lie wholly in training parts (see :mod:`orchestrator.data.split`)."""


@dataclass(frozen=True, kw_only=True)
class FileEntry(_Strict):
    """One file of the data set."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class EncoderEntry(_Strict):
    """What made a form of features: enough to make it again."""

    name: str
    """On the hub, of a package, or of a local folder (its name, not where it lies)."""
    revision: str
    """Commit on the hub; SHA-256 of the weights where they are a package's or a folder's."""
    preprocessing: Mapping[str, Any]
    """From text or picture to the stored values."""


@dataclass(frozen=True, kw_only=True)
class FormEntry(_Strict):
    """One form of a modality's features."""

    width: int
    dtype: str
    rows: int
    """Items and padding for a form with vectors per item, all tokens for token features."""
    layers: int | None = None
    """Vectors per item of the form ``layers``: the encoder's embedding and each of its layers."""
    encoder: EncoderEntry | None = None
    """None where the source does not say."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the stored array."""
        return (self.rows, *((self.layers,) if self.layers else ()), self.width)


@dataclass(frozen=True, kw_only=True)
class ModalityEntry(_Strict):
    """The features of one modality."""

    coverage: float
    """Share of the items that have it."""
    pooled: FormEntry | None = None
    tokens: FormEntry | None = None
    layers: FormEntry | None = None

    @property
    def forms(self) -> dict[str, FormEntry]:
        """The forms it is stored in, by name."""
        entries = {form: getattr(self, form) for form in FORMS}
        return {form: entry for form, entry in entries.items() if entry is not None}


@dataclass(frozen=True, kw_only=True)
class Origin(_Strict):
    """Where a data set comes from; no dates, so that equal sources give equal manifests."""

    importer: str
    licence: str
    sources: Mapping[str, str] = field(default_factory=dict)
    """Name of each source file -> its SHA-256."""
    synthetic: bool = False
    """Generated, not observed: no figure measured on it says anything of real users."""
    generator: Mapping[str, Any] | None = None
    """Parameters of a synthetic data set."""
    notes: tuple[str, ...] = ()
    """What a reader of numbers should know: what was dropped, what is missing."""


BENCHMARK = "benchmark"
"""Importer of data sets that are published as rows of a history and a target."""


@dataclass(frozen=True, kw_only=True)
class Manifest(_Strict):
    """Everything a data set says of itself."""

    format: int = FORMAT
    name: str
    counts: Counts
    has_clock_times: bool
    """Whether timestamps are Unix seconds; otherwise they are positions in the sequence."""
    origin: Origin
    modalities: Mapping[str, ModalityEntry]
    files: Mapping[str, FileEntry]
    """Path within the folder -> size and hash of every file but the manifest."""

    @property
    def data_hash(self) -> str:
        """The same for equal files, whatever the data set is called."""
        return content_hash({path: entry.sha256 for path, entry in self.files.items()})

    @property
    def size_text(self) -> str:
        """Users, items and interactions in words, by the convention of the data set's source.

        Where interactions come as rows of a history and a target, the published count is that of
        the rows, which leaves out each user's first item; both counts are then given.
        """
        counts = self.counts
        interactions = f"{counts.interactions:,} interactions"
        if self.origin.importer == BENCHMARK:
            interactions = (
                f"{counts.targets:,} interactions as published "
                f"({counts.interactions:,} with each user's first)"
            )
        return f"{counts.users:,} users, {counts.items:,} items, {interactions}"


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from None


def list_files(folder: Path) -> dict[str, FileEntry]:
    """Size and hash of every file below a folder, the manifest apart."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST_FILE)
    return {
        path.relative_to(folder).as_posix(): FileEntry(
            bytes=path.stat().st_size, sha256=file_hash(path)
        )
        for path in paths
    }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a folder that is still being built."""
    plain = dataclasses.asdict(manifest)
    text = json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read a data set's manifest.

    Raises:
        DataError: it is missing, unreadable, of another format, or not a manifest.
    """
    path = folder / MANIFEST_FILE
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Import it first.") from None
    except ValueError as error:
        raise DataError(corrupt(path, f"it is not JSON ({error})")) from None
    _check_format(path, plain)
    try:
        return _MANIFEST.validate_python(plain)
    except ValidationError as error:
        raise DataError(corrupt(path, _first_problem(error))) from None


def _check_format(path: Path, plain: object) -> None:
    found = plain.get("format") if isinstance(plain, dict) else None
    if found != FORMAT:
        raise DataError(
            f"{path}: `format` cannot be {found!r}: this version reads {FORMAT}. "
            "Import the data set again with --overwrite."
        )


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"`{'.'.join(map(str, problem['loc']))}`: {problem['msg']}"


def check_files(folder: Path, manifest: Manifest, *, verify: bool) -> None:
    """Refuse a folder whose files are not the manifest's.

    Args:
        folder: the data set's folder.
        manifest: what it says of itself.
        verify: compare hashes too, not sizes alone.

    Raises:
        DataError: a file is missing, or has another size or hash.
    """
    for name, entry in manifest.files.items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != entry.bytes:
            found = "is missing" if size is None else f"has {size} bytes"
            raise DataError(corrupt(path, f"it {found}, the manifest says {entry.bytes} bytes"))
        if verify and file_hash(path) != entry.sha256:
            raise DataError(corrupt(path, "its SHA-256 is not the manifest's"))


_MANIFEST = TypeAdapter(Manifest)
