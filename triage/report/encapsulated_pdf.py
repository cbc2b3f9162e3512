"""Report: the summary as Encapsulated PDF, for archives and print.

Input: a finding, headers, the device. Output: a data set that holds the document. A sheet of paper leaves its header
behind, so identifiers are printed on it; a name may be of any script, which one typeface does not have, and is not.
"""

from collections.abc import Sequence
from io import BytesIO
from xml.sax.saxutils import escape

from pydicom.dataset import Dataset
from reportlab.lib.colors import black, grey
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from triage.core.finding import StudyFinding
from triage.report.composite import Device
from triage.report.conformance import conforming
from triage.report.kinds import DOCUMENT, begin
from triage.report.references import evidence_references
from triage.report.secondary_capture import source_items
from triage.report.summary import COLUMNS, TITLE, Summary, summarise
from triage.report.typeface import BOLD, REGULAR, drawable, is_drawable, register

_BODY = ParagraphStyle("body", fontName=REGULAR, fontSize=9, leading=13)
_SMALL = ParagraphStyle("small", _BODY, fontSize=8, leading=11, textColor=grey)
_STRONG = ParagraphStyle("strong", _BODY, fontName=BOLD)
_HEADING = ParagraphStyle("heading", _BODY, fontName=BOLD, fontSize=11, leading=15, spaceBefore=10, spaceAfter=3)
_OUTCOME = ParagraphStyle("outcome", _BODY, fontName=BOLD, fontSize=22, leading=30)
_BOXED = ParagraphStyle(
    "boxed", _STRONG, borderWidth=1, borderColor=black, borderPadding=5, spaceBefore=9, spaceAfter=9
)
_WIDTHS = (24 * mm, 42 * mm, 18 * mm, 21 * mm, 65 * mm)
_PLAIN = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 1),
]
_RULED = [("LINEBELOW", (0, 0), (-1, 0), 0.5, grey), *_PLAIN]
_IDENTIFIERS = (
    ("PatientID", "Patient ID"),
    ("AccessionNumber", "Accession number"),
    ("StudyDate", "Study date"),
)


def encapsulated_pdf(finding: StudyFinding, evidence: Sequence[Dataset], device: Device) -> Dataset:
    """The summary document; the same arguments give the same data set.

    Raises:
        TriageError: no header is given.
    """
    ds, sources = begin(finding, evidence, DOCUMENT, device)
    ds.ConversionType = "SYN"  # PS3.3 C.24.1
    ds.AcquisitionDateTime = ""
    ds.BurnedInAnnotation, ds.RecognizableVisualFeatures = "YES", "NO"
    ds.DocumentTitle, ds.ConceptNameCodeSequence = TITLE, []
    ds.SourceInstanceSequence = source_items(evidence_references(finding, sources))
    document = draw_document(summarise(finding, device), _identifiers(ds, finding))
    ds.MIMETypeOfEncapsulatedDocument, ds.EncapsulatedDocumentLength = "application/pdf", len(document)
    ds.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    return ds


def _identifiers(ds: Dataset, finding: StudyFinding) -> list[tuple[str, str]]:
    """Identifiers as they are; a misprinted one would be worse than none."""
    found = [(name, conforming(ds, keyword)) for keyword, name in _IDENTIFIERS]
    shown = [(name, value if is_drawable(value) else "see the header of the object") for name, value in found if value]
    return [*shown, ("Study UID", finding.study_instance_uid)]


def draw_document(summary: Summary, identifiers: Sequence[tuple[str, str]]) -> bytes:
    """The PDF. Without a date of its own, so that the same summary gives the same bytes."""
    register()
    buffer = BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
        title=TITLE,
        subject=summary.outcome,
        creator=TITLE,
        lang="en",
        invariant=1,
    )
    document.build(_story(summary, identifiers), onFirstPage=_foot, onLaterPages=_foot)
    return buffer.getvalue()


def _story(summary: Summary, identifiers: Sequence[tuple[str, str]]) -> list[Flowable]:
    story: list[Flowable] = [_paragraph(f"{TITLE} - preliminary result", _SMALL)]
    story += [_paragraph(summary.outcome, _OUTCOME), _paragraph(summary.sentence, _BODY), Spacer(1, 4)]
    story.append(_paragraph(summary.notice, _STRONG))
    if summary.demonstration:
        story.append(_paragraph(summary.demonstration, _BOXED))
    story += [_paragraph("Study", _HEADING), _pairs(identifiers)]
    story += [_paragraph("Views", _HEADING), _views(summary)]
    if summary.reasons:
        story += [_paragraph("Reasons", _HEADING), *(_paragraph(reason, _BODY) for reason in summary.reasons)]
    story += [_paragraph("How it was decided", _HEADING), _pairs(summary.facts), Spacer(1, 6)]
    return story + [_paragraph(remark, _SMALL) for remark in summary.remarks]


def _views(summary: Summary) -> Table:
    rows = [[_paragraph(name, _SMALL) for name in COLUMNS]]
    rows += [[_paragraph(cell, _BODY) for cell in row] for row in summary.rows]
    return Table(rows, colWidths=_WIDTHS, style=TableStyle(_RULED), repeatRows=1, hAlign="LEFT")


def _pairs(pairs: Sequence[tuple[str, str]]) -> Flowable:
    rows = [[_paragraph(name, _SMALL), _paragraph(value, _BODY)] for name, value in pairs]
    return Table(rows, colWidths=(36 * mm, 134 * mm), style=TableStyle(_PLAIN), hAlign="LEFT")


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(drawable(text)), style)


def _foot(canvas: Canvas, document: SimpleDocTemplate) -> None:
    canvas.setFont(REGULAR, 7)
    canvas.drawString(20 * mm, 10 * mm, f"Page {document.page}. No diagnosis, no assessment category.")
