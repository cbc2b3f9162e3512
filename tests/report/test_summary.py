"""The summary page and the PDF: what they say, and that they say it legibly."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pypdf
import pytest
from mg_headers import four_views
from report_findings import NORMAL, POINT, decided
from result_objects import made, results_of
from varied_findings import NAMES, studies

from triage.core.finding import Outcome
from triage.core.reasons import reason
from triage.report.codes import PRIVATE_CODES
from triage.report.composite import Device
from triage.report.encapsulated_pdf import draw_document
from triage.report.page_image import HEIGHT, WIDTH, draw_page
from triage.report.summary import banner, summarise
from triage.report.typeface import drawable, is_drawable

FORBIDDEN = ("bi-rads", "birads", "cancer", "probability", "malignan", "benign")


def printed(name: str, device: Device) -> str:
    document = pypdf.PdfReader(BytesIO(results_of(name, device)["pdf"].EncapsulatedDocument))
    return " ".join(" ".join(page.extract_text() for page in document.pages).split())


def everything(name: str, device: Device) -> str:
    finding, _ = studies()[name]
    page = summarise(finding, device)
    parts = [page.outcome, page.sentence, page.notice, page.demonstration, *page.reasons, *page.remarks]
    parts += [cell for row in (*page.rows, *page.facts) for cell in row]
    return " ".join([*parts, *(line for image in finding.images for line in banner(image, finding))])


@pytest.mark.parametrize("name", studies())
def test_no_page_claims_more_than_the_service_knows(name: str, device: Device) -> None:
    said = everything(name, device).casefold()
    assert not [word for word in FORBIDDEN if word in said]
    assert "every exam is read by a radiologist" in said
    parts = (studies()[name][0].bundle, studies()[name][0].operating_point)
    assert ("demonstration" in said) == any(part is not None and part.demonstration for part in parts)


def test_a_flagged_exam(device: Device) -> None:
    page = summarise(studies()["flagged"][0], device)
    assert (page.outcome, page.sentence) == (
        "Confidently normal",
        "Every view scored at or above the operating point.",
    )
    assert page.rows[2] == ("Right MLO", "At or above threshold", "2.500", "1.250", "")
    assert page.reasons == ()


def test_an_exam_that_is_not_flagged(device: Device) -> None:
    page = summarise(studies()["mixed"][0], device)
    assert "no sign of disease" in page.sentence
    assert page.rows[1] == ("Left CC", "Below threshold", "-0.750", "1.250", "")


def test_a_refused_exam_shows_coded_reasons_and_no_score(device: Device) -> None:
    page = summarise(studies()["implant"][0], device)
    assert page.outcome == "Not evaluated"
    assert {row[1] for row in page.rows} == {"Not evaluated"}
    assert {row[2] for row in page.rows} == {""}
    assert [one[:7] for one in page.reasons] == ["TRI-224", "TRI-214"]


def test_the_exam_score_is_shown_where_it_decides(device: Device) -> None:
    finding, _ = studies()["exam-normal"]
    facts = dict(summarise(finding, device).facts)
    assert facts["Exam score"].startswith("1.000")
    assert facts["Threshold"].startswith("0.500000; the least score of the exam")
    assert "Exam score" not in dict(summarise(studies()["flagged"][0], device).facts)
    refused = replace(finding, outcome=Outcome.NOT_EVALUATED, reasons=(reason("implant"),))
    assert "Exam score" not in dict(summarise(refused, device).facts)


def test_the_page_is_a_picture_of_its_words(device: Device) -> None:
    finding, _ = studies()["flagged"]
    page = draw_page(summarise(finding, device))
    assert page.shape == (HEIGHT, WIDTH)
    assert page.dtype == np.uint8
    assert 0.9 < (page == 0).mean() < 0.99
    assert page.max() == 255
    other = draw_page(summarise(studies()["mixed"][0], device))
    assert (page != other).mean() > 0.001
    without = draw_page(replace(summarise(finding, device), demonstration=""))
    assert (page != without).any()


def test_text_stays_within_its_margins_and_off_the_footer(device: Device) -> None:
    for name in ("every-reason", "long", "set-aside", "implant"):
        page = draw_page(summarise(studies()[name][0], device))
        assert page[:, :60].max() == page[:, WIDTH - 60 :].max() == 0
        assert page[HEIGHT - 118 : HEIGHT - 104].max() == 0, name


def test_what_does_not_fit_is_announced(device: Device) -> None:
    summary = summarise(studies()["every-reason"][0], device)
    fitting = replace(summary, reasons=summary.reasons[:3])
    foot = (slice(HEIGHT - 150, HEIGHT - 118), slice(None))
    assert draw_page(summary)[foot].max() > 0
    assert draw_page(fitting)[foot].max() == 0


@pytest.mark.parametrize("name", [*NAMES, "japanese"])
def test_the_page_names_nobody_and_the_header_does(name: str, device: Device) -> None:
    ds, plain = results_of(name, device)["sc"], results_of("flagged", device)["sc"]
    assert ds.PixelData == plain.PixelData
    assert ds.PatientName == studies()[name][1][0].PatientName
    assert ds.BurnedInAnnotation == "NO"


def test_the_print_names_the_study(device: Device) -> None:
    said = printed("flagged", device)
    assert "P-0001" in said
    assert "ACC0001" in said
    assert results_of("flagged", device)["pdf"].BurnedInAnnotation == "YES"
    assert "Doe" not in said


def test_an_identifier_is_printed_right_or_not_at_all(device: Device) -> None:
    datasets = four_views(PatientID="患者-1")
    ds = made(decided(datasets, [NORMAL] * 4), datasets, device, "pdf")
    assert ds is not None
    said = pypdf.PdfReader(BytesIO(ds.EncapsulatedDocument)).pages[0].extract_text()
    assert "see the header" in said
    assert "?" not in said


@pytest.mark.parametrize("name", ["flagged", "mixed", "implant", "exam-normal"])
def test_the_print_says_what_the_page_says(name: str, device: Device) -> None:
    summary, said = summarise(studies()[name][0], device), printed(name, device)
    for part in (summary.outcome, summary.sentence, summary.notice, summary.demonstration, *summary.remarks):
        assert part in said
    for row in summary.rows:
        assert all(cell in said for cell in row)
    assert all(value in said for _, value in summary.facts)


def test_a_long_print_takes_more_pages(device: Device) -> None:
    summary = summarise(studies()["every-reason"][0], device)
    document = pypdf.PdfReader(BytesIO(draw_document(summary, [("Study UID", "1.2")])))
    assert len(document.pages) > 1
    said = " ".join(page.extract_text() for page in document.pages)
    assert all(code.value in said for code in PRIVATE_CODES if code.value.startswith("TRI-2"))


def test_reasons_with_markup_and_foreign_letters_are_printed(device: Device) -> None:
    found = (reason("implant", "<b>A & B</b> 山"),)
    finding = decided(four_views(), None, outcome=Outcome.NOT_EVALUATED, reasons=found)
    summary = summarise(finding, device)
    said = pypdf.PdfReader(BytesIO(draw_document(summary, [("Study UID", "1.2")]))).pages[0].extract_text()
    assert "<b>A & B</b> ?" in said
    assert draw_page(summary).max() == 255


def test_what_the_typeface_can_draw() -> None:
    assert is_drawable("Müller-Ångström 0.5")
    assert drawable("山田 a") == "?? a"


def test_the_banner_is_short(device: Device) -> None:
    for finding, _ in studies().values():
        for image in finding.images:
            lines = banner(image, finding)
            assert len(lines) <= 4
            assert max(map(len, lines)) <= 60
            assert "radiologist" in " ".join(lines)


def test_no_threshold_is_said(device: Device) -> None:
    point = replace(POINT, threshold=None)
    finding = decided(four_views(), [NORMAL] * 4, operating_point=point, outcome=Outcome.NOT_FLAGGED)
    summary = summarise(finding, device)
    assert "nothing is flagged" in summary.sentence
    assert {row[1] for row in summary.rows} == {"No threshold"}
