"""``orch data info`` and ``orch data check``: what a data set holds, and whether it is sound."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import data_lines, options
from orchestrator.cli.columns import aligned
from orchestrator.cli.manage import EXIT_PROBLEM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.api import DataInfo
    from orchestrator.data import Manifest
    from orchestrator.diagnosis.statistics import Spread

Name = Annotated[
    str, typer.Argument(metavar="DATASET", help="A data set; `orch datasets` lists them.")
]
SHARES = (0.01, 0.1, 0.5)
"""Parts of the items, the most popular ones, whose share of the interactions is told."""


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(info)
    app.command()(check)


def info(
    dataset: Name,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw lengths and popularity into a folder."),
    ] = None,
    declarations: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A TOML file of further sources.")
    ] = None,
    data_dir: options.DataDir = None,
) -> None:
    """Tell counts, sparsity, lengths, popularity, modalities, origin, licence and hashes.

    Example: orch data info planted --plot figures
    """
    from orchestrator import api

    found = api.data_info(dataset, plot=plot, declarations=declarations, data_dir=data_dir)
    for line in _lines(found):
        typer.echo(line)
    if found.source is not None:
        typer.echo("")
        data_lines.tell_differences(found.source, found.differences)
    for path in found.figures:
        typer.echo(f"{path.suffix[1:].upper()}: {path}")


def _lines(found: "DataInfo") -> "Iterator[str]":
    manifest, counted = found.dataset.manifest, found.statistics
    label = " (synthetic)" if manifest.origin.synthetic else ""
    yield f"{found.dataset.name}{label}: {manifest.size_text}"
    yield f"sparsity   {counted.sparsity:.3%}, {counted.repeats:,} repeated pairs"
    yield f"evaluated  {counted.evaluated:,} users; {manifest.counts.training_targets:,} targets"
    tops = ", ".join(f"{part:.0%}: {counted.share_of_top(part):.1%}" for part in SHARES)
    yield f"popular    of the interactions the most popular items have: {tops}"
    yield ""
    yield from _spreads({"per user": counted.length_spread, "per item": counted.popularity_spread})
    yield ""
    yield from _modalities(found)
    yield from _origin(manifest)


def _spreads(spreads: "dict[str, Spread]") -> "list[str]":
    from orchestrator.diagnosis.statistics import QUANTILES

    ends = {0.0: "least", 0.5: "median", 1.0: "most"}
    header = ("interactions", "mean", *(ends.get(each, f"{each:.0%}") for each in QUANTILES))
    rows = [
        (name, f"{spread.mean:.2f}", *(f"{value:,.0f}" for value in spread.quantiles))
        for name, spread in spreads.items()
    ]
    return aligned(header, rows)


def _modalities(found: "DataInfo") -> "Iterator[str]":
    items = found.dataset.items
    texts = sum(bool(text.strip()) for text in items.texts)
    pictures = sum(image is not None for image in items.images)
    yield f"texts      {texts:,} of {items.num_items:,} items"
    yield f"pictures   {pictures:,} of {items.num_items:,} items"
    for name, entry in found.dataset.manifest.modalities.items():
        for form, made in entry.forms.items():
            shape = " x ".join(f"{size:,}" for size in made.shape)
            by = f" by {made.encoder.name} ({made.encoder.revision[:12]})" if made.encoder else ""
            yield f"{name} {form}: {shape} {made.dtype}, {entry.coverage:.1%} of the items{by}"


def _origin(manifest: "Manifest") -> "Iterator[str]":
    origin = manifest.origin
    yield f"data hash  {manifest.data_hash}"
    yield f"imported   by {origin.importer}"
    yield f"licence    {origin.licence}"
    for name, digest in origin.sources.items():
        yield f"source     {name}, SHA-256 {digest}"
    for note in origin.notes:
        yield f"note       {note}"


def check(dataset: Name, data_dir: options.DataDir = None) -> None:
    """Verify a stored data set: hash of every file, counts, ranges, what is missing.

    Exit code 1 where something is wrong.

    Example: orch data check planted
    """
    from orchestrator import api

    found = api.check_data(dataset, data_dir=data_dir, progress=data_lines.progress())
    for one in found:
        typer.echo(f"{'WRONG' if one.problems else 'ok':5}  {one.subject}: {one.looked_at}")
        for problem in one.problems:
            typer.echo(f"       {problem}")
    if any(one.problems for one in found):
        typer.echo(f"{dataset} is damaged: make it anew, with --overwrite.")
        raise typer.Exit(EXIT_PROBLEM)
