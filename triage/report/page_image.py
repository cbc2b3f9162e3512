"""Report: draws the summary page. Input: a summary. Output: 8-bit greyscale pixels, light on black.

Mammography workstations have greyscale displays, so nothing is said by colour. Black around light text does not blind a
reader in a dark room.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from triage.report.summary import COLUMNS, TITLE, Summary
from triage.report.typeface import BOLD, REGULAR, drawable, file_of

WIDTH, HEIGHT = 1280, 1440
MARGIN = 72
_BOTTOM = HEIGHT - 150
_WHITE, _LIGHT, _GREY, _LINE = 255, 225, 165, 90
_STOPS = (0, 180, 480, 590, 740)
"""Left edges of the columns, in pixels from the margin."""
_CUT_OFF = "More than fits on this page: see the structured report or the worklist."


@cache
def _font(bold: bool, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(file_of(BOLD if bold else REGULAR)), size)


class _Page:
    """A page that is filled from top to bottom. What does not fit is left out, and the page says so."""

    def __init__(self) -> None:
        self.image = Image.new("L", (WIDTH, HEIGHT), 0)
        self.draw = ImageDraw.Draw(self.image)
        self.y = MARGIN
        self.full = False

    def wrapped(self, text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
        """Lines of at most `width` pixels; a word that is longer is broken."""
        lines = [""]
        for word in drawable(text).split():
            longer = f"{lines[-1]} {word}".strip()
            if font.getlength(longer) <= width:
                lines[-1] = longer
                continue
            lines.append("")
            for letter in word:
                if font.getlength(lines[-1] + letter) > width:
                    lines.append("")
                lines[-1] += letter
        return [line for line in lines if line] or [""]

    def row(self, cells: Sequence[tuple[int, int, str, int]], size: int, bold: bool = False) -> None:
        """Cells of (left edge, width, text, grey value) side by side, each wrapped."""
        if self.full:
            return
        font, height = _font(bold, size), round(size * 1.4)
        columns = [(left, self.wrapped(text, width, font), grey) for left, width, text, grey in cells]
        needed = max(len(lines) for _, lines, _ in columns) * height
        if self.y + needed > _BOTTOM:
            self.full = True
            self.draw.text((MARGIN, _BOTTOM + 4), _CUT_OFF, fill=_LIGHT, font=_font(True, 22))
            return
        for left, lines, grey in columns:
            for number, line in enumerate(lines):
                self.draw.text((MARGIN + left, self.y + number * height), line, fill=grey, font=font)
        self.y += needed

    def text(self, text: str, size: int, grey: int = _LIGHT, bold: bool = False) -> None:
        """A paragraph over the whole width."""
        self.row([(0, WIDTH - 2 * MARGIN, text, grey)], size, bold)

    def heading(self, text: str) -> None:
        """A heading over a thin line."""
        self.y += 34
        self.text(text, 26, _WHITE, bold=True)
        self.rule()

    def rule(self, grey: int = _LINE) -> None:
        """A thin line."""
        if not self.full:
            self.y += 6
            self.draw.line([(MARGIN, self.y), (WIDTH - MARGIN, self.y)], fill=grey, width=2)
            self.y += 10


def draw_page(summary: Summary) -> NDArray[np.uint8]:
    """The page as pixels of shape (HEIGHT, WIDTH), 0 black."""
    page = _Page()
    page.text(f"{TITLE} - preliminary result", 26, _GREY)
    page.y += 20
    page.text(summary.outcome, 64, _WHITE, bold=True)
    page.y += 8
    page.text(summary.sentence, 30)
    page.y += 18
    page.text(summary.notice, 26, _WHITE, bold=True)
    if summary.demonstration:
        _boxed(page, summary.demonstration)
    _table(page, summary)
    if summary.reasons:
        page.heading("Reasons")
        for reason in summary.reasons:
            page.row([(0, 110, reason[:7], _GREY), (120, WIDTH - 2 * MARGIN - 120, reason[7:], _LIGHT)], 22)
    page.heading("How it was decided")
    for name, value in summary.facts:
        page.row([(0, 240, name, _GREY), (250, WIDTH - 2 * MARGIN - 250, value, _LIGHT)], 22)
    page.y += 14
    for remark in summary.remarks:
        page.text(remark, 20, _GREY)
    _footer(page)
    return np.asarray(page.image, dtype=np.uint8)


def _table(page: _Page, summary: Summary) -> None:
    page.heading("Views")
    edges = [*_STOPS, WIDTH - 2 * MARGIN]
    widths = [right - left - 14 for left, right in zip(edges, edges[1:], strict=False)]
    page.row([(left, width, name, _GREY) for left, width, name in zip(_STOPS, widths, COLUMNS, strict=True)], 20)
    page.y += 6
    for row in summary.rows:
        page.row([(left, width, cell, _LIGHT) for left, width, cell in zip(_STOPS, widths, row, strict=True)], 23)
        page.y += 8


def _boxed(page: _Page, text: str) -> None:
    page.y += 26
    top = page.y - 12
    font = _font(True, 26)
    page.draw.text((MARGIN + 18, page.y), drawable(text), fill=_WHITE, font=font)
    page.y += round(26 * 1.4)
    page.draw.rectangle([(MARGIN, top), (WIDTH - MARGIN, page.y + 8)], outline=_WHITE, width=2)
    page.y += 16


def _footer(page: _Page) -> None:
    """The patient is named by the object's header, which every viewer shows beside the page."""
    page.draw.line([(MARGIN, HEIGHT - 100), (WIDTH - MARGIN, HEIGHT - 100)], fill=_LINE, width=2)
    page.draw.text(
        (MARGIN, HEIGHT - 86),
        "No diagnosis, no assessment category. Patient and study: see the header that the viewer shows.",
        fill=_GREY,
        font=_font(False, 20),
    )
