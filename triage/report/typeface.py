"""Report: the typeface of summary page and PDF, and which characters it has.

Bitstream Vera comes with reportlab under a free licence, so that the page looks the same on every machine. It has Latin
letters only: a character that it lacks is drawn as a question mark, and an identifier with such a character not at all.
"""

from functools import cache
from pathlib import Path

import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

REGULAR, BOLD = "Vera", "VeraBd"


def file_of(name: str) -> Path:
    """The font's file."""
    return Path(reportlab.__file__).parent / "fonts" / f"{name}.ttf"


@cache
def register() -> None:
    """Makes both fonts known to reportlab."""
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, str(file_of(name))))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD)


@cache
def _characters() -> frozenset[int]:
    return frozenset(TTFont(REGULAR, str(file_of(REGULAR))).face.charToGlyph)


def drawable(text: str) -> str:
    """The text with a question mark for every character that cannot be drawn."""
    return "".join(one if ord(one) in _characters() else "?" for one in text)


def is_drawable(text: str) -> bool:
    """True if all of it can be drawn."""
    return drawable(text) == text
