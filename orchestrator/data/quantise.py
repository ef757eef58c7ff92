"""Product-quantised codes of vectors, by faiss, kept in files named by what they follow from."""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8

if TYPE_CHECKING:
    from faiss import ProductQuantizer

ROUNDS = 20
"""In which the rotation and the codebooks are adapted to each other."""


class Codebooks(NamedTuple):
    """Form of a product quantiser."""

    num_codebooks: int
    num_centroids: int
    """Of each codebook: a power of two, 256 at most."""
    rotate: bool
    """Whether vectors are turned first so that little is lost (OPQ)."""


def quantised(
    vectors: Float32[np.ndarray, "items width"],
    learnt_from: Bool[np.ndarray, " items"],
    shape: Codebooks,
    *,
    kept: Path | None,
) -> UInt8[np.ndarray, "items codebooks"]:
    """Codes of vectors, looked up where they were made before.

    Args:
        vectors: to be encoded.
        learnt_from: those that the codebooks are learnt from.
        shape: of the quantiser.
        kept: folder of codes made before; where it cannot be written they are made anew each time.
    """
    if kept is None:
        return _codes(vectors, learnt_from, shape)
    file = kept / f"codes-{_key(vectors, learnt_from, shape)}.npy"
    with suppress(OSError, ValueError):  # not there, or not whole
        found = np.load(file, allow_pickle=False)
        if found.shape == (len(vectors), shape.num_codebooks) and found.dtype == np.uint8:
            return np.asarray(found)
    codes = _codes(vectors, learnt_from, shape)
    with suppress(OSError):
        _write(file, codes)
    return codes


def _key(vectors: np.ndarray, learnt_from: np.ndarray, shape: Codebooks) -> str:
    import faiss

    digest = hashlib.sha256(repr((vectors.shape, shape, ROUNDS, faiss.__version__)).encode())
    digest.update(np.ascontiguousarray(vectors).tobytes())
    digest.update(np.ascontiguousarray(learnt_from).tobytes())
    return digest.hexdigest()[:32]


def _write(file: Path, codes: np.ndarray) -> None:
    """Whole or not at all, whoever else writes the same."""
    file.parent.mkdir(exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            np.save(stream, codes, allow_pickle=False)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _codes(vectors: np.ndarray, learnt_from: np.ndarray, shape: Codebooks) -> np.ndarray:
    import faiss
    from threadpoolctl import threadpool_limits

    widened = _widened(vectors, shape.num_codebooks)
    bits = shape.num_centroids.bit_length() - 1
    with threadpool_limits(limits=1):  # sums in another order are other codes
        quantizer = faiss.ProductQuantizer(widened.shape[1], shape.num_codebooks, bits)
        quantizer.cp.min_points_per_centroid = 1  # fewer than it wants, and it would say so
        if shape.rotate:
            widened = _rotated(widened, widened[learnt_from], quantizer)
        quantizer.train(widened[learnt_from])
        packed = quantizer.compute_codes(widened)
        codes: np.ndarray = faiss.unpack_bitstrings(packed, shape.num_codebooks, bits)
    return codes.astype(np.uint8)


def _rotated(
    vectors: np.ndarray, learnt_from: np.ndarray, quantizer: "ProductQuantizer"
) -> np.ndarray:
    import faiss

    rotation = faiss.OPQMatrix(vectors.shape[1], quantizer.M)
    rotation.niter = ROUNDS
    rotation.pq = quantizer
    copies = -(-vectors.shape[1] // len(learnt_from))
    rotation.train(np.tile(learnt_from, (copies, 1)))  # of fewer vectors than width it crashes
    rotated: np.ndarray = rotation.apply(vectors)
    return rotated


def _widened(vectors: np.ndarray, num_codebooks: int) -> np.ndarray:
    """With zeros behind, so that the width is a multiple of the number of codebooks."""
    missing = -vectors.shape[1] % num_codebooks
    return np.ascontiguousarray(np.pad(vectors, ((0, 0), (0, missing))))
