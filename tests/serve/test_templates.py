"""Pages without a browser: escaping, wording, small words."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from served_exams import Archive, Populated

from triage.serve.pages.templates import ago, clause, day, person

CANARY = '<script>alert(1)</script>^"><img src=x onerror=alert(1)>'
FORBIDDEN = ("suspicious", "probability", "cancer", "bi-rads category", "malign")


def test_values_are_escaped(archive: Archive, client: TestClient) -> None:
    uid = archive.receive(1, PatientName=CANARY, PatientID=CANARY, AccessionNumber=CANARY, Manufacturer=CANARY)
    for path in ("/worklist", f"/studies/{uid}", f"/worklist?q={CANARY[:60]}"):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in client.get("/worklist").text


def test_pages_carry_no_inline_script_or_style(populated: Populated) -> None:
    for uid in populated.uids.values():
        page = populated.client.get(f"/studies/{uid}").text + populated.client.get("/worklist").text
        assert " style=" not in page
        assert "<style" not in page
        assert page.count("<script") == page.count('<script src="/static/')
        assert "http://" not in page
        assert "https://" not in page


def test_wording(populated: Populated) -> None:
    addresses = ["/worklist", *(f"/studies/{uid}" for uid in populated.uids.values())]
    pages = [populated.client.get(address).text for address in addresses]
    for page in pages:
        assert not [word for word in FORBIDDEN if word in page.lower()]
        assert "not for clinical use" in page
        assert "Every exam is read by a radiologist; the flag only sorts." in page


def test_index_leads_to_the_worklist(client: TestClient) -> None:
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/worklist")


def test_a_service_that_does_not_work_is_seen(archive: Archive, client: TestClient) -> None:
    assert "worker down" in client.get("/worklist").text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Doe^Jane^^Dr", "Doe, Jane, Dr"),
        ("Yamada^Hanako=山田^花子", "Yamada, Hanako"),
        ("=山田^花子", "山田, 花子"),
        ("", ""),
    ],
)
def test_person(name: str, shown: str) -> None:
    assert person(name) == shown


def test_day() -> None:
    assert [day(value) for value in ("20261120", "2026", "")] == ["2026-11-20", "2026", ""]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Breast implant present.", "breast implant present"),
        ("RMLO is missing", "RMLO is missing"),
        ("PatientSex is O.", "PatientSex is O"),
        ("A view is missing.", "a view is missing"),
        ("", ""),
    ],
)
def test_clause(text: str, shown: str) -> None:
    assert clause(text) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(-5, "0 s"), (59, "59 s"), (3600, "1 h 00 min"), (90000, "1 d 1 h")])
def test_ago(seconds: int, shown: str) -> None:
    assert ago(datetime.now(UTC) - timedelta(seconds=seconds)) == shown
