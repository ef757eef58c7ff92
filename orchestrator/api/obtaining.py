"""Public data sets from their publishers, whole and with features."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.api.encoding import encode
from orchestrator.data import Dataset, data_folder, open_dataset
from orchestrator.data.importing import checked_name
from orchestrator.encoding import Encoded
from orchestrator.errors import DataError
from orchestrator.obtaining import (
    Choices,
    Network,
    Obtained,
    Source,
    find_source,
    obtain,
    read_sources,
)

Modality = Literal["text", "image"]
NONE = "none"
"""In place of an encoder: make no features of this modality."""


@dataclass(frozen=True, kw_only=True)
class DataResult:
    """A public data set, as it is stored now."""

    source: Source
    dataset: Dataset
    was_there: bool
    """Whether it was stored before, made of the very same files."""
    differences: tuple[tuple[str, int, int], ...]
    """What was counted, how many the paper prints, and how many there are."""
    encoded: Mapping[Modality, Encoded]
    """What was encoded by this call, by modality."""


def sources(declarations: Path | None = None) -> dict[str, Source]:
    """The public data sets that can be had, by name.

    Args:
        declarations: a TOML file of further ones.

    Raises:
        ConfigError: a declaration is wrong.
    """
    return read_sources(declarations)


def get_data(
    source: str,
    *,
    name: str | None = None,
    mirror: str | None = None,
    pictures: bool = True,
    retry_pictures: bool = False,
    text_encoder: str | None = None,
    image_encoder: str | None = None,
    batch_size: int = 32,
    device: str = "auto",
    timeout: float = 30.0,
    retries: int = 5,
    declarations: Path | None = None,
    overwrite: bool = False,
    data_dir: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
    progress: Callable[[str, int, int], None] | None = None,
) -> DataResult:
    """Download a public data set, prepare it as the papers do, store it and encode it.

    The same call goes on where it was cut; what is done and whose files are unchanged is not done
    again.

    Args:
        source: one of :func:`sources`, such as ``amazon-2014/beauty``.
        name: what to call the data set; by default what the source says, such as ``beauty``.
        mirror: a folder on the web that holds the publisher's files, in place of the publisher's.
        pictures: fetch the items' pictures.
        retry_pictures: ask again for pictures that could not be had before.
        text_encoder: what encodes texts; by default what the paper used, and ``none`` for nothing.
        image_encoder: what encodes pictures, in the same way.
        batch_size: items that an encoder is given at once.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        timeout: seconds without a byte after which a connection counts as lost.
        retries: attempts in a row that may bring nothing.
        declarations: a TOML file of further sources.
        overwrite: replace a data set of that name, and features that other encoders made.
        data_dir: folder of data sets; by default ``ORCH_DATA``, else the user's cache.
        tell: hears the licence before the download, and then what each step came to.
        progress: hears what is done, how much of it is done, and how much there is.

    Raises:
        ConfigError: no such source, or a setting that cannot be.
        DataError: a file cannot be had or is damaged, a data set of that name is made of something
            else, or the disk refuses.
    """
    found = find_source(source, declarations)
    encoders = _encoders(found, text_encoder, image_encoder)
    obtained = obtain(
        found,
        Choices(
            name=checked_name(name or found.dataset),
            mirror=mirror,
            pictures=pictures,
            retry_pictures=retry_pictures,
            overwrite=overwrite,
        ),
        data_folder(data_dir),
        network=Network(timeout=timeout, retries=retries),
        tell=tell,
        progress=progress,
    )
    encoded: dict[Modality, Encoded] = {}
    for modality, encoder in _left(found, obtained, encoders, tell).items():
        encoded[modality] = encode(
            obtained.dataset.name,
            modality=modality,
            encoder=encoder,
            forms=found.publisher.encoders[modality].forms,
            batch_size=batch_size,
            device=device,
            overwrite=overwrite,
            data_dir=data_dir,
            progress=progress,
        )
    return DataResult(
        source=found,
        dataset=open_dataset(obtained.dataset.name, data_dir),
        was_there=obtained.was_there,
        differences=obtained.differences,
        encoded=encoded,
    )


def _encoders(source: Source, text: str | None, image: str | None) -> dict[Modality, str]:
    """What encodes each modality."""
    asked: dict[Modality, str | None] = {"text": text, "image": image}
    chosen = {
        modality: asked[modality] or declared.encoder
        for modality, declared in source.publisher.encoders.items()
    }
    for modality in asked.keys() - chosen.keys():
        if asked[modality] not in (None, NONE):
            what = {"text": "texts", "image": "pictures"}[modality]
            raise DataError(
                f"--{modality}-encoder: {source.name} comes without {what}. Leave it out."
            )
    return {modality: name for modality, name in chosen.items() if name != NONE}


def _left(
    source: Source,
    obtained: Obtained,
    encoders: Mapping[Modality, str],
    tell: Callable[[str], None],
) -> dict[Modality, str]:
    """What is still to be encoded, and by what."""
    left: dict[Modality, str] = {}
    for modality, encoder in encoders.items():
        if not _can_encode(obtained, modality):
            tell(f"{modality}: no item has any, so nothing is encoded")
        elif _is_encoded(obtained, modality, encoder, source.publisher.encoders[modality].forms):
            tell(f"{modality}: encoded before by {encoder}")
        else:
            left[modality] = encoder
    return left


def _can_encode(obtained: Obtained, modality: str) -> bool:
    """Whether any item has the modality; without pictures there are none to encode."""
    items = obtained.dataset.items
    return any(items.images) if modality == "image" else any(map(str.strip, items.texts))


def _is_encoded(obtained: Obtained, modality: str, encoder: str, forms: tuple[str, ...]) -> bool:
    """Whether all forms are there and made by this encoder."""
    entry = obtained.dataset.manifest.modalities.get(modality)
    folder = Path(encoder).expanduser()
    name = folder.resolve().name if folder.is_dir() else encoder
    made = {} if entry is None else entry.forms
    by = [made[form].encoder for form in forms if form in made]
    return len(by) == len(forms) and all(one is not None and one.name == name for one in by)
