"""Conformance: the little Markdown that the statement needs. Input: rows of plain text. Output: lines of Markdown."""

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; a vertical bar in a cell is escaped."""
    lines = [_row(columns), _row(["---"] * len(columns)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def section(title: str, *parts: str, level: int = 2) -> str:
    """A heading and what stands beneath it, an empty line between any two."""
    return "\n\n".join([f"{'#' * level} {title}", *parts])


def bullets(items: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {item}" for item in items)


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"
