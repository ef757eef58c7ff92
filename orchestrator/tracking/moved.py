"""A results folder that was moved or copied: its store finds its artifacts again.

MLflow keeps whole paths, and has no call that changes one, so the two columns that hold them are
changed in its SQLite file.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orchestrator.errors import StoreError
from orchestrator.tracking.store import REACH_SECONDS, database

ARTIFACTS = "mlartifacts"
"""Folder of artifacts in a results folder: in it a folder per experiment."""


def find_artifacts(uri: str, results: Path) -> int:
    """Let a store that lies in a results folder look for its artifacts in that folder.

    Only what lies there is changed: another store, and an experiment whose artifacts were kept in
    another results folder from the beginning, stay as they are.

    Returns:
        Experiments that were changed.

    Raises:
        StoreError: the database cannot be read or written.
    """
    file, here = database(uri), results.resolve()
    if file is None or file.resolve().parent != here or not file.exists():
        return 0
    try:
        with closing(sqlite3.connect(file, timeout=REACH_SECONDS)) as connection:
            moved = _moved(connection, here / ARTIFACTS)
            with connection:
                for experiment, old, new in moved:
                    _rewrite(connection, experiment, old, new)
    except sqlite3.Error as error:
        raise StoreError(
            f"{file}: its artifacts cannot be found ({error}). Check that it can be written."
        ) from None
    return len(moved)


def _moved(connection: sqlite3.Connection, here: Path) -> list[tuple[int, str, str]]:
    """Experiments whose artifacts lie in ``here``, though the store says otherwise."""
    found = connection.execute("SELECT experiment_id, artifact_location FROM experiments")
    pairs = [(experiment, str(old), _path(old)) for experiment, old in found if old]
    return [
        (experiment, old, (here / path.name).as_uri())
        for experiment, old, path in pairs
        if path is not None and path.parent.name == ARTIFACTS and path.parent != here
        if (here / path.name).is_dir()
    ]


def _path(uri: str) -> Path | None:
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _rewrite(connection: sqlite3.Connection, experiment: int, old: str, new: str) -> None:
    connection.execute(
        "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, experiment)
    )
    connection.execute(
        "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
        "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
        (new, len(old) + 1, experiment, len(old) + 1, f"{old}/"),
    )
