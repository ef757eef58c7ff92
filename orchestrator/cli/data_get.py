"""``orch data get``: a public data set from its publisher, ready to train on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import data_lines, options

if TYPE_CHECKING:
    from orchestrator.api import DataResult
    from orchestrator.obtaining import Source


def get(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[SOURCE]", help="Which one; without it they are listed."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call it; by default what the source says.")
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A web folder of the files, instead of the publisher's."),
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Whether to fetch the items' pictures.")] = True,
    retry_pictures: Annotated[
        bool, typer.Option("--retry-pictures", help="Ask again for pictures that were missing.")
    ] = False,
    text_encoder: Annotated[
        str | None, typer.Option(help="What encodes texts; the paper's by default; or none.")
    ] = None,
    image_encoder: Annotated[
        str | None, typer.Option(help="What encodes pictures; the paper's by default; or none.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Items encoded at once.")] = 32,
    device: options.Device = "auto",
    timeout: Annotated[
        float, typer.Option(help="Seconds without a byte until a connection counts as lost.")
    ] = 30.0,
    retries: Annotated[int, typer.Option(help="Attempts in a row that may bring nothing.")] = 5,
    declarations: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A TOML file of further sources.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace a data set of that name made of other files.")
    ] = False,
    data_dir: options.DataDir = None,
) -> None:
    """Download a public data set, prepare it as the papers do, and encode it.

    Steps: download, k-core, numbers and order by time, texts, pictures, features. Typed again, the
    command goes on where it was cut and does nothing anew whose files are unchanged. Counts that
    differ from the paper's are told.

    Example: orch data get amazon-2014/beauty
    """
    from orchestrator import api

    if source is None:
        for found in api.sources(declarations).values():
            typer.echo(_line(found))
        return
    result = api.get_data(
        source,
        name=name,
        mirror=mirror,
        pictures=pictures,
        retry_pictures=retry_pictures,
        text_encoder=text_encoder,
        image_encoder=image_encoder,
        batch_size=batch_size,
        device=device,
        timeout=timeout,
        retries=retries,
        declarations=declarations,
        overwrite=overwrite,
        data_dir=data_dir,
        tell=typer.echo,
        progress=data_lines.progress(),
    )
    _tell(result)


def _line(source: "Source") -> str:
    expected = source.expected
    sizes = {} if expected is None else vars(expected)
    told = [f"{sizes[key]:,} {key}" for key in ("users", "items", "interactions") if sizes.get(key)]
    counts = f"; {', '.join(told)} ({expected.by})" if expected is not None else ""
    return f"{source.name}: stored as {source.dataset}{counts}"


def _tell(result: "DataResult") -> None:
    for modality, encoded in result.encoded.items():
        forms = result.source.publisher.encoders[modality].forms
        data_lines.tell_encoded(encoded, modality, forms)
    data_lines.tell_differences(result.source, result.differences)
    data_lines.tell_stored(result.dataset)
