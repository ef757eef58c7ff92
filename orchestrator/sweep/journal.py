"""Optuna's journal file, mended where a full disk or a kill cut its last line."""

from pathlib import Path


def mend(path: Path) -> None:
    """Drop a last line that was not written to its end: Optuna would refuse the whole file."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
