"""``orch data``: data sets in and out of the user's folder of data sets."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from orchestrator.cli import data_get, data_lines, data_look, options

app = typer.Typer(
    name="data", help="Get, import, encode, make and check data sets.", no_args_is_help=True
)
app.command()(data_get.get)
data_look.add_to(app)


@app.command(name="import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder to read.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it; by default what the folder suggests.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a data set of that name.")] = False,
    images: Annotated[
        Path | None, typer.Option(help="Folder of pictures, where they lie elsewhere.")
    ] = None,
    text_columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Columns of items.tsv that make the text; by default all that hold words.",
        ),
    ] = None,
    category_columns: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="Columns of items.tsv that hold categories; by default none."
        ),
    ] = None,
    min_interactions: Annotated[
        int | None,
        typer.Option(help="Least interactions of users and items of a ratings.tsv; 5 by default."),
    ] = None,
    data_dir: options.DataDir = None,
) -> None:
    """Import a data set; its layout is recognised.

    Layouts: NAME.train.inter with its companions (as UniSRec, MISSRec and DeCoRec publish), or
    sequences.txt with items.tsv and a folder of images, or ratings.tsv with items.tsv.

    Example: orch data import downloads/Scientific
    """
    from orchestrator import api

    dataset = api.import_data(
        path,
        name=name,
        data_dir=data_dir,
        overwrite=overwrite,
        images=images,
        text_columns=None if text_columns is None else _listed(text_columns),
        category_columns=None if category_columns is None else _listed(category_columns),
        min_interactions=min_interactions,
        progress=data_lines.progress(),
    )
    targets = dataset.manifest.counts.training_targets
    typer.echo(f"{dataset.name}: {dataset.manifest.size_text}, {targets:,} training targets")
    data_lines.tell_stored(dataset)


def _listed(text: str) -> tuple[str, ...]:
    """The parts of a list with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


@app.command()
def planted(
    name: Annotated[str, typer.Option(help="What to call it.")],
    users: Annotated[int, typer.Option(help="Users.")] = 600,
    items: Annotated[int, typer.Option(help="Items.")] = 400,
    distractors: Annotated[
        int, typer.Option(help="Tokens per text and image beside the one that tells.")
    ] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the generator.")] = 0,
    extras: Annotated[
        bool, typer.Option("--extras", help="Also clock times, categories and states of layers.")
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace a data set of that name.")] = False,
    data_dir: options.DataDir = None,
) -> None:
    """Make a synthetic data set whose best possible ranking is known.

    Example: orch data planted --name planted-big --users 10000 --items 5000
    """
    from orchestrator import api

    dataset = api.make_planted(
        name,
        num_users=users,
        num_items=items,
        num_distractors=distractors,
        seed=seed,
        has_extras=extras,
        overwrite=overwrite,
        data_dir=data_dir,
    )
    data_lines.tell_stored(dataset)


@app.command()
def encode(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="What to encode.")],
    modality: Annotated[Literal["text", "image"], typer.Option(help="What of it.")],
    encoder: Annotated[
        str, typer.Option(help="A folder, a package that carries an encoder, or a hub name.")
    ],
    forms: Annotated[
        str, typer.Option(metavar="A,B", help="What to store, of tokens, pooled and layers.")
    ] = "tokens,pooled",
    hidden_states: Annotated[
        bool, typer.Option("--hidden-states", help="Store layers alone: short for --forms layers.")
    ] = False,
    pooling: Annotated[
        Literal["cls", "mean"], typer.Option(help="The class token, or the mean over tokens.")
    ] = "cls",
    max_tokens: Annotated[
        int | None, typer.Option(help="Most tokens of a text; 64 or the encoder's limit.")
    ] = None,
    pool_patches: Annotated[
        int | None, typer.Option(metavar="G", help="Average a picture's patches to G x G.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Items encoded at once.")] = 32,
    device: options.Device = "auto",
    revision: Annotated[
        str | None, typer.Option(help="Commit, branch or tag of an encoder on the hub.")
    ] = None,
    dtype: Annotated[
        Literal["float16", "float32"], typer.Option(help="Type of the stored values.")
    ] = "float16",
    save_as: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Store as a new data set.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace these forms or, with --as, the data set of that name.")
    ] = False,
    data_dir: options.DataDir = None,
) -> None:
    """Make features of a data set's texts or pictures, through transformers.

    Forms: tokens are the last hidden states; pooled is one vector; layers is the class token's
    state after the embedding and after each layer. Forms that are there and not asked for stay.
    Typed again, the command goes on where it was cut.

    Example: orch data encode scientific --modality text --encoder bert-base-uncased
    """
    from orchestrator import api

    chosen = ("layers",) if hidden_states else _listed(forms)
    encoded = api.encode(
        dataset,
        modality=modality,
        encoder=encoder,
        forms=chosen,
        pooling=pooling,
        max_tokens=max_tokens,
        pool_patches=pool_patches,
        batch_size=batch_size,
        device=device,
        revision=revision,
        dtype=dtype,
        save_as=save_as,
        overwrite=overwrite,
        data_dir=data_dir,
        progress=data_lines.progress(),
    )
    data_lines.tell_encoded(encoded, modality, chosen)
    data_lines.tell_stored(encoded.dataset)
