"""Features of a modality, in its forms: written once, then memory-mapped by every process."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Bool, Float, Int, Int32

from models import FORMS, Modality, TokenFeatures
from orchestrator.data.interactions import corrupt, read_parquet
from orchestrator.data.manifest import EncoderEntry, FormEntry, ModalityEntry
from orchestrator.errors import DataError

FOLDER = "features"
DTYPES = (np.dtype(np.float16), np.dtype(np.float32))
WORD = "word"


@dataclass(frozen=True, kw_only=True)
class Features:
    """One modality's features in memory, of at least one form; row 0 is padding throughout."""

    pooled: Float[np.ndarray, "rows width"] | None = None
    """One vector per item; zeros at padding and where missing."""
    tokens: Float[np.ndarray, "packed token_width"] | None = None
    """The items' tokens one after another."""
    lengths: Int[np.ndarray, " rows"] | None = None
    """Tokens of each item; 0 at padding and where missing."""
    words: Sequence[str] | None = None
    """What each token stands for, in the order of ``tokens``: a piece of text, a patch."""
    layers: Float[np.ndarray, "rows layers layer_width"] | None = None
    """One vector per item and layer of the encoder; zeros at padding and where missing."""
    missing: Bool[np.ndarray, " rows"] | None = None
    """Items without this modality (never padding, which is no item)."""
    encoders: Mapping[str, EncoderEntry] = field(default_factory=dict)
    """Form -> what made it, where that is known."""

    def __post_init__(self) -> None:
        """Refuse features that contradict themselves."""
        if not self.forms:
            raise ValueError("features must have tokens, pooled vectors or layers.")
        if (self.tokens is None) != (self.lengths is None):
            raise ValueError("token features must come with their lengths, and lengths with them.")
        if self.tokens is not None and self.lengths is not None:
            _check_lengths(self.tokens, self.lengths)
        if self.words is not None and (self.tokens is None or len(self.words) != len(self.tokens)):
            raise ValueError("`words` must be one for each token.")
        for form, values in self._vectors().items():
            if values[0].any():
                raise ValueError(f"`{form}` features of row 0 must be zeros: it is padding.")
        if self.missing is not None:
            self._check_missing(self.missing)

    def _check_missing(self, missing: Bool[np.ndarray, " rows"]) -> None:
        if missing[0]:
            raise ValueError("row 0 is padding, which cannot be missing.")
        for form, values in self._vectors().items():
            if values[missing].any():
                raise ValueError(f"`{form}` features must be zeros where they are missing.")
        if self.lengths is not None and self.lengths[missing].any():
            raise ValueError("items whose modality is missing must have no tokens.")

    def _vectors(self) -> dict[str, np.ndarray]:
        """The forms that hold a row per item."""
        forms = {"pooled": self.pooled, "layers": self.layers}
        return {form: values for form, values in forms.items() if values is not None}

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms that are there."""
        return tuple(form for form in FORMS if getattr(self, form) is not None)

    @property
    def num_items(self) -> int:
        """Without padding."""
        rows = next(iter(self._vectors().values())) if self.lengths is None else self.lengths
        return len(rows) - 1

    def without(self) -> Bool[np.ndarray, " rows"]:
        """What is said to be missing, or else the items without tokens, or else none."""
        if self.missing is not None:
            return self.missing
        if self.lengths is not None:
            return without_tokens(self.lengths)
        return np.zeros(self.num_items + 1, dtype=np.bool_)


def without_tokens(lengths: Int[np.ndarray, " rows"]) -> Bool[np.ndarray, " rows"]:
    """The items, padding not being one, that have no tokens."""
    absent = lengths == 0
    absent[0] = False
    return absent


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
    missing = features.without()
    if missing.any():
        np.save(_path(folder, modality, "missing"), missing)
    if features.lengths is not None:
        np.save(_path(folder, modality, "lengths"), features.lengths.astype(np.int32))
    if features.words is not None:
        words = pa.array(features.words, pa.string())
        pq.write_table(pa.table({WORD: words}), folder / words_file(modality))
    return ModalityEntry(
        coverage=1.0 - float(missing[1:].mean()),
        **{form: _write_form(folder, modality, form, features) for form in features.forms},
    )


def feature_files(modality: str, forms: Iterable[str]) -> set[str]:
    """Path within a data set's folder of every file that belongs to some forms of a modality.

    The file of what is missing belongs to all of them.
    """
    parts = {"missing", *forms} | ({"lengths"} if "tokens" in forms else set())
    words = {words_file(modality)} if "tokens" in forms else set()
    return {f"{FOLDER}/{modality}.{part}.npy" for part in parts} | words


def words_file(modality: str) -> str:
    """Path within a data set's folder of the file that names a modality's tokens."""
    return f"{FOLDER}/{modality}.words.parquet"


def _write_form(folder: Path, modality: str, form: str, features: Features) -> FormEntry:
    values: np.ndarray = getattr(features, form)
    assert values.dtype in DTYPES
    np.save(_path(folder, modality, form), np.ascontiguousarray(values))
    return FormEntry(
        width=values.shape[-1],
        dtype=values.dtype.name,
        rows=len(values),
        layers=values.shape[1] if form == "layers" else None,
        encoder=features.encoders.get(form),
    )


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
    missing = None
    if entry.coverage < 1:
        missing = torch.from_numpy(_load(_path(folder, modality, "missing"), (rows,), "bool"))
    return Modality(
        name=modality,
        tokens=_tokens(folder, modality, entry.tokens, rows),
        pooled=_mapped(_path(folder, modality, "pooled"), entry.pooled),
        layers=_mapped(_path(folder, modality, "layers"), entry.layers),
        missing=missing,
    )


def load_words(folder: Path, modality: str, entry: FormEntry, *, rows: int, item: int) -> list[str]:
    """What one item's tokens stand for.

    Args:
        folder: the data set's folder.
        modality: which has a file of words.
        entry: what the manifest says of its tokens.
        rows: items and padding.
        item: whose.

    Raises:
        DataError: a file is unreadable, or not of as many tokens as the manifest says.
    """
    path = folder / words_file(modality)
    words = read_parquet(path, (WORD,))[WORD]
    if len(words) != entry.rows:
        raise DataError(corrupt(path, f"it must name {entry.rows} tokens"))
    lengths = _lengths(folder, modality, entry, rows)
    start = int(lengths[:item].sum())
    return [str(word) for word in words[start : start + int(lengths[item])].to_pylist()]


def _tokens(
    folder: Path, modality: str, entry: FormEntry | None, rows: int
) -> TokenFeatures | None:
    if entry is None:
        return None
    lengths = _lengths(folder, modality, entry, rows)
    values = _load(_path(folder, modality, "tokens"), entry.shape, entry.dtype)
    return TokenFeatures(torch.from_numpy(values), torch.from_numpy(lengths))


def _lengths(
    folder: Path, modality: str, entry: FormEntry, rows: int
) -> Int32[np.ndarray, " rows"]:
    path = _path(folder, modality, "lengths")
    lengths: Int32[np.ndarray, " rows"] = _load(path, (rows,), "int32")
    if lengths.sum() != entry.rows:
        raise DataError(corrupt(path, f"the lengths must add up to {entry.rows} tokens"))
    return lengths


def _mapped(path: Path, entry: FormEntry | None) -> torch.Tensor | None:
    if entry is None:
        return None
    return torch.from_numpy(_load(path, entry.shape, entry.dtype))


def _load(path: Path, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """A memory-mapped array, refused unless it has the shape and type expected of it."""
    try:
        values = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(corrupt(path, f"it is no readable array ({error})")) from None
    if values.shape != shape or values.dtype.name != dtype:
        raise DataError(corrupt(path, f"it must be {dtype} of shape {shape}"))
    return np.asarray(values)
