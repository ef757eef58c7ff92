"""``orch table``: comparisons, ablations and data sets as tables for papers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli import options
from orchestrator.cli.tracked import problem, short

if TYPE_CHECKING:
    from orchestrator.reporting.table import Table

Shape = Literal["text", "markdown", "latex", "csv"]
ENDINGS: dict[str, Shape] = {".txt": "text", ".md": "markdown", ".tex": "latex", ".csv": "csv"}
"""Of a file -> the form of the table in it."""

app = typer.Typer(
    name="table",
    help="Make tables for papers, as LaTeX, Markdown, CSV and on the terminal.",
    no_args_is_help=True,
)

Form = Annotated[
    Shape | None,
    typer.Option("--format", help="By default as the ending of --out says, else text."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write it here (.tex, .md, .csv, .txt)."),
]
Standalone = Annotated[
    bool,
    typer.Option("--standalone", help="LaTeX that compiles by itself, rather than to \\input."),
]
Published = Annotated[
    bool, typer.Option("--published", help="Set what the papers print beside, as theirs.")
]
Metrics = Annotated[
    str | None,
    typer.Option(help="By commas, such as recall@10,ndcg@10; of the test split."),
]


@app.command()
def comparison(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Comparisons, sweeps (their best points) or ablations (their bases).",
        ),
    ],
    metrics: Metrics = None,
    ours: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Tell the gain of this one over the best of the others.",
            autocompletion=options.complete_models,
        ),
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Show intervals in LaTeX too.")
    ] = False,
    published: Published = False,
    form: Form = None,
    standalone: Standalone = False,
    out: Out = None,
    results: options.Results = Path("results"),
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Make the papers' table of models: best, second, gain, and whether tests resolve it.

    Several names of one data set are set beside each other, several data sets below each other.

    Example: orch table comparison comparison-scientific-1a2b3c4d --format latex --standalone
    """
    chosen = _form(form, out, standalone=standalone)
    from orchestrator import api

    made = api.table_comparison(
        names,
        metrics=_words(metrics),
        ours=ours,
        has_intervals=intervals,
        has_published=published,
        results=results,
        tracking_uri=tracking_uri,
        on_problem=problem,
    )
    _give(made, chosen, out, standalone=standalone)


@app.command()
def ablation(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of an ablation.")],
    metrics: Metrics = None,
    published: Published = False,
    form: Form = None,
    standalone: Standalone = False,
    out: Out = None,
    results: options.Results = Path("results"),
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Make an ablation's table: variants against the base, tests and verdicts.

    Example: orch table ablation decorec-ablation-scientific-1a2b3c4d --out table.tex
    """
    chosen = _form(form, out, standalone=standalone)
    from orchestrator import api

    made = api.table_ablation(
        name,
        metrics=_words(metrics),
        has_published=published,
        results=results,
        tracking_uri=tracking_uri,
        on_problem=problem,
    )
    _give(made, chosen, out, standalone=standalone)


@app.command()
def statistics(
    datasets: Annotated[
        list[str],
        typer.Argument(metavar="DATASET...", help="Data sets; `orch datasets` lists them."),
    ],
    published: Published = False,
    form: Form = None,
    standalone: Standalone = False,
    out: Out = None,
    data_dir: options.DataDir = None,
) -> None:
    """Make the papers' table of data sets: users, items, interactions, length, sparsity.

    Example: orch table statistics planted scientific --format latex
    """
    chosen = _form(form, out, standalone=standalone)
    from orchestrator import api

    made = api.table_statistics(datasets, has_published=published, data_dir=data_dir)
    _give(made, chosen, out, standalone=standalone)


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",")]


def _form(form: Shape | None, out: Path | None, *, standalone: bool) -> Shape:
    """The form that is asked for.

    Raises:
        ConfigError: the file's ending says none, or only LaTeX can stand alone.
    """
    from orchestrator.errors import ConfigError

    if form is None and out is not None and out.suffix not in ENDINGS:
        raise ConfigError(
            f"--out cannot be {out}: its ending says no form. Use {', '.join(ENDINGS)}, or add "
            "--format."
        )
    by_ending: Shape = "text" if out is None else ENDINGS.get(out.suffix, "text")
    chosen = form or by_ending
    if standalone and chosen != "latex":
        raise ConfigError(
            f"--standalone cannot be used with {chosen}: it is of LaTeX. Add --format latex."
        )
    return chosen


def _give(made: "Table", form: Shape, out: Path | None, *, standalone: bool) -> None:
    """Print a table, or write it."""
    from orchestrator.reporting.style import write_whole

    text = made.written(form, is_standalone=standalone)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_whole(out, text.encode())
    typer.echo(short(out.resolve()))
