"""Accept: reading a header that may be wrong in any way. Input: a pydicom data set. Output: plain text and numbers.

An element that is absent reads as empty. An element that is present but cannot be read (wrong VR, value that is no
number, broken sequence) also reads as empty, and its keyword is kept in `Header.unreadable`, so that damage to an
optional element does not pass for its absence.
"""

import math
from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.valuerep import PersonName

_SCALARS = (str, int, float, PersonName)  # DS, IS and UID are subclasses of float, int and str


class Header:
    """A header whose readers never raise. Items of sequences share `unreadable` with the data set that holds them."""

    def __init__(self, dataset: Dataset, transfer_syntax_uid: str = "", unreadable: set[str] | None = None) -> None:
        self._dataset = dataset
        self.transfer_syntax_uid = transfer_syntax_uid
        self.unreadable: set[str] = set() if unreadable is None else unreadable

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Every value of an element as stripped text; NUL, which no database stores, is dropped."""
        value = self._value(keyword)
        values = list(value) if isinstance(value, MultiValue | list | tuple) else [] if value is None else [value]
        if not all(isinstance(item, _SCALARS) for item in values):
            self.unreadable.add(keyword)
            return ()
        try:
            return tuple(str(item).replace("\0", "").strip() for item in values)
        except Exception:  # a PersonName is decoded only here, by whatever character sets the file names
            self.unreadable.add(keyword)
            return ()

    def text(self, keyword: str) -> str:
        """The value as text, several values joined as DICOM joins them, so that `R\\L` is never taken for `R`."""
        return "\\".join(self.texts(keyword))

    def upper(self, keyword: str) -> str:
        """`text` in upper case, for terms that senders spell in either."""
        return self.text(keyword).upper()

    def number(self, keyword: str) -> float | None:
        """The value as a number, or None when absent or empty; anything else counts as unreadable."""
        text = self.text(keyword)
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
        self.unreadable.add(keyword)
        return None

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Every value as a number; none when absent, empty or, which counts as unreadable, anything else."""
        try:
            numbers = tuple(float(text) for text in self.texts(keyword) if text)
        except ValueError:
            numbers = (math.nan,)
        if all(math.isfinite(number) for number in numbers):
            return numbers
        self.unreadable.add(keyword)
        return ()

    def items(self, keyword: str) -> tuple["Header", ...]:
        """The items of a sequence."""
        value = self._value(keyword)
        if value is None:
            return ()
        if not isinstance(value, Sequence):
            self.unreadable.add(keyword)
            return ()
        return tuple(self._readable_items(keyword, value))

    def _readable_items(self, keyword: str, value: Sequence) -> Iterator["Header"]:
        for item in value:
            if isinstance(item, Dataset):
                yield Header(item, unreadable=self.unreadable)
            else:
                self.unreadable.add(keyword)

    def _value(self, keyword: str) -> Any:
        try:
            return self._dataset[keyword].value if keyword in self._dataset else None
        except Exception:  # values are parsed on access; a damaged one raises whatever its parser met
            self.unreadable.add(keyword)
            return None
