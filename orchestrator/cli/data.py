"""``orch data``: data sets in and out of the user's folder of data sets."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options

app = typer.Typer(name="data", help="Import and make data sets.", no_args_is_help=True)


@app.command(name="import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder to read.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it; by default what the folder suggests.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a data set of that name.")] = False,
    data_dir: options.DataDir = None,
) -> None:
    """Import a data set; its layout is recognised.

    Layouts: NAME.train.inter with its companions (as UniSRec, MISSRec and DeCoRec publish), or
    sequences.txt with items.tsv and a folder of images, or ratings.tsv with items.tsv.

    Example: orch data import downloads/Scientific
    """
    from orchestrator import api

    dataset = api.import_data(
        path, name=name, data_dir=data_dir, overwrite=overwrite, progress=_progress()
    )
    targets = dataset.manifest.counts.training_targets
    typer.echo(f"{dataset.name}: {dataset.manifest.size_text}, {targets:,} training targets")
    typer.echo(f"Stored in {dataset.folder}. Use it with --dataset {dataset.name}.")


def _progress() -> Callable[[str, int, int], None]:
    """One line that counts up on a terminal; silent elsewhere."""
    import sys

    def show(what: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            typer.echo(f"\r{what}: {done:,} of {total:,}{end}", err=True, nl=False)

    return show


@app.command()
def planted(
    name: Annotated[str, typer.Option(help="What to call it.")],
    users: Annotated[int, typer.Option(help="Users.")] = 600,
    items: Annotated[int, typer.Option(help="Items.")] = 400,
    seed: Annotated[int, typer.Option(help="Seed of the generator.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace a data set of that name.")] = False,
    data_dir: options.DataDir = None,
) -> None:
    """Make a synthetic data set whose best possible ranking is known.

    Example: orch data planted --name planted-big --users 10000 --items 5000
    """
    from orchestrator import api

    dataset = api.make_planted(
        name, num_users=users, num_items=items, seed=seed, overwrite=overwrite, data_dir=data_dir
    )
    typer.echo(f"Stored in {dataset.folder}. Use it with --dataset {dataset.name}.")
