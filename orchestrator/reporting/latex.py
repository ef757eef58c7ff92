"""Tables of text cells as LaTeX, for papers: needs the package ``booktabs`` and nothing else."""

import dataclasses
from collections.abc import Mapping, Sequence

from orchestrator.reporting.blocks import Block, Mark, Marked

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "∞": r"$\infty$",
    "†": r"$^{\dagger}$",
}
_MARKS: Mapping[Mark, str] = {"best": r"\textbf", "second": r"\underline"}

_ROWS = 20
"""Rows of a float that fit a page, however many lines their names take."""


def escaped(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def as_latex(blocks: Sequence[Block], *, caption: str, label: str) -> str:
    r"""Floats for both columns of a page, each small enough for a page: the main ones first.

    Args:
        blocks: tables; each becomes a ``tabular``, or several where it is long.
        caption: stands above the first float.
        label: what ``\ref`` finds the first float by; later ones end in a number.
    """
    parts = [part for block in sorted(blocks, key=_is_aside) for part in _parts(block)]
    first, *others = _packed(parts)
    floats = [_float(first, escaped(caption), label)]
    for place, group in enumerate(others, start=2):
        names = " and ".join(
            dict.fromkeys(escaped(block.caption or block.header[0]) for block in group)
        )
        floats.append(_float(group, rf"{names}; see Table~\ref{{{label}}}.", f"{label}-{place}"))
    return "\n".join([r"% \usepackage{booktabs}", *floats])


def as_document(latex: str) -> str:
    """What :func:`as_latex` gave as a document that compiles by itself."""
    head = [
        r"\documentclass[10pt]{article}",
        r"\usepackage[a4paper,margin=2cm]{geometry}",
        r"\usepackage{booktabs}",
        r"\setlength{\belowcaptionskip}{6pt}",
        r"\begin{document}",
    ]
    return "\n".join([*head, latex.rstrip(), r"\end{document}", ""])


def _is_aside(block: Block) -> bool:
    return not block.is_main


def _parts(block: Block) -> list[Block]:
    """A table in parts of at most :data:`_ROWS` rows; sections of a longer one come apart."""
    if _num_rows(block) <= _ROWS:
        return [block]
    pieces = [
        dataclasses.replace(section, rows=section.rows[start : start + _ROWS])
        for section in block.sections
        for start in range(0, len(section.rows), _ROWS)
    ]
    return [dataclasses.replace(block, sections=(piece,)) for piece in pieces]


def _packed(blocks: Sequence[Block]) -> list[list[Block]]:
    """Main tables that fit together; each other one alone."""
    groups: list[list[Block]] = []
    for block in blocks:
        together = [*(groups[-1] if groups and block.is_main else []), block]
        if len(together) > 1 and sum(map(_num_rows, together)) <= _ROWS:
            groups[-1] = together
        else:
            groups.append([block])
    return groups


def _num_rows(block: Block) -> int:
    return sum(len(section.rows) for section in block.sections)


def _float(blocks: Sequence[Block], caption: str, label: str) -> str:
    """Blocks one under the other."""
    lines = [
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
    ]
    for place, block in enumerate(blocks):
        lines += [r"\par\medskip"] if place else []
        lines += _tabular(block)
    return "\n".join([*lines, r"\end{table*}", ""])


def _tabular(block: Block) -> list[str]:
    columns = len(block.header)
    form = rf"p{{0.18\textwidth}}{'r' * (columns - 1)}"
    lines = [rf"\begin{{tabular}}{{{form}}}", r"\toprule", _row(block.header)]
    for section in block.sections:
        lines.append(r"\midrule")
        if section.title:
            lines.append(rf"\multicolumn{{{columns}}}{{l}}{{\emph{{{escaped(section.title)}}}}} \\")
        lines += map(_row, section.rows)
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _row(cells: Sequence[str]) -> str:
    """Long names are broken, and not stretched."""
    return " & ".join([rf"\raggedright {escaped(cells[0])}", *map(_cell, cells[1:])]) + r" \\"


def _cell(text: str) -> str:
    """A cell, bold or underlined where it is marked."""
    if isinstance(text, Marked):
        return f"{_MARKS[text.mark]}{{{_unmarked(text)}}}"
    return _unmarked(text)


def _unmarked(text: str) -> str:
    """A number's sign is a minus, not a hyphen; a symbol is set as one."""
    if text == "d_z":
        return "$d_z$"
    if text[:1] == "-" and text[1:2].isdigit():
        return f"$-${escaped(text[1:])}"
    return escaped(text)
