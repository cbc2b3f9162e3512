"""Decide: what the columns of a set may hold. Input: a column of texts. Output: its values, and each fault by row.

A column is checked by its different values, of which there are few, and rows are looked up only for wrong ones.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from triage.decide.operating_point import SCORE_DECIMALS

STRATUM = ("site", "manufacturer", "model", "software_version", "acquisition_type")
OPTIONAL = frozenset({"follow_up"})
_TEXT_LENGTH = 256
_SHOWN = 24
"""Characters of a wrong value that are repeated."""

_KEY = re.compile(r"[0-9a-f]{64}")
_UID = re.compile(r"[012](\.(0|[1-9][0-9]*)){3,}")  # PS3.5 section 9: at most 64 characters, checked beside
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class RowProblem:
    """One fault. `row` counts from 1; for CSV it is the line of the file."""

    row: int
    column: str
    value: str
    """As given and shortened; empty where it might name a patient."""
    problem: str
    """What is wrong and what to do."""

    def __str__(self) -> str:
        return ", ".join(
            part
            for part in (f"row {self.row}", self.column, repr(self.value) if self.value else "", self.problem)
            if part
        )


class _Wrong(ValueError):
    """A value is not as it must be; the message says what to do."""


def check(name: str, given: Sequence[str], numbers: Sequence[int]) -> tuple[tuple[Any, ...], list[RowProblem]]:
    """The values of a column and its faults; a wrong value becomes None.

    Args:
        name: one of COLUMNS.
        given: shape (n,), stripped texts.
        numbers: shape (n,), what each row is called.
    """
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for text in set(given):
        try:
            values[text] = COLUMNS[name](text)
        except _Wrong as error:
            values[text], wrong[text] = None, str(error)
    faults = (
        [
            RowProblem(number, name, _shown(name, text), wrong[text])
            for number, text in zip(numbers, given, strict=True)
            if text in wrong
        ]
        if wrong
        else []
    )
    return tuple(map(values.__getitem__, given)), faults


def relations(columns: Mapping[str, Sequence[Any]], numbers: Sequence[int]) -> list[RowProblem]:
    """Faults between rows: an image twice, an exam of two patients or of two devices."""
    faults = []
    for row, first in _repeated(columns):
        what = f"the same exam, laterality and view as row {numbers[first]}; keep one image of each"
        faults.append(RowProblem(numbers[row], "exam, laterality, view", "", what))
    for names, what in (
        (("patient",), "another patient than row {} of the same exam; an exam has one patient"),
        (STRATUM, "another device or site than row {} of the same exam; an exam has one"),
    ):
        faults += [
            RowProblem(numbers[row], ", ".join(names), "", what.format(numbers[first]))
            for row, first in _disagreeing(columns, names)
        ]
    return faults


def _repeated(columns: Mapping[str, Sequence[Any]]) -> list[tuple[int, int]]:
    """Rows of an image that an earlier row has, with that row. Rows whose key is wrong are faults already."""
    images = list(zip(columns["exam"], columns["laterality"], columns["view"], strict=True))
    if len(set(images)) == len(images):
        return []
    firsts: dict[tuple[Any, ...], int] = {}
    return [
        (row, firsts[image])
        for row, image in enumerate(images)
        if None not in image and firsts.setdefault(image, row) != row
    ]


def _disagreeing(columns: Mapping[str, Sequence[Any]], names: Sequence[str]) -> list[tuple[int, int]]:
    """Rows that differ in these columns from the first row of their exam, with that row."""
    exams = columns["exam"]
    values = list(zip(*(columns[name] for name in names), strict=True))
    if len(set(zip(exams, values, strict=True))) == len(set(exams)):
        return []
    firsts: dict[str, int] = {}
    return [
        (row, firsts[exam])
        for row, exam in enumerate(exams)
        if exam is not None and values[firsts.setdefault(exam, row)] != values[row]
    ]


def _shown(name: str, text: str) -> str:
    if name in ("patient", "exam"):
        return ""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _patient(text: str) -> str:
    key = text.lower()
    if not _KEY.fullmatch(key):
        raise _Wrong(
            f"{_length(text)}, no key of 64 hexadecimal digits; it might be a patient's ID: send its HMAC-SHA-256"
        )
    return key


def _exam(text: str) -> str:
    if len(text) <= 64 and _UID.fullmatch(text):
        return text
    key = text.lower()
    if not _KEY.fullmatch(key):
        raise _Wrong(
            f"{_length(text)}, neither a UID nor a key of 64 hexadecimal digits; it might be an accession number: "
            "send the Study Instance UID or an HMAC-SHA-256"
        )
    return key


def _length(text: str) -> str:
    return f"{len(text)} characters" if text else "empty"


def _device(text: str) -> str:
    if len(text) > _TEXT_LENGTH or not text.isprintable():
        raise _Wrong(f"longer than {_TEXT_LENGTH} characters or unprintable; send it as the DICOM header has it")
    return text


def _score(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise _Wrong("not a finite number; send the fused logit with a decimal point, or leave the image out")
    return round(float(text), SCORE_DECIMALS)


def _birads(text: str) -> int:
    if text not in ("0", "1", "2", "3", "4", "5", "6"):
        raise _Wrong("not a BI-RADS category; send 0 to 6 (4 for 4A, 4B and 4C)")
    return int(text)


def _one_of(*allowed: str) -> Callable[[str], str]:
    shown = ", ".join(one if one else repr(one) for one in allowed)

    def checked(text: str) -> str:
        found = next((one for one in allowed if one.lower() == text.lower()), None)
        if found is None:
            raise _Wrong(f"must be one of {shown}")
        return found

    return checked


COLUMNS: Mapping[str, Callable[[str], Any]] = {
    "patient": _patient,
    "exam": _exam,
    **dict.fromkeys(STRATUM, _device),
    "laterality": _one_of("L", "R"),
    "view": _one_of("CC", "MLO"),
    "score": _score,
    "birads": _birads,
    "follow_up": _one_of("no-cancer", "screen-detected", "interval", ""),
}
"""Every column by name, with what makes a value of its text."""
