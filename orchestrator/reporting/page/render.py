"""A page as HTML: every text is escaped, and nothing is taken from anywhere else."""

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from orchestrator.reporting.page.parts import Page

_FOLDER = Path(__file__).parent


def render(page: Page) -> str:
    """The page as one HTML document."""
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"data_uri": _data_uri, "markdown": _markdown, "sentence": _sentence}
    return environment.get_template("page.html.j2").render(page=page)


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{b64encode(content).decode()}"


def _markdown(text: str) -> Markup:
    """Tables, bold, italic and code; no HTML, no links and no pictures, whatever the text says."""
    parser = MarkdownIt("zero").enable(["table", "emphasis", "backticks", "escape", "newline"])
    parser.options["breaks"] = True
    parser.add_render_rule("table_open", _open_box)
    parser.add_render_rule("table_close", _close_box)
    tokens = parser.parse(text)
    _name_columns(tokens)
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - html is off


def _sentence(text: str) -> Markup:
    """A sentence, in which `names` stand as code."""
    parser = MarkdownIt("zero").enable("backticks")
    return Markup(parser.renderInline(text))  # noqa: S704 - html is off


def _open_box(self: RendererHTML, tokens: Sequence[Token], index: int, *_: object) -> str:
    """A table scrolls in a box of its own, also by the keyboard."""
    number = 1 + sum(token.type == "table_open" for token in tokens[:index])
    return f'<div class="box" tabindex="0" role="region" aria-label="Table {number}"><table>'


def _close_box(*_: object) -> str:
    return "</table></div>"


def _name_columns(tokens: Sequence[Token]) -> None:
    """Headers name their columns; a header without text is none."""
    heads = [place for place, token in enumerate(tokens) if token.type == "th_open"]
    for place in heads:
        opening, text, closing = tokens[place : place + 3]
        if text.content:
            opening.attrSet("scope", "col")
        else:
            opening.tag = closing.tag = "td"
