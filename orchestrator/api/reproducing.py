"""Tables and figures of the papers: what is missing is run, and every claim gets a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pandas as pd

from orchestrator.api.exhibits import Asked, Ready, ready
from orchestrator.api.judging import counted_part, judged_part, written
from orchestrator.api.results import RESULTS, SweepResult
from orchestrator.api.way import How
from orchestrator.api.whole import write_whole_exhibit
from orchestrator.data import dataset_names, open_dataset
from orchestrator.errors import ConfigError, DataError, OrchError
from orchestrator.reproduction.declared import Exhibit, exhibits, find_exhibit
from orchestrator.reproduction.standing import Standing, how_to_get, lacks, standing
from orchestrator.sweep.prepare import at_least_one

if TYPE_CHECKING:
    from orchestrator.reproduction.part import Part


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What became of a table or figure of a paper."""

    name: str
    title: str
    parts: "tuple[Part, ...]"
    """One per data set."""
    claims: pd.DataFrame
    """A row per claim; see :func:`orchestrator.reproduction.part.claims_frame`."""
    values: pd.DataFrame
    """A row per subject and metric; see :func:`orchestrator.reproduction.part.values_frame`."""
    text: str
    """The same as the command line prints it."""
    left_out: Mapping[str, str]
    """Data sets of the paper that were not run -> why, and what brings them."""
    files: tuple[Path, ...]
    results: tuple[SweepResult, ...]
    """The studies that it was made from."""


def reproductions(*, results: Path = RESULTS, data_dir: Path | None = None) -> tuple[Standing, ...]:
    """Every table and figure: what it needs, whether it can run here, and its verdicts so far.

    Args:
        results: the results folder.
        data_dir: folder of data sets.

    Raises:
        StoreError: what is kept of one is damaged.
    """
    return tuple(
        standing(exhibit, results=results, data_dir=data_dir) for exhibit in exhibits().values()
    )


def reproduce(
    name: str,
    *,
    datasets: Sequence[str] = (),
    num_seeds: int = 5,
    tune: int | None = None,
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    **how: Unpack[How],
) -> Reproduction:
    """Run what a table or figure of a paper still needs, and compare it with the paper.

    The same call again goes on where it stopped; a run that anything did before is not run again.
    Tables, claims and figures go to ``reproductions/<paper>/<key>/<data set>`` in the results
    folder, and to the studies' runs in MLflow; the figure or table over all of these data sets, as
    the paper prints it, to ``reproductions/<paper>/<key>/<key>.*``.

    Args:
        name: such as ``decorec/table4``; :func:`reproductions` lists all.
        datasets: names of data sets; by default those of the paper that are here. One that is not
            the paper's stands in for them, and everything says so.
        num_seeds: seeds 0, 1, ... that everything is run with.
        tune: of a comparison of models: points of a search that each gets of its own; None runs
            each at its own settings on the data set.
        config: a TOML file of settings of the exhibit's model to begin from.
        overrides: dotted key -> value.
        how: see :class:`orchestrator.api.way.How`.

    Raises:
        OrchError: anything a user can mend, before the first run starts.
    """
    exhibit = find_exhibit(name)
    asked = _asked(num_seeds, tune, config, overrides, how)
    chosen, left_out = _chosen(exhibit, datasets, how.get("data_dir"))
    if exhibit.kind == "statistics":
        counted = [counted_part(exhibit, one, asked) for one in chosen]
        tables = [path for part in counted for path in written(part, (), asked)]
        tables += write_whole_exhibit(exhibit, chosen, (), asked)
        return _reported(exhibit, counted, tables, (), left_out)
    parts: list[Part] = []
    files: list[Path] = []
    studies: list[SweepResult] = []
    for dataset, job in _ready(exhibit, chosen, asked, left_out, is_named=bool(datasets)).items():
        asked.note(f"{exhibit.name} on {dataset}")
        found = job.run()
        parts.append(judged_part(exhibit, dataset, found, asked))
        files += written(parts[-1], found.results, asked)
        studies += found.results
    files += write_whole_exhibit(exhibit, chosen, studies, asked)
    return _reported(exhibit, parts, files, studies, left_out)


def plan_reproduction(
    name: str,
    *,
    datasets: Sequence[str] = (),
    num_seeds: int = 5,
    tune: int | None = None,
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    **how: Unpack[How],
) -> str:
    """What :func:`reproduce` would run with the same arguments, and its price, as text.

    Raises:
        OrchError: what :func:`reproduce` would refuse.
    """
    exhibit = find_exhibit(name)
    asked = _asked(num_seeds, tune, config, overrides, how)
    chosen, left_out = _chosen(exhibit, datasets, how.get("data_dir"))
    if exhibit.kind == "statistics":
        return f"{exhibit.name}: {', '.join(chosen)} are counted; nothing is trained."
    jobs = _ready(exhibit, chosen, asked, left_out, is_named=bool(datasets))
    told = [f"{exhibit.name} on {one}\n{job.price()}" for one, job in jobs.items()]
    return "\n\n".join([*told, *left_out_text(left_out)])


def left_out_text(left_out: Mapping[str, str]) -> list[str]:
    """A line per data set of the paper that was not run."""
    return [f"Not run on {dataset}: {reason}." for dataset, reason in left_out.items()]


def _asked(
    num_seeds: int,
    tune: int | None,
    config: Path | None,
    overrides: Mapping[str, Any] | None,
    how: How,
) -> Asked:
    return Asked(
        num_seeds=at_least_one("--seeds", num_seeds),
        tune=tune,
        config=config,
        overrides=overrides or {},
        how=how,
    )


def _chosen(
    exhibit: Exhibit, named: Sequence[str], data_dir: Path | None
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The data sets to run on, and why others of the paper are left out.

    Raises:
        ConfigError: there is nothing to run.
        DataError: none of the paper's is here, or a named one is not.
    """
    if exhibit.kind == "drawing":
        raise ConfigError(
            f"{exhibit.name}: is a drawing ({exhibit.about}): it measures nothing. "
            "`orch reproduce --list` shows what can be run."
        )
    known = dataset_names(data_dir)
    for dataset in named:
        if dataset not in known and dataset in exhibit.datasets:
            raise DataError(f"--dataset: `{dataset}` is not here: {how_to_get(dataset)}.")
        if dataset not in known:
            open_dataset(dataset, data_dir)  # says what there is
    if named:
        return tuple(dict.fromkeys(named)), {}
    here = tuple(one for one in exhibit.datasets if one in known)
    gone = {one: lacks(exhibit, one, data_dir) for one in exhibit.datasets if one not in known}
    if not here:
        told = "; ".join(f"{one}: {how_to_get(one)}" for one in gone)
        raise DataError(
            f"{exhibit.name}: none of its data sets is here ({told}). Get one, or let another "
            "stand in with --dataset."
        )
    return here, gone


def _ready(
    exhibit: Exhibit,
    chosen: Sequence[str],
    asked: Asked,
    left_out: dict[str, str],
    *,
    is_named: bool,
) -> dict[str, Ready]:
    """Everything checked before the first run starts; what is refused is left out with its reason.

    Raises:
        OrchError: a data set that was named is refused, or all are.
    """
    jobs: dict[str, Ready] = {}
    for dataset in chosen:
        try:
            jobs[dataset] = ready(exhibit, dataset, asked)
        except OrchError as error:
            if is_named or (len(jobs) == 0 and dataset == chosen[-1]):
                raise
            left_out[dataset] = str(error).rstrip(".")
    return jobs


def _reported(
    exhibit: Exhibit,
    parts: "Sequence[Part]",
    files: Sequence[Path],
    results: Sequence[SweepResult],
    left_out: Mapping[str, str],
) -> Reproduction:
    from orchestrator.reproduction.part import claims_frame, values_frame
    from orchestrator.reproduction.report import part_text

    told = [exhibit.title, *map(part_text, parts), "\n".join(left_out_text(left_out))]
    return Reproduction(
        name=exhibit.name,
        title=exhibit.title,
        parts=tuple(parts),
        claims=pd.concat(map(claims_frame, parts), ignore_index=True),
        values=pd.concat(map(values_frame, parts), ignore_index=True),
        text="\n\n".join(filter(None, told)),
        left_out=left_out,
        files=tuple(files),
        results=tuple(results),
    )
