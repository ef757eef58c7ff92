"""Token and pooled features of a modality: written once, then memory-mapped by every process."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int32

from models import Modality, TokenFeatures
from orchestrator.data.interactions import corrupt
from orchestrator.data.manifest import FormEntry, ModalityEntry
from orchestrator.errors import DataError

FOLDER = "features"
PARTS = ("pooled", "tokens", "lengths", "missing")
DTYPES = (np.dtype(np.float16), np.dtype(np.float32))


@dataclass(frozen=True, kw_only=True)
class Features:
    """One modality's features in memory, of at least one form; row 0 is padding throughout."""

    pooled: Float[np.ndarray, "rows width"] | None = None
    """One vector per item; zeros at padding and where missing."""
    tokens: Float[np.ndarray, "packed token_width"] | None = None
    """The items' tokens one after another."""
    lengths: Int[np.ndarray, " rows"] | None = None
    """Tokens of each item; 0 at padding and where missing."""
    missing: Bool[np.ndarray, " rows"] | None = None
    """Items without this modality (never padding, which is no item)."""

    def __post_init__(self) -> None:
        """Refuse features that contradict themselves."""
        if self.pooled is None and self.tokens is None:
            raise ValueError("features must have tokens, pooled vectors or both.")
        if (self.tokens is None) != (self.lengths is None):
            raise ValueError("token features must come with their lengths, and lengths with them.")
        if self.tokens is not None and self.lengths is not None:
            _check_lengths(self.tokens, self.lengths)
        if self.pooled is not None and self.pooled[0].any():
            raise ValueError("pooled features of row 0 must be zeros: it is padding.")
        if self.missing is not None:
            self._check_missing(self.missing)

    def _check_missing(self, missing: Bool[np.ndarray, " rows"]) -> None:
        if missing[0]:
            raise ValueError("row 0 is padding, which cannot be missing.")
        if self.pooled is not None and self.pooled[missing].any():
            raise ValueError("pooled features must be zeros where they are missing.")
        if self.lengths is not None and self.lengths[missing].any():
            raise ValueError("items whose modality is missing must have no tokens.")

    @property
    def num_items(self) -> int:
        """Without padding."""
        rows = self.pooled if self.lengths is None else self.lengths
        assert rows is not None
        return len(rows) - 1


def _check_lengths(
    tokens: Float[np.ndarray, "packed width"], lengths: Int[np.ndarray, " rows"]
) -> None:
    if lengths[0] or lengths.min() < 0 or lengths.sum() != len(tokens):
        raise ValueError(
            f"`lengths` must be 0 for padding, never negative, and add up to {len(tokens)} tokens."
        )


def write_features(folder: Path, modality: str, features: Features) -> ModalityEntry:
    """Write one modality's files below a data set's folder and say what they are."""
    (folder / FOLDER).mkdir(exist_ok=True)
    missing = _missing(features)
    if missing.any():
        np.save(_path(folder, modality, "missing"), missing)
    if features.tokens is not None and features.lengths is not None:
        np.save(_path(folder, modality, "lengths"), features.lengths.astype(np.int32))
    return ModalityEntry(
        coverage=1.0 - float(missing[1:].mean()),
        pooled=_write_form(folder, modality, "pooled", features.pooled),
        tokens=_write_form(folder, modality, "tokens", features.tokens),
    )


def feature_file_names(modality: str) -> tuple[str, ...]:
    """Path within a data set's folder of every file that a modality may have."""
    return tuple(f"{FOLDER}/{modality}.{part}.npy" for part in PARTS)


def _missing(features: Features) -> Bool[np.ndarray, " rows"]:
    """What is said to be missing, or else the items without tokens, or else none."""
    if features.missing is not None:
        return features.missing
    if features.lengths is not None:
        missing = features.lengths == 0
        missing[0] = False
        return missing
    assert features.pooled is not None
    return np.zeros(len(features.pooled), dtype=np.bool_)


def _write_form(
    folder: Path, modality: str, form: str, values: Float[np.ndarray, "rows width"] | None
) -> FormEntry | None:
    if values is None:
        return None
    assert values.dtype in DTYPES
    np.save(_path(folder, modality, form), np.ascontiguousarray(values))
    rows, width = values.shape
    return FormEntry(width=width, dtype=values.dtype.name, rows=rows)


def _path(folder: Path, modality: str, part: str) -> Path:
    return folder / FOLDER / f"{modality}.{part}.npy"


def load_modality(folder: Path, modality: str, entry: ModalityEntry, *, rows: int) -> Modality:
    """One modality of a stored data set, its values memory-mapped.

    The mapping is copy-on-write, so tensors count as writable, while processes that only read
    share the pages.

    Args:
        folder: the data set's folder.
        modality: its name.
        entry: what the manifest says of it.
        rows: items and padding.

    Raises:
        DataError: a file is unreadable or not of the shape the manifest says.
    """
    pooled = _mapped(_path(folder, modality, "pooled"), entry.pooled)
    tokens = _tokens(folder, modality, entry.tokens, rows)
    missing = None
    if entry.coverage < 1:
        missing = torch.from_numpy(_load(_path(folder, modality, "missing"), (rows,), "bool"))
    return Modality(name=modality, tokens=tokens, pooled=pooled, missing=missing)


def _tokens(
    folder: Path, modality: str, entry: FormEntry | None, rows: int
) -> TokenFeatures | None:
    if entry is None:
        return None
    path = _path(folder, modality, "lengths")
    lengths: Int32[np.ndarray, " rows"] = _load(path, (rows,), "int32")
    if lengths.sum() != entry.rows:
        raise DataError(corrupt(path, f"the lengths must add up to {entry.rows} tokens"))
    values = _load(_path(folder, modality, "tokens"), (entry.rows, entry.width), entry.dtype)
    return TokenFeatures(torch.from_numpy(values), torch.from_numpy(lengths))


def _mapped(path: Path, entry: FormEntry | None) -> torch.Tensor | None:
    if entry is None:
        return None
    return torch.from_numpy(_load(path, (entry.rows, entry.width), entry.dtype))


def _load(path: Path, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """A memory-mapped array, refused unless it has the shape and type expected of it."""
    try:
        values = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(corrupt(path, f"it is no readable array ({error})")) from None
    if values.shape != shape or values.dtype.name != dtype:
        raise DataError(corrupt(path, f"it must be {dtype} of shape {shape}"))
    return np.asarray(values)
