"""Features made of a data set's texts and pictures."""

from collections.abc import Callable
from pathlib import Path

from orchestrator.data import data_folder, open_dataset
from orchestrator.data.importing import checked_name
from orchestrator.encoding import Encoded, Settings
from orchestrator.encoding import encode as encode_dataset


def encode(
    dataset: str,
    *,
    modality: str,
    encoder: str,
    forms: tuple[str, ...] = ("tokens", "pooled"),
    pooling: str = "cls",
    max_tokens: int | None = None,
    pool_patches: int | None = None,
    batch_size: int = 32,
    device: str = "auto",
    revision: str | None = None,
    dtype: str = "float16",
    save_as: str | None = None,
    overwrite: bool = False,
    data_dir: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Encoded:
    """Encode the texts or pictures of a data set's items and store the features with it.

    The same call goes on where an earlier one was cut.

    Args:
        dataset: name of a data set.
        modality: ``text`` or ``image``.
        encoder: a folder that transformers wrote, an installed package that carries one, or a name
            on the Hugging Face hub.
        forms: ``tokens`` (last hidden states), ``pooled`` (one vector), ``layers`` (the class
            token's state after the embedding and after each layer).
        pooling: pooled vector: ``cls``, the class token's state, or ``mean``, over tokens or
            patches.
        max_tokens: most tokens of a text; 64, or the encoder's limit where that is lower, unless
            set.
        pool_patches: average a picture's patches to a grid of so many by so many.
        batch_size: items that the encoder is given at once.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        revision: commit, branch or tag on the hub.
        dtype: of the stored values, ``float16`` or ``float32``.
        save_as: name of a new data set that has the features; the old one stays as it is.
        overwrite: replace forms that are there or, with ``save_as``, the data set of that name.
        data_dir: folder of data sets; by default ``ORCH_DATA``, else the user's cache.
        progress: hears what is encoded, how many items are done, and how many there are.

    Raises:
        ConfigError: a setting that cannot be, or an encoder that cannot be had.
        DataError: no such data set, nothing to encode, forms that are there already, a picture
            that cannot be read, or a disk that refuses.
    """
    settings = Settings(
        modality=modality,
        encoder=encoder,
        forms=tuple(dict.fromkeys(forms)),
        pooling=pooling,
        max_tokens=max_tokens,
        pool_patches=pool_patches,
        batch_size=batch_size,
        device=device,
        revision=revision,
        dtype=dtype,
    )
    folder = None
    if save_as is not None:
        folder = data_folder(data_dir) / checked_name(save_as, "--as")
    return encode_dataset(
        open_dataset(dataset, data_dir),
        settings,
        folder=folder,
        overwrite=overwrite,
        progress=progress,
    )
