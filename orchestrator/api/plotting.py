"""Figures of finished studies by kind, and the frames behind them, from MLflow alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.api.results import RESULTS
from orchestrator.errors import ConfigError, unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from orchestrator.tracking.stored import StoredStudy

_NAME = 100
"""Characters of a file's name that is made of studies' names."""


@dataclass(frozen=True, kw_only=True)
class Plotted:
    """A figure, the numbers behind it, and the files where it was written."""

    figure: "Figure"
    frame: pd.DataFrame
    """The numbers; ``study``, ``model`` and ``dataset`` say what each is of."""
    caption: str
    """What it shows and how to read it, in sentences for a paper's caption."""
    files: tuple[Path, ...] = ()

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        from orchestrator.reporting.style import rendered

        return rendered(self.figure, "png")


def plot(
    kind: str,
    *studies: str,
    metrics: Sequence[str] = (),
    factors: Sequence[str] = (),
    against: str | None = None,
    together: bool = False,
    preset: str | None = None,
    bare: bool = False,
    output: Path | None = None,
    formats: Sequence[str] = ("pdf", "png"),
    results: Path = RESULTS,
    tracking_uri: str | None = None,
    on_problem: Callable[[str], None] | None = None,
) -> Plotted:
    """A figure of one study, or of several with the panels of each.

    ::

        api.plot("sensitivity", "tame-a", "tame-b", factors=["text_queries"]).figure

    Args:
        kind: sensitivity, convergence, gradients, bars, forest, interactions, tsne, cold,
            importance, slice, contour, front, history, path, recall, unimodal or attention.
        studies: names of sweeps, ablations, paths and diagnoses.
        metrics: figures that runs log, such as ``test/recall@20``; by default the kind's own.
        factors: swept keys, whole or their last part; by default all.
        against: of ``cold``: the study whose base gains are over.
        together: of ``convergence``: all studies in one panel.
        preset: ieee-column, ieee-page, acm-column or acm-page: the width to draw for.
        bare: leave out title and notes; they are in :attr:`Plotted.caption`.
        output: a folder, or a file whose suffix is the format; None writes nothing.
        formats: pdf, png and svg, each at most once. Beside them the numbers are written as CSV,
            and of a bare figure the caption as text.
        results: the results folder.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.
        on_problem: told of what could not be taken into the store before.

    Raises:
        ConfigError: an unknown kind, preset, format or factor; a study that cannot give the kind.
        StoreError: no such study, none of its runs finished, a metric that is not logged, or a
            folder that cannot be written.
        DataError: studies of different data in one panel.
    """
    from orchestrator.reporting.plots.draw import Look, draw
    from orchestrator.reporting.plots.kind import Asked

    _check(kind, studies, preset, formats)
    stem, forms = _target(kind, studies, output, formats)
    open_study = _opener(results, tracking_uri, on_problem)
    opened = [open_study(name) for name in dict.fromkeys(studies)]
    other = open_study(against) if against else None
    asked = Asked(metrics=tuple(metrics), factors=tuple(factors), against=other)
    look = Look(preset=preset, is_bare=bare, together=together)
    drawn = draw(kind, opened, asked, look)
    plotted = Plotted(figure=drawn.figure, frame=drawn.frame, caption=drawn.caption)
    if stem is None:
        return plotted
    files = write_plotted(plotted, stem, forms, bare=bare)
    return Plotted(**{**vars(plotted), "files": files})


def frame(study: str, *, results: Path = RESULTS, tracking_uri: str | None = None) -> pd.DataFrame:
    """A study's runs: ``run_id``, ``status``, ``seed``, settings and final metrics by name.

    Those of an ablation or a diagnosis have a ``variant`` and a ``phase`` too.

    Args:
        study: the name of a sweep, an ablation, a path or a diagnosis.
        results: the results folder.
        tracking_uri: an MLflow store; by default ``MLFLOW_TRACKING_URI``, else SQLite in results.

    Raises:
        StoreError: there is no such study.
    """
    return _opener(results, tracking_uri, None)(study).runs


def kinds(
    study: str | None = None, *, results: Path = RESULTS, tracking_uri: str | None = None
) -> dict[str, str]:
    """Kind of figure -> what it shows; of a study, those that it can give.

    Raises:
        StoreError: there is no such study, or none of its runs has finished.
    """
    from orchestrator.reporting.plots.draw import abouts, listed

    if study is None:
        return dict(abouts())
    return listed(_opener(results, tracking_uri, None)(study))


def _check(kind: str, studies: Sequence[str], preset: str | None, formats: Sequence[str]) -> None:
    from orchestrator.reporting.plots.kinds import KINDS
    from orchestrator.reporting.style import FORMATS, PRESETS

    if kind not in KINDS:
        raise ConfigError(unknown("kind of figure", kind, KINDS))
    if not studies:
        raise ConfigError(f"`{kind}` of what? Name one study or more; `orch status` lists them.")
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"--preset: {unknown('preset', preset, PRESETS)}")
    for form in formats:
        if form not in FORMATS:
            raise ConfigError(f"--format: {unknown('format', form, FORMATS)}")
    if not formats:
        raise ConfigError(f"--format: name one or more of {', '.join(FORMATS)}.")


def _target(
    kind: str, studies: Sequence[str], output: Path | None, formats: Sequence[str]
) -> tuple[Path | None, tuple[str, ...]]:
    """Where the files go, without a suffix, and their formats."""
    from orchestrator.reporting.style import FORMATS

    if output is None:
        return None, ()
    if output.suffix[1:] in FORMATS:
        return output.with_suffix(""), (output.suffix[1:],)
    if output.exists() and not output.is_dir():
        raise ConfigError(
            f"--output: {output} is a file that is no figure. Name a folder, or a file that ends "
            f"in {', '.join(f'.{form}' for form in FORMATS)}."
        )
    named = "-".join(dict.fromkeys(studies))
    name = named if len(named) <= _NAME else f"{studies[0]}-and-{len(set(studies)) - 1}-more"
    return output / f"{name}-{kind}", tuple(dict.fromkeys(formats))


def _opener(
    results: Path, tracking_uri: str | None, on_problem: Callable[[str], None] | None
) -> Callable[[str], "StoredStudy"]:
    """What opens studies of the store; runs that wait in the spool are told to it first."""
    from orchestrator.tracking.mlflow import Tracker
    from orchestrator.tracking.reading import StoreReader
    from orchestrator.tracking.store import existing_uri
    from orchestrator.tracking.stored import StoredStudy

    uri = existing_uri(tracking_uri, results)
    if any((results / "spool").glob("*")):
        Tracker(uri, results, on_problem=on_problem or (lambda _: None))
    reader = StoreReader(uri)
    return lambda name: StoredStudy(reader, name)


def write_plotted(
    plotted: Plotted, stem: Path, formats: Sequence[str], *, bare: bool = False
) -> tuple[Path, ...]:
    """Write a figure and its numbers, once all files are made.

    Args:
        plotted: the figure.
        stem: the files' path, without an ending.
        formats: pdf, png and svg.
        bare: write the caption, too, as text.

    Raises:
        StoreError: the folder cannot be written.
    """
    from orchestrator.reporting.plots.draw import as_csv
    from orchestrator.reporting.style import rendered, write_whole

    content = {form: rendered(plotted.figure, form) for form in formats}
    content["csv"] = as_csv(plotted.frame)
    if bare:
        content["txt"] = f"{plotted.caption}\n".encode()
    return tuple(
        write_whole(stem.with_name(f"{stem.name}.{form}"), held) for form, held in content.items()
    )
