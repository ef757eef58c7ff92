"""What was reproduced before, as it is kept beside its tables: a file per exhibit and data set."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.reproduction.declared import Exhibit
from orchestrator.reproduction.part import Part, verdicts_text
from orchestrator.results import read_json, write_json

FOLDER = "reproductions"
"""In the results folder."""
FILE = "outcome.json"
STANDS_IN = "-stands-in"
"""After the name of a data set that is not the paper's."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """An exhibit's verdicts on one data set."""

    dataset: str
    stands_in: bool
    num_seeds: int
    """0 where nothing was trained."""
    changed: Mapping[str, object]
    """Settings that the user changed."""
    verdicts: Mapping[str, int]
    """Verdict -> how many claims have it."""
    studies: tuple[str, ...]

    def text(self) -> str:
        """In one line."""
        own = " (not the paper's data)" if self.stands_in else ""
        seeds = f", {self.num_seeds} seed{'s' * (self.num_seeds != 1)}" if self.num_seeds else ""
        changed = ", ".join(f"{key}={value}" for key, value in self.changed.items())
        told = f", with {changed}" if changed else ""
        return f"{self.dataset}{own}{seeds}{told}: {verdicts_text(self.verdicts)}"


def exhibit_folder(results: Path, exhibit: Exhibit) -> Path:
    """Where an exhibit's files go: those of all data sets together, and a folder per data set."""
    return results / FOLDER / exhibit.paper / exhibit.key


def place(results: Path, exhibit: Exhibit, dataset: str) -> Path:
    """Where an exhibit's files on a data set go; the folder's name says what stands in."""
    own = dataset if dataset in exhibit.datasets else f"{dataset}{STANDS_IN}"
    return exhibit_folder(results, exhibit) / own


def keep(part: Part, folder: Path) -> Path:
    """Write down what became of an exhibit.

    Raises:
        StoreError: the folder cannot be written.
    """
    path = folder / FILE
    plain = {
        "dataset": part.dataset,
        "stands_in": part.stands_in,
        "num_seeds": part.num_seeds if part.is_trained else 0,
        "changed": dict(part.changed),
        "verdicts": part.verdicts,
        "studies": list(part.studies),
    }
    write_json(path, plain)
    return path


def outcomes(results: Path, exhibit: Exhibit) -> tuple[Outcome, ...]:
    """What is known of an exhibit, the paper's own data sets first.

    Raises:
        StoreError: a file of it is damaged.
    """
    found = exhibit_folder(results, exhibit).glob(f"*/{FILE}")
    plain = [read_json(path) for path in sorted(found)]
    told = [Outcome(**{**one, "studies": tuple(one["studies"])}) for one in plain]
    return tuple(sorted(told, key=lambda one: one.stands_in))
