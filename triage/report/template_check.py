"""Report: checks structured reports against templates, row by row, where dciodvfy and dsrdump look at modules only.

Input: a data set. Output: problems, each with the place in the tree and the row of PS3.16 that it breaks. Templates are
data (`rows_1500`, `rows_2010`, `rows_4000`); what no single row can say is in `document_check`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.dataset import Dataset

from triage.report.rows import Row
from triage.report.rows_1500 import TID_1500
from triage.report.rows_2010 import TID_2010
from triage.report.rows_4000 import TID_4000
from triage.report.tree import Item

ROOTS = MappingProxyType({"1500": TID_1500, "2010": TID_2010, "4000": TID_4000})
"""Root templates by template identifier."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    place: str
    """Positions in the tree, such as `1.9.2`; empty for the document as a whole."""
    row: str
    """The row or rule that is broken."""
    text: str


def check_rows(ds: Dataset) -> list[Problem]:
    """Every row that the tree of a structured report breaks; the template is the one that its root names."""
    root = Item(ds, "1")
    if not root.children:
        return [Problem("1", "content", "there is no content tree: not a structured report, or an empty one")]
    template = ROOTS.get(root.template)
    if template is not None:
        return _check(root, template)
    known = [one for one in ROOTS.values() if one.concepts and root.concept in one.concepts]
    if not known:
        said = root.template or "none"
        return [Problem("1", "template", f"template {said} is not known here; known are {', '.join(ROOTS)}")]
    return _check(root, known[0])


def _check(item: Item, row: Row) -> list[Problem]:
    """One item against its row, then everything below it."""
    problems = [Problem(item.place, row.name, text) for text in _wrong_in(item, row)]
    if item.is_reference:
        return problems
    matched = [(child, _row_of(child, row)) for child in item.children]
    for child, found in matched:
        if found is not None:
            problems += _check(child, found)
        elif not row.extensible:
            problems.append(Problem(child.place, row.name, f"{_named(child)} is not in the template"))
    return problems + _counts(item, row, [found for _, found in matched]) + _order(item, row, matched)


def _row_of(child: Item, parent: Row) -> Row | None:
    """The row that an item stands for: by its concept name, else by relationship and value type."""
    if child.is_reference:
        return next((row for row in parent.rows if row.by_reference), None)
    for row in parent.rows:
        if row.concepts and child.concept in row.concepts:
            return row
    for row in parent.rows:
        fits = child.type in row.types and child.relationship == row.relationship and not row.by_reference
        if row.concepts is None and fits:
            return row
    return None


def _wrong_in(item: Item, row: Row) -> list[str]:
    """What is wrong with the item itself."""
    wrong = []
    if item.relationship != row.relationship:
        wrong.append(f"relationship {item.relationship or 'none'}, not {row.relationship or 'none'}")
    if row.by_reference or item.is_reference:
        return wrong if row.by_reference and item.is_reference else [*wrong, "by value and by reference are mixed up"]
    if item.type not in row.types:
        wrong.append(f"value type {item.type or 'none'}, not {' or '.join(row.types)}")
    if row.concepts is not None and item.concept not in row.concepts:
        wrong.append(f"concept name {_coded(item.concept)} is not of the row")
    if row.values is not None and item.type == "CODE" and item.value not in row.values:
        wrong.append(f"value {_coded(item.value)} is not of the row's context group")
    if row.units is not None and item.type == "NUM" and item.unit not in row.units:
        wrong.append(f"unit {_coded(item.unit)} is not {' or '.join(sorted(value for value, _ in row.units))}")
    if row.template is not None and item.template != row.template:
        wrong.append(f"Content Template Sequence says {item.template or 'nothing'}, not {row.template}")
    return wrong


def _counts(item: Item, row: Row, found: Sequence[Row | None]) -> list[Problem]:
    problems = []
    for below in row.rows:
        times = sum(one is below for one in found)
        if times < below.least:
            problems.append(
                Problem(item.place, below.name, f"{times} times below {_named(item)}, at least {below.least}")
            )
        if below.most is not None and times > below.most:
            problems.append(
                Problem(item.place, below.name, f"{times} times below {_named(item)}, at most {below.most}")
            )
    return problems


def _order(item: Item, row: Row, matched: Sequence[tuple[Item, Row | None]]) -> list[Problem]:
    if not row.ordered:
        return []
    names = [one.name for one in row.rows]
    places = [(names.index(found.name), child) for child, found in matched if found is not None]
    return [
        Problem(child.place, row.rows[place].name, f"comes after {row.rows[before].name}; the order is significant")
        for (before, _), (place, child) in zip(places, places[1:], strict=False)
        if place < before
    ]


def _named(item: Item) -> str:
    return f"{item.type or 'item'} {_coded(item.concept)}"


def _coded(concept: tuple[str, str] | None) -> str:
    return f"({concept[0]}, {concept[1]})" if concept else "without a name"


def known_meanings() -> dict[tuple[str, str], str]:
    """Code meanings of every code that the rows name."""
    meanings: dict[tuple[str, str], str] = {}
    waiting = list(ROOTS.values())
    while waiting:
        row = waiting.pop()
        meanings |= dict(row.meanings)
        waiting += row.rows
    return meanings
