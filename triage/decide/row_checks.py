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
_NAMELESS = {
    "laterality": re.compile(r"B|LEFT|RIGHT|BOTH", re.IGNORECASE),
    "view": re.compile(r"ML|LM|LMO|XCC|XCCL|XCCM|FB|SIO|ISO", re.IGNORECASE),  # PS3.16 CID 4014
    "score": re.compile(r"[+-]?(NAN|INF|INFINITY|[0-9]{1,2},[0-9]{1,6}|[0-9]E[0-9]{1,3})", re.IGNORECASE),
    "birads": re.compile(r"[0-9]([A-C]|\.0)?", re.IGNORECASE),
    "follow_up": re.compile(r"UNKNOWN|CANCER|BENIGN|MALIGNANT|NORMAL", re.IGNORECASE),
}
"""Wrong values that are repeated: no name, no date and no number of a patient looks so. In a file whose columns have
moved, any of these may stand in any column."""
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]{1,3}")

_KEY = re.compile(r"[0-9a-f]{64}")
_UID = re.compile(r"[012](\.(0|[1-9][0-9]*)){3,}")  # PS3.5 section 9: at most 64 characters, checked beside
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class RowProblem:
    """One fault. `row` counts from 1; for CSV it is the line of the file."""

    row: int
    column: str
    value: str
    """As given; empty where it might name a patient, and then `problem` begins with its length."""
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
        [_fault(number, name, text, wrong[text]) for number, text in zip(numbers, given, strict=True) if text in wrong]
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


def _fault(number: int, name: str, text: str, why: str) -> RowProblem:
    nameless = _NAMELESS.get(name)
    if nameless and text and (nameless.fullmatch(text) or _PUNCTUATION.fullmatch(text)):
        return RowProblem(number, name, text, why)
    return RowProblem(number, name, "", f"{_length(text)}, {why}")


def _patient(text: str) -> str:
    key = text.lower()
    if not _KEY.fullmatch(key):
        raise _Wrong("no key of 64 hexadecimal digits; it might be a patient's ID: send its HMAC-SHA-256")
    return key


def _exam(text: str) -> str:
    if len(text) <= 64 and _UID.fullmatch(text):
        return text
    key = text.lower()
    if not _KEY.fullmatch(key):
        raise _Wrong(
            "neither a UID nor a key of 64 hexadecimal digits; it might be an accession number: "
            "send the Study Instance UID or an HMAC-SHA-256"
        )
    return key


def _length(text: str) -> str:
    return f"{len(text)} characters" if text else "empty"


def _site(text: str) -> str:
    if len(text) > _TEXT_LENGTH or not text.isprintable():
        raise _Wrong(f"longer than {_TEXT_LENGTH} characters or unprintable; send it as the DICOM header has it")
    return text


def _device(text: str) -> str:
    # Two devices that do not say what they are would share a threshold.
    if not text:
        raise _Wrong("and a device that is not named cannot be calibrated; send it as the DICOM header has it")
    return _site(text)


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
            raise _Wrong(f"not one of {shown}; send one of them")
        return found

    return checked


COLUMNS: Mapping[str, Callable[[str], Any]] = {
    "patient": _patient,
    "exam": _exam,
    **dict.fromkeys(STRATUM, _device),
    "site": _site,
    "laterality": _one_of("L", "R"),
    "view": _one_of("CC", "MLO"),
    "score": _score,
    "birads": _birads,
    "follow_up": _one_of("no-cancer", "screen-detected", "interval", ""),
}
"""Every column by name, with what makes a value of its text."""
