"""Where an encoder lies: a folder, an installed package that carries one, or the hub.

Looked for in this order, so that a name on the hub is only asked for where nothing here has it;
for what lies here nobody touches the network. From the hub comes a snapshot in its local cache,
which is a folder like any other.
"""

import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from orchestrator.config import content_hash
from orchestrator.data.manifest import file_hash
from orchestrator.errors import ConfigError

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model-*.safetensors", "pytorch_model.bin", "pytorch_model-*.bin")
"""Patterns of the weights' files in the order that transformers prefers them."""
SETTINGS = ("*.json", "*.txt", "*.model")
"""Files beside the weights that decide what comes out."""


@dataclass(frozen=True)
class Located:
    """An encoder's files."""

    name: str
    """What to call it in a manifest: never a path of this machine."""
    revision: str
    """Commit on the hub, or SHA-256 of the weights."""
    folder: Path
    digest: str
    """Of everything in the folder that decides what comes out."""


def locate(encoder: str, revision: str | None) -> Located:
    """Find an encoder by name.

    Args:
        encoder: a folder, a package, or a name on the hub.
        revision: commit, branch or tag on the hub.

    Raises:
        ConfigError: there is none, or it cannot be fetched.
    """
    folder = Path(encoder).expanduser()
    is_folder = bool(encoder.strip()) and folder.is_dir()
    here = folder if is_folder else _packaged(encoder)
    if here is None:
        _refuse_path(encoder)
        return _from_hub(encoder, revision)
    if revision is not None:
        raise ConfigError(
            f"--revision: cannot be given for {encoder}, which lies here. Leave it out."
        )
    return _local(folder.resolve().name if is_folder else encoder, here)


def weights(folder: Path) -> list[Path]:
    """The files of a model's weights: those of the format that transformers prefers."""
    for pattern in WEIGHTS:
        if found := sorted(folder.glob(pattern)):
            return found
    return []


def _local(name: str, folder: Path) -> Located:
    if not (folder / CONFIG).is_file():
        raise ConfigError(
            f"--encoder: {folder} holds no {CONFIG}. Give a folder that transformers' "
            "save_pretrained wrote."
        )
    if not weights(folder):
        raise ConfigError(
            f"--encoder: {folder} holds no weights ({' or '.join(WEIGHTS)}). Give a folder that "
            "transformers' save_pretrained wrote."
        )
    hashes = {path.name: file_hash(path) for path in weights(folder)}
    revision = next(iter(hashes.values())) if len(hashes) == 1 else content_hash(hashes, length=64)
    beside = {path.name: file_hash(path) for pattern in SETTINGS for path in folder.glob(pattern)}
    return Located(name, revision, folder, content_hash({**hashes, **beside}))


def _packaged(name: str) -> Path | None:
    """The folder of the encoder that an installed package carries, if there is such a package."""
    try:
        files = importlib.metadata.distribution(name).files or []
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    folders = {Path(str(file.locate())).parent for file in files if file.name == CONFIG}
    found = sorted(folder for folder in folders if weights(folder))
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise ConfigError(f"--encoder: the package {name} carries several: {names}. Give a folder.")
    return found[0] if found else None


def _refuse_path(encoder: str) -> None:
    """Refuse what can only be meant as a folder."""
    if encoder.startswith((".", "/", "~")) or encoder.count("/") > 1 or not encoder.strip():
        raise ConfigError(
            f"--encoder: {encoder!r} is no folder. Give one that is there, or a name."
        )


def _from_hub(name: str, revision: str | None) -> Located:
    """A snapshot in the hub's local cache, fetched where it is not there."""
    import huggingface_hub

    try:
        for patterns in (WEIGHTS[:2], WEIGHTS[2:]):  # the older format only where there is no other
            folder = Path(
                huggingface_hub.snapshot_download(
                    name,
                    revision=revision,
                    allow_patterns=[*SETTINGS, *patterns],
                    ignore_patterns=["*/*"],
                )
            )
            if weights(folder):
                break
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ConfigError(
            f"--encoder: {name!r} is no folder and no installed package with an encoder, and the "
            f"Hugging Face hub does not give it ({reason}). Check the name, or give a folder."
        ) from None
    _check_download(name, folder)
    found = _local(name, folder)
    return Located(name, folder.name, folder, found.digest)


def _check_download(name: str, folder: Path) -> None:
    """Compare a snapshot's files with the checksums that the hub gave them.

    The cache keeps each file under its checksum: SHA-256 of large ones, git's of the others.

    Raises:
        ConfigError: a file was damaged on its way or on the disk.
    """
    for path in sorted(folder.iterdir()):
        blob = path.resolve()
        if not path.is_symlink() or len(blob.name) not in (40, 64):
            continue  # a file system without links keeps no checksum
        if blob.name != (file_hash(blob) if len(blob.name) == 64 else _git_hash(blob)):
            raise ConfigError(
                f"--encoder: {name!r}: {path.name} is not what the Hugging Face hub holds (its "
                f"checksum differs). Delete {blob} to fetch it again."
            )


def _git_hash(path: Path) -> str:
    content = path.read_bytes()
    head = f"blob {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()
