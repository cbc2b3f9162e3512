"""Serve: a `Document` as PDF with ReportLab: searchable text, page numbers, title and author, fonts embedded.

Input: a `Document`. Output: the bytes of the file. A character that the font lacks is written as [U+5C71], never
dropped: two different names must not look alike.
"""

import unicodedata
from functools import cache
from html import escape
from io import BytesIO
from pathlib import Path

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, LongTable, PageTemplate, Spacer
from reportlab.platypus import Paragraph as Block

from triage.serve.pages.document import Document, Paragraph, Section, Table

MARGIN = 18 * mm
WIDTH = A4[0] - 2 * MARGIN
PADDING = 4
WORD_WIDTH = 110
"""Longer words, such as digests, are broken."""
RULE = colors.HexColor("#b8c1ca")
HEAD = colors.HexColor("#e9edf1")
WARNING = colors.HexColor("#fff1cc")
# Fonts in the order of preference; DejaVu has Greek, Cyrillic and all of Latin, Vera (in ReportLab) the west of Europe.
_DEJAVU = Path("/usr/share/fonts/truetype/dejavu")
_FONTS = ((_DEJAVU / "DejaVuSans.ttf", _DEJAVU / "DejaVuSans-Bold.ttf"), (Path("Vera.ttf"), Path("VeraBd.ttf")))


def pdf(document: Document) -> bytes:
    """The document as one file."""
    file = BytesIO()
    regular, _ = _fonts()
    template = BaseDocTemplate(
        file,
        pagesize=A4,
        title=_readable(document.title, regular),
        author=_readable(document.author, regular),
        subject=_readable(document.subtitle, regular),
        creator="mammography triage",
        lang="en",
    )
    frame = Frame(MARGIN, MARGIN, WIDTH, A4[1] - 2 * MARGIN, leftPadding=0, rightPadding=0, topPadding=0)
    template.addPageTemplates(PageTemplate("page", [frame]))
    template.build(_flow(document), canvasmaker=_numbering(document.title))
    return file.getvalue()


@cache
def _fonts() -> tuple[TTFont, TTFont]:
    """The regular and the bold font of the first pair that this machine has."""
    regular, bold = next((pair for pair in _FONTS[:-1] if all(path.is_file() for path in pair)), _FONTS[-1])
    pair = TTFont("Text", str(regular)), TTFont("Text-Bold", str(bold))
    for font in pair:
        pdfmetrics.registerFont(font)
    pdfmetrics.registerFontFamily("Text", normal="Text", bold="Text-Bold", italic="Text", boldItalic="Text-Bold")
    return pair


def _readable(text: str, font: TTFont) -> str:
    """The text with every character that the font lacks, and every invisible one, written as its code point."""
    known = font.face.charToGlyph

    def shown(character: str) -> str:
        if character.isspace():
            return " "
        visible = unicodedata.category(character)[0] != "C"
        return character if visible and ord(character) in known else f"[U+{ord(character):04X}]"

    return "".join(shown(character) for character in unicodedata.normalize("NFC", text))


def _style(name: str, size: float, bold: bool = False, **more: object) -> ParagraphStyle:
    font = "Text-Bold" if bold else "Text"
    # A digest of 64 characters may run over several lines.
    return ParagraphStyle(name, fontName=font, fontSize=size, leading=size * 1.35, splitLongWords=1, **more)


_BODY = _style("body", 9, spaceAfter=5)
_CELL = _style("cell", 7.5)
_HEAD_CELL = _style("head", 7.5, bold=True)
_CAPTION = _style("caption", 9, bold=True, spaceBefore=6, spaceAfter=3, keepWithNext=1)
_TITLE = _style("title", 15, bold=True, spaceAfter=3)
_HEADING = _style("heading", 12, bold=True, spaceBefore=12, spaceAfter=5, keepWithNext=1)
_NOTICE = _style(
    "notice", 9, bold=True, backColor=WARNING, borderPadding=5, spaceBefore=7, spaceAfter=9, leftIndent=5, rightIndent=5
)


def _block(text: str, style: ParagraphStyle) -> Block:
    regular, bold = _fonts()
    return Block(escape(_readable(text, bold if style.fontName == "Text-Bold" else regular)), style)


def _flow(document: Document) -> list[Flowable]:
    flow: list[Flowable] = [_block(document.title, _TITLE), _block(document.subtitle, _BODY)]
    flow += [_block(notice, _NOTICE) for notice in document.notices]
    for section in document.sections:
        flow += _section(section)
    return flow


def _section(section: Section) -> list[Flowable]:
    blocks: list[Flowable] = [_block(section.title, _HEADING)]
    for block in section.blocks:
        if isinstance(block, Paragraph):
            blocks.append(_block(block.text, _NOTICE if block.warning else _BODY))
        else:
            blocks += [_block(block.caption, _CAPTION), _table(block), Spacer(1, 6)]
    return blocks


def _table(table: Table) -> LongTable:
    head = [_block(text, _HEAD_CELL) for text in table.columns]
    rows = [[_block(text, _CELL) for text in row] for row in table.rows]
    style = [
        ("GRID", (0, 0), (-1, -1), 0.4, RULE),
        ("BACKGROUND", (0, 0), (-1, 0), HEAD),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ("LEFTPADDING", (0, 0), (-1, -1), PADDING),
        ("RIGHTPADDING", (0, 0), (-1, -1), PADDING),
    ]
    return LongTable([head, *rows], colWidths=_widths(table), repeatRows=1, style=style, hAlign="LEFT")


def _widths(table: Table) -> list[float]:
    """The width of the page: to each column its longest word, and the rest by the length of what stands there."""
    columns = list(zip(table.columns, *table.rows, strict=True))
    least = [max(_width(word) for cell in cells for word in (cell.split() or [""])) for cells in columns]
    least = [min(one, WORD_WIDTH) + 2 * PADDING + 1 for one in least]
    wanted = [min(46, max(map(len, cells))) for cells in columns]
    spare = max(0.0, WIDTH - sum(least))
    return [(one + spare * share / sum(wanted)) for one, share in zip(least, wanted, strict=True)]


def _width(word: str) -> float:
    return float(pdfmetrics.stringWidth(word, "Text-Bold", _CELL.fontSize))


def _numbering(title: str) -> type[Canvas]:
    """A canvas that writes `page of pages` under each page: how many there are is known only at the end."""
    regular, _ = _fonts()
    foot = _readable(title, regular)

    class Numbered(Canvas):  # type: ignore[misc]
        """Keeps the pages until the last one."""

        pages: list[dict[str, object]]

        def showPage(self) -> None:  # noqa: N802 - ReportLab's name
            """Ends a page, to be written by `save`."""
            self.pages = [*getattr(self, "pages", []), dict(self.__dict__)]
            self._startPage()

        def save(self) -> None:
            """Writes every page with its number."""
            pages = self.pages
            for number, page in enumerate(pages, 1):
                self.__dict__.update(page)
                self.setFont("Text", 7.5)
                self.setFillColor(colors.HexColor("#4f5c69"))
                self.drawString(MARGIN, MARGIN / 2, foot)
                self.drawRightString(A4[0] - MARGIN, MARGIN / 2, f"Page {number} of {len(pages)}")
                super().showPage()
            super().save()

    return Numbered
