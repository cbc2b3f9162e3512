"""Serve: a plain document of sections, paragraphs and tables, which a page and a PDF both show.

Nothing in it knows how it is shown, so what stands on the page stands in the file.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Table:
    """Every row has as many cells as there are columns; the first cell names the row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A part of the document under one heading."""

    title: str
    blocks: tuple[Paragraph | Table, ...]


@dataclass(frozen=True)
class Document:
    """A whole document."""

    title: str
    subtitle: str
    author: str
    """Printed names of those who signed."""
    file_stem: str
    """File name without its ending: letters, digits and hyphens."""
    notices: tuple[str, ...]
    """What must be read first; shown above everything else."""
    sections: tuple[Section, ...]
