"""Lines of a table on a terminal."""

from collections.abc import Sequence


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Header, ruler and rows, cells flush left; a column that is empty in all rows is left out."""
    kept = [i for i in range(len(header)) if any(row[i] for row in rows)]
    table = [[row[i] for i in kept] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    ruled = [table[0], ["-" * width for width in widths], *table[1:]]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in ruled
    ]
