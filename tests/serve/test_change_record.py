"""The change record: what stands in it, and that page and PDF say the same."""

import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from governed_samples import Governed, govern

from triage.decide import approval
from triage.decide.operating_point import CalibrationSet
from triage.serve.pages import document_pdf
from triage.serve.pages.change_material import ChangeMaterial, gather, predecessor
from triage.serve.pages.change_protocol import CRITERIA
from triage.serve.pages.change_record import change_record
from triage.serve.pages.document import Document, Paragraph, Table
from triage.serve.pages.figures import BIRADS_ORDER, PARTS, area, full_rate, heterogeneity_text, threshold_text
from triage.serve.pages.flag_change import flag_change

pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed (pip install pypdf)")
CANARY = '<script>alert(1)</script>&"'


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Governed:
    return govern(tmp_path_factory.mktemp("governed"))


@pytest.fixture(scope="module")
def client(governed: Governed) -> TestClient:
    return TestClient(governed.app, raise_server_exceptions=False)


def material(governed: Governed, name: str) -> ChangeMaterial:
    return gather(governed.ledger, governed.governing, governed.version(name))


def texts(document: Document) -> Iterator[str]:
    """Everything that a document says."""
    yield from (document.title, document.subtitle, *document.notices)
    for section in document.sections:
        yield section.title
        for block in section.blocks:
            if isinstance(block, Paragraph):
                yield block.text
            else:
                yield from (block.caption, *block.columns)
                yield from (cell for row in block.rows for cell in row)


def squeezed(text: str) -> str:
    """Without white space: files break lines where they like."""
    return re.sub(r"\s+", "", text)


def file_text(content: bytes) -> str:
    """What a search in the file finds, without the line under each page."""
    pages = (page.extract_text() for page in pypdf.PdfReader(BytesIO(content)).pages)
    return squeezed("".join(re.sub(r"\nChange record: .*\nPage \d+ of \d+\s*$", "", page) for page in pages))


def table(document: Document, caption: str) -> Table:
    blocks = [block for section in document.sections for block in section.blocks]
    (found,) = [block for block in blocks if isinstance(block, Table) and block.caption.startswith(caption)]
    return found


def rows_of(document: Document, caption: str) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in table(document, caption).rows}


def test_three_parts_of_a_change_control_plan(governed: Governed) -> None:
    titles = [section.title for section in change_record(material(governed, "active")).sections]
    assert titles == ["1. Description of Modifications", "2. Modification Protocol", "3. Impact Assessment"]


@pytest.mark.parametrize("name", ["active", "evaluated", "shipped"])
def test_every_number_of_the_report_is_in_page_and_file(governed: Governed, client: TestClient, name: str) -> None:
    version = governed.version(name)
    address = f"/api/v1/calibrations/{version.id}/change-record"
    page, file = client.get(address).text, file_text(client.get(address, params={"format": "pdf"}).content)
    numbers = [threshold_text(version.threshold), threshold_text(version.image_threshold)]
    for kind in version.report["kinds"].values():
        for part in ("calibration", "evaluation"):
            rates = kind[part]
            measured = ["sensitivity", "specificity", "missed", "missed_severe", "flag_rate"]
            numbers += [full_rate(rates[one]) for one in measured]
            numbers += [full_rate(rates["missed_by_birads"][one]) for one in BIRADS_ORDER]
            numbers.append(area(rates["auc"]))
            numbers += [full_rate(rates["false_omission"][one]) for one in ("gross", "net") if rates["false_omission"]]
    assert len(numbers) == 2 + 4 * (5 + 6 + 1) + 2 * 2
    for number in numbers:
        assert number in page
        assert squeezed(number) in file


@pytest.mark.parametrize("name", ["active", "evaluated", "draft", "shipped", "retired"])
def test_page_and_file_say_the_same(governed: Governed, client: TestClient, name: str) -> None:
    document = change_record(material(governed, name))
    page = client.get(f"/api/v1/calibrations/{governed.versions[name].id}/change-record").text
    file = file_text(document_pdf.pdf(document))
    for text in texts(document):
        assert text.replace("&", "&amp;").replace(">", "&gt;").replace('"', "&#34;").replace("'", "&#39;") in page
        written = text.replace("山田 花子", "[U+5C71][U+7530] [U+82B1][U+5B50]")
        assert squeezed(written) in file


def test_file_has_title_author_numbers_and_its_fonts(governed: Governed) -> None:
    document = change_record(material(governed, "active"))
    reader = pypdf.PdfReader(BytesIO(document_pdf.pdf(document)))
    assert (
        reader.metadata.title
        == document.title
        == "Change record: version 2 for HOLOGIC, Inc. Selenia Dimensions 1.11.0"
    )
    assert reader.metadata.author == "Ada Łukasiewicz, [U+5C71][U+7530] [U+82B1][U+5B50]"
    for number, page in enumerate(reader.pages, 1):
        assert f"Page {number} of {len(reader.pages)}" in page.extract_text()
        fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
        embedded = [font for font in fonts if "/FontDescriptor" in font]
        assert embedded
        assert all("/FontFile2" in font["/FontDescriptor"] for font in embedded)


def test_names_that_no_font_has_stay_apart(governed: Governed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_pdf, "_FONTS", document_pdf._FONTS[-1:])
    document_pdf._fonts.cache_clear()
    found = material(governed, "active")
    signed = tuple(
        replace(act, printed_name=name) for act, name in zip(found.history, ("Жук", "Жак", "Ærø"), strict=False)
    )
    file = file_text(document_pdf.pdf(change_record(replace(found, history=signed))))
    document_pdf._fonts.cache_clear()
    assert "[U+0416][U+0443][U+043A](ada)" in file
    assert "[U+0416][U+0430][U+043A](ada)" in file
    assert "Ærø(grace)" in file


def test_what_changes_is_told_against_the_version_before(governed: Governed) -> None:
    old, new = governed.version("retired"), governed.version("active")
    changes = rows_of(change_record(material(governed, "active")), "What changes")
    assert changes["Threshold"] == (threshold_text(old.threshold), threshold_text(new.threshold), "yes")
    assert changes["Exams are decided by"][2] == "no"
    waiting = rows_of(change_record(material(governed, "evaluated")), "What changes")
    assert waiting["Version"][:2] == ("2", "3")
    assert "limited by safety" in waiting["Which limit decides"][1]
    first = change_record(material(governed, "retired"))
    assert rows_of(first, "What changes")["Threshold"] == ("none", threshold_text(old.threshold), "yes")
    assert "No version was in force" in " ".join(texts(first))


def test_signatures_have_name_time_and_meaning(governed: Governed) -> None:
    signatures = table(change_record(material(governed, "active")), "Signatures").rows
    assert [row[1] for row in signatures] == ["draft", "evaluate", "approve", "shadow", "activate"]
    approval_row = signatures[2]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", approval_row[0])
    assert approval_row[3:] == ("山田 花子 (grace)", "approve after reading the report")


def test_criteria_are_those_of_approval() -> None:
    codes = re.search(r"Codes: ([^.]*)\.", approval.refusals.__doc__ or "")
    assert codes is not None
    assert set(re.split(r",\s+", codes[1])) == set(CRITERIA)


def test_a_criterion_passes_only_if_it_was_looked_at(governed: Governed) -> None:
    criteria = rows_of(change_record(material(governed, "evaluated")), "Acceptance criteria")
    assert criteria["patients-overlap"][1:] == ("pass", "")
    assert criteria["threshold-out-of-bounds"][1] == "fail"
    assert "The threshold 2.078938 is not within 1.000000 to 2.000000" in criteria["threshold-out-of-bounds"][2]
    draft = rows_of(change_record(material(governed, "draft")), "Acceptance criteria")
    assert draft["not-evaluated"][1] == "fail"
    assert draft["sensitivity-off-target"][1] == "not determined"
    assert draft["not-consecutive"][1] == "pass"
    shipped = rows_of(change_record(material(governed, "shipped")), "Acceptance criteria")
    assert {outcome for _, outcome, _ in shipped.values()} == {"not determined"}


def test_pooled_abnormals_are_told_from_own_ones(governed: Governed) -> None:
    report = governed.version("active").report | {"pool_abnormals": True}
    kind = report["kinds"]["exam_min"]
    told = heterogeneity_text(report)
    for part in ("calibration", "evaluation"):
        assert f"{full_rate(kind[part]['missed_local'])} ({part} set)" in told
    # Reports that came with bundles before own abnormals were counted.
    old = {part: {name: kind[part][name] for name in kind[part] if name != "missed_local"} for part in PARTS}
    assert "own" not in heterogeneity_text(report | {"kinds": {"exam_min": kind | old}})


def test_what_must_be_read_first(governed: Governed) -> None:
    for name in governed.versions:
        document = change_record(material(governed, name))
        told = " ".join(document.notices)
        assert "every exam is still read by a radiologist" in told
        assert "not cleared" in told
        assert ("synthetic images" in told) == (name == "shipped")
        assert ("was not evaluated yet" in told) == (name == "draft")


def test_flags_of_the_same_exams_are_compared() -> None:
    exams = CalibrationSet(np.array([3.0, 2.0, 1.0, 2.5, 0.0]), np.array([1, 1, 1, 4, 2]), np.arange(5))
    change = flag_change(exams, 2.5, 1.0)
    assert (change.old.k, change.new.k, change.gained, change.lost) == (2, 4, 2, 0)
    assert (change.missed_old.k, change.missed_new.k, change.missed_new.n) == (1, 1, 2)
    nothing = flag_change(exams, 2.5, None)
    assert (nothing.new.k, nothing.lost) == (0, 2)


def test_comparison_uses_the_evaluation_set(governed: Governed) -> None:
    version = governed.version("evaluated")
    found = rows_of(change_record(material(governed, "evaluated")), "Flags of the same exams")
    rate = version.report["kinds"]["exam_min"]["evaluation"]["flag_rate"]
    assert found["Exams flagged"][1] == full_rate(rate)
    before, after = (int(cell.replace(",", "")) for cell in found["Exams flagged by this version only"])
    assert after == 0
    assert before > 0


def test_the_predecessor_was_in_force_before(governed: Governed) -> None:
    ledger = governed.ledger

    def before(name: str) -> str | None:
        version = governed.version(name)
        found = predecessor(ledger, version, ledger.history(version.id))
        return found.id if found else None

    ids = {name: version.id for name, version in governed.versions.items()}
    assert [before(name) for name in ("retired", "active", "evaluated", "draft", "shipped")] == [
        None,
        ids["retired"],
        ids["active"],
        ids["active"],
        None,
    ]


@pytest.mark.parametrize(("kind", "media"), [("html", "text/html; charset=utf-8"), ("pdf", "application/pdf")])
def test_it_is_served_under_a_sensible_name(governed: Governed, client: TestClient, kind: str, media: str) -> None:
    version = governed.version("active")
    answer = client.get(f"/api/v1/calibrations/{version.id}/change-record", params={"format": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media)
    name = f"change-record-HOLOGIC-Inc-Selenia-Dimensions-1-11-0-v2-{version.id[:12]}.{kind}"
    assert answer.headers["content-disposition"].endswith(f'; filename="{name}"')
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_wrong_requests_are_problems(governed: Governed, client: TestClient) -> None:
    assert client.get("/api/v1/calibrations/none/change-record").status_code == 404
    address = f"/api/v1/calibrations/{governed.versions['active'].id}/change-record"
    answer = client.get(address, params={"format": "docx"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_hostile_texts_are_only_texts(governed: Governed, tmp_path: Path) -> None:
    found = material(governed, "active")
    stratum = replace(found.version.stratum, site=CANARY, manufacturer=CANARY, model='"; filename="x.exe')
    document = change_record(replace(found, version=replace(found.version, stratum=stratum)))
    assert re.fullmatch(r"[A-Za-z0-9-]+", document.file_stem)
    assert squeezed(CANARY) in file_text(document_pdf.pdf(document))
