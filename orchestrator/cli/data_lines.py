"""What several commands of ``orch data`` print."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.columns import aligned

if TYPE_CHECKING:
    from orchestrator.data import Dataset
    from orchestrator.encoding import Encoded
    from orchestrator.obtaining import Source


def progress() -> Callable[[str, int, int], None]:
    """One line that counts up on a terminal; silent elsewhere."""
    import sys

    def show(what: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            typer.echo(f"\r{what}: {done:,} of {total:,}{end}", err=True, nl=False)

    return show


def tell_encoded(encoded: "Encoded", modality: str, forms: tuple[str, ...]) -> None:
    """What came out, what is missing, and where it is."""
    found, lacking = {"text": ("texts", "text"), "image": ("pictures", "picture")}[modality]
    dataset = encoded.dataset
    if encoded.num_resumed:
        typer.echo(f"{encoded.num_resumed:,} {found} were done before; went on from there.")
    tokens = f", {encoded.num_tokens / encoded.num_items:.1f} tokens per item"
    typer.echo(
        f"{dataset.name}: {modality} {', '.join(forms)} of {encoded.num_items:,} of "
        f"{dataset.num_items:,} items by {encoded.encoder}; width {encoded.width}"
        f"{tokens if 'tokens' in forms else ''}"
    )
    if encoded.num_missing:
        typer.echo(f"{encoded.num_missing:,} items have no {lacking} and are marked missing.")
    if encoded.num_cut:
        typer.echo(f"{encoded.num_cut:,} texts were longer than the limit and were cut.")


def tell_stored(dataset: "Dataset") -> None:
    """Where a data set is and how to use it."""
    typer.echo(f"Stored in {dataset.folder}. Use it with --dataset {dataset.name}.")


def tell_differences(source: "Source", counted: tuple[tuple[str, int, int], ...]) -> None:
    """The counts beside those that are printed."""
    if source.expected is None:
        return
    rows = [
        (name, f"{printed:,}", f"{here:,}", f"{here - printed:+,}" if here != printed else "equal")
        for name, printed, here in counted
    ]
    for line in aligned(("", source.expected.by, "here", "difference"), rows):
        typer.echo(line)
    if source.expected.counts == "rows":
        typer.echo(
            "Interactions are counted as rows of a history and a target, items with the padding, "
            "as there."
        )
