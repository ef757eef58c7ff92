"""An exhibit as a paper prints it: one figure, or one table, over all data sets that were run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.api.exhibits import Asked
from orchestrator.api.plotting import Plotted, plot, write_plotted
from orchestrator.api.results import SweepResult
from orchestrator.api.tabling import table_comparison, table_statistics
from orchestrator.errors import OrchError
from orchestrator.reproduction.declared import Exhibit
from orchestrator.reproduction.kept import exhibit_folder

if TYPE_CHECKING:
    from orchestrator.reporting.table import Form, Table

_FIGURES: Mapping[str, str] = {"sweep": "sensitivity", "ablation": "forest"}
"""Kind of exhibit -> kind of figure."""
_VIEWS: Mapping[str, str] = {"clusters": "tsne"}
"""View of a diagnosis -> kind of figure, where their names differ."""
_ENDINGS: "Mapping[Form, str]" = {"latex": "tex", "markdown": "md", "csv": "csv"}


def write_whole_exhibit(
    exhibit: Exhibit, datasets: Sequence[str], results: Sequence[SweepResult], asked: Asked
) -> list[Path]:
    """Write what the paper prints: ``<key>.pdf`` and so on, beside the folders of its data sets.

    A figure has the panels of every data set, a table their rows below each other. Studies of which
    nothing could be drawn, as none of their runs finished, are left out; why the rest cannot stand
    together is told.

    Args:
        exhibit: what is reproduced.
        datasets: on which.
        results: the studies that ran for it.
        asked: how.

    Raises:
        StoreError: the folder cannot be written.
    """
    folder = exhibit_folder(asked.results.resolve(), exhibit)
    if exhibit.kind == "statistics":
        own = table_statistics(datasets, has_published=True, data_dir=asked.how.get("data_dir"))
        return _tables(own, folder / exhibit.key)
    names = [result.name for result in results if result.figures]
    if not names:
        return []
    try:
        made = _made(exhibit, names, asked)
    except OrchError as problem:
        asked.note(f"{exhibit.label} as a whole is not made: {problem}")
        return []
    if isinstance(made, Plotted):
        return list(write_plotted(made, folder / exhibit.key, ("pdf", "png")))
    return _tables(made, folder / exhibit.key)


def _made(exhibit: Exhibit, names: Sequence[str], asked: Asked) -> "Plotted | Table":
    """Its figure, or of a comparison its table; nothing is written."""
    uri = asked.how.get("tracking_uri")
    if exhibit.kind == "comparison":
        return table_comparison(
            names,
            ours=exhibit.model,
            has_published=True,
            results=asked.results,
            tracking_uri=uri,
            on_problem=asked.note,
        )
    kind = _VIEWS.get(exhibit.views, exhibit.views) or _FIGURES[exhibit.kind]
    metrics = exhibit.metrics if exhibit.kind != "diagnosis" else ()
    return plot(kind, *names, metrics=metrics, results=asked.results, tracking_uri=uri)


def _tables(table: "Table", stem: Path) -> list[Path]:
    """A table in the forms that a paper and a page take, and its numbers."""
    from orchestrator.reporting.style import write_whole

    return [
        write_whole(stem.with_suffix(f".{ending}"), table.written(form).encode())
        for form, ending in _ENDINGS.items()
    ]
