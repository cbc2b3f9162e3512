"""Decide: labelled scores as people send them. Input: CSV text or JSON objects. Output: checked columns or all faults.

One row an image. Patients and exams come as keys that say nothing about the person: the keyed HMAC-SHA-256 that the
service itself uses, or for exams a UID. Whatever else stands there might be a patient's ID and is neither accepted nor
repeated in a message.
"""

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from triage.core.errors import TriageError
from triage.core.governance import Purpose
from triage.core.strata import Stratum
from triage.decide.operating_point import CalibrationSet
from triage.decide.row_checks import COLUMNS, OPTIONAL, STRATUM, RowProblem, check, relations
from triage.decide.row_reading import Table, read_csv, read_json

__all__ = ["COLUMNS", "OPTIONAL", "RowProblem", "Rows", "RowsRejected", "parse_csv", "parse_json"]

_NAMED = 5
"""Faults in the message of the error; the list has all."""
_FORMAT = 1


class RowsRejected(TriageError):
    """Rows of a set are not as they must be; `problems` names every one of them."""

    def __init__(self, problems: tuple[RowProblem, ...]) -> None:
        named = "; ".join(str(one) for one in problems[:_NAMED])
        more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        super().__init__(f"{len(problems)} {'fault' if len(problems) == 1 else 'faults'} in the rows: {named}{more}")
        self.problems = problems


@dataclass(frozen=True)
class Rows:
    """The columns of a set, all of the same length. A training set has its patients and nothing else."""

    patient: tuple[str, ...]
    exam: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    manufacturer: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    software_version: tuple[str, ...] = ()
    acquisition_type: tuple[str, ...] = ()
    laterality: tuple[str, ...] = ()
    view: tuple[str, ...] = ()
    score: tuple[float, ...] = ()
    birads: tuple[int, ...] = ()
    follow_up: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.patient)

    def calibration_set(self, bundle_sha256: str, preprocessing: str) -> CalibrationSet:
        """The rows as arrays, for scores made by this bundle with this preprocessing.

        Raises:
            TriageError: these are the patients of a training set.
        """
        self._need_scores()
        ids = {key: stratum.id for key, stratum in self._by_key(bundle_sha256, preprocessing).items()}
        return CalibrationSet(
            np.array(self.score, np.float64),
            np.array(self.birads, np.int8),
            np.array(self.patient, np.str_),
            np.array(self.exam, np.str_),
            np.array(self.follow_up, np.str_),
            np.array([ids[key] for key in self._stratum_keys()], np.str_),
        )

    def strata(self, bundle_sha256: str, preprocessing: str) -> dict[str, Stratum]:
        """Every stratum of the rows, by its id.

        Raises:
            TriageError: these are the patients of a training set.
        """
        self._need_scores()
        found = sorted(self._by_key(bundle_sha256, preprocessing).values())
        return {stratum.id: stratum for stratum in found}

    def to_bytes(self) -> bytes:
        """Compressed columns; the same rows give the same bytes."""
        columns = {one.name: _folded(getattr(self, one.name)) for one in fields(self)}
        return zlib.compress(json.dumps({"format": _FORMAT, "columns": columns}, separators=(",", ":")).encode(), 6)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Rows":
        """What `to_bytes` wrote.

        Raises:
            TriageError: the bytes are something else or damaged.
        """
        try:
            read = json.loads(zlib.decompress(content))
            if read["format"] != _FORMAT:
                raise ValueError(f"format {read['format']}")
            return cls(**{name: _unfolded(column) for name, column in read["columns"].items()})
        except (zlib.error, ValueError, TypeError, KeyError, IndexError) as error:
            raise TriageError(f"stored rows cannot be read ({error}); upload the set again") from error

    def _stratum_keys(self) -> Iterable[tuple[str, ...]]:
        return zip(*(getattr(self, name) for name in STRATUM), strict=True)

    def _by_key(self, bundle_sha256: str, preprocessing: str) -> dict[tuple[str, ...], Stratum]:
        return {
            key: Stratum(
                **dict(zip(STRATUM, key, strict=True)), bundle_sha256=bundle_sha256, preprocessing=preprocessing
            )
            for key in set(self._stratum_keys())
        }

    def _need_scores(self) -> None:
        if len(self.score) != len(self):
            raise TriageError("a training set has patients and no scores; choose a calibration or evaluation set")


def parse_csv(text: str | bytes, purpose: Purpose = Purpose.CALIBRATION) -> Rows:
    """Rows of a CSV file with a header line; comma, semicolon or tab between columns; rows are named by their line.

    Args:
        text: the file; bytes are read as UTF-8, or UTF-16 if they begin so.
        purpose: of a training set only the column `patient` is read.

    Raises:
        RowsRejected: with every fault.
    """
    return _rows(read_csv(text), purpose)


def parse_json(rows: list[dict[str, Any]], purpose: Purpose = Purpose.CALIBRATION) -> Rows:
    """Rows of a list of JSON objects, named 1, 2, 3, ...

    Raises:
        RowsRejected: with every fault.
    """
    return _rows(read_json(rows), purpose)


def _rows(table: Table, purpose: Purpose) -> Rows:
    names = ("patient",) if purpose is Purpose.TRAINING else tuple(COLUMNS)
    problems = list(table.problems)
    missing = [name for name in names if name not in table.columns and name not in OPTIONAL]
    if missing and set(table.columns) & set(COLUMNS):
        what = "add it" if len(missing) == 1 else "add them"
        problems.append(RowProblem(1, ", ".join(missing), "", f"missing; {what} (expected: {', '.join(names)})"))
    if missing or table.broken:
        raise RowsRejected(tuple(problems))
    columns: dict[str, tuple[Any, ...]] = {}
    for name in names:
        given = table.columns.get(name) or ("",) * len(table.numbers)
        columns[name], faults = check(name, given, table.numbers)
        problems += faults
    if not table.numbers and not problems:
        problems.append(RowProblem(1, "", "", "there is no row; send at least one"))
    if purpose is not Purpose.TRAINING:
        problems += relations(columns, table.numbers)
    if problems:
        raise RowsRejected(tuple(sorted(problems, key=lambda one: one.row)))
    return Rows(**columns)


def _folded(column: tuple[Any, ...]) -> dict[str, list[Any]] | list[Any]:
    """A column of texts as its different values and a number for each row; others as they are."""
    if not column or not isinstance(column[0], str):
        return list(column)
    places = {value: place for place, value in enumerate(dict.fromkeys(column))}
    return {"values": list(places), "rows": [places[value] for value in column]}


def _unfolded(column: dict[str, list[Any]] | list[Any]) -> tuple[Any, ...]:
    if isinstance(column, list):
        return tuple(column)
    values = column["values"]
    return tuple(values[place] for place in column["rows"])
