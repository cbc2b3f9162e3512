"""Decide: CSV text or JSON objects to columns of texts, with the number that people know each row by.

Nothing is interpreted here; what cannot be read as a table at all is said in words.
"""

import codecs
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from triage.decide.row_checks import COLUMNS, RowProblem

_SEPARATORS = ",;\t"
_HEADER = 1
_SCALARS = (str, int, float, type(None))


@dataclass(frozen=True)
class Table:
    """Columns of texts by name, and the number of each row (CSV: its line)."""

    columns: Mapping[str, tuple[str, ...]]
    numbers: tuple[int, ...]
    problems: tuple[RowProblem, ...] = ()

    broken: bool = False
    """Nothing can be said about single rows; the columns are at most names."""


def read_csv(text: str | bytes) -> Table:
    """The table of a CSV file with a header line."""
    decoded = _decoded(text) if isinstance(text, bytes) else text.removeprefix("\ufeff")
    if decoded is None:
        return _unreadable("not a text in UTF-8; save the file as 'CSV UTF-8'")
    if "\0" in decoded:
        return _unreadable("holds NUL characters and is no CSV file; save the file as 'CSV UTF-8'")
    first = next((line for line in io.StringIO(decoded) if line.strip()), "")
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(decoded, newline=""), delimiter=separator)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        return _unreadable(f"line {reader.line_num} cannot be read ({error}); check its quotation marks")
    if not lines:
        return _unreadable("the file is empty; send a header line and one row an image")
    return _table(lines)


def _table(lines: list[tuple[int, list[str]]]) -> Table:
    line, cells = lines[0]
    names = [cell.strip().lower() for cell in cells]
    faults = _header_faults(names, line)
    if faults:
        return Table(dict.fromkeys(names, ()), (), faults, broken=True)
    ragged = [(number, len(row)) for number, row in lines[1:] if len(row) != len(names)]
    problems = tuple(
        RowProblem(
            number, "", "", f"has {found} columns where the header has {len(names)}; quote values with separators"
        )
        for number, found in ragged
    )
    whole = [(number, row) for number, row in lines[1:] if len(row) == len(names)]
    if not whole:
        return Table(dict.fromkeys(names, ()), (), problems)
    columns = zip(*(row for _, row in whole), strict=True)
    stripped = {name: tuple(map(str.strip, column)) for name, column in zip(names, columns, strict=True)}
    return Table(stripped, tuple(number for number, _ in whole), problems)


def read_json(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The table of JSON objects; numbers become texts, null the empty one."""
    wrong = [number for number, row in enumerate(rows, 1) if not isinstance(row, Mapping)]
    if wrong:
        faults = tuple(RowProblem(number, "", "", "is no object with a value for each column") for number in wrong)
        return Table({}, (), faults, broken=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    faults = _header_faults(names, _HEADER) if names else ()
    if faults:
        return Table(dict.fromkeys(names, ()), (), faults, broken=True)
    columns: dict[str, tuple[str, ...]] = {}
    problems: list[RowProblem] = []
    for name in names or list(COLUMNS):
        values = [row.get(name) for row in rows]
        problems += (
            RowProblem(number, name, "", "neither a text nor a number")
            for number, value in enumerate(values, 1)
            if not isinstance(value, _SCALARS) or isinstance(value, bool)
        )
        columns[name] = tuple(map(_text, values))
    return Table(columns, tuple(range(1, len(rows) + 1)), tuple(problems))


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else "" if value is None else repr(value)


def _header_faults(names: Sequence[str], line: int) -> tuple[RowProblem, ...]:
    if not set(names) & set(COLUMNS):
        # Whatever stands there may be about a patient: it is not repeated.
        text = f"names none of the columns; the first line must name them: {', '.join(COLUMNS)}"
        return (RowProblem(line, "", "", text),)
    unknown = [name for name in dict.fromkeys(names) if name not in COLUMNS]
    twice = [name for name in COLUMNS if names.count(name) > 1]
    return (
        *(
            RowProblem(line, name[:40] or f"column {names.index(name) + 1}", "", "not a known column; leave it out")
            for name in unknown
        ),
        *(RowProblem(line, name, "", "named twice; leave one out") for name in twice),
    )


def _decoded(content: bytes) -> str | None:
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        return None


def _unreadable(why: str) -> Table:
    return Table({}, (), (RowProblem(_HEADER, "", "", why),), broken=True)
