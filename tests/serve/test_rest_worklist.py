"""The worklist over REST: filters, pages, what a row says."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from ledger_samples import header
from served_exams import LONG_AGO, Archive, Populated

from triage.core.finding import Outcome


def listed(client: TestClient, query: str = "") -> list[str]:
    answer = client.get(f"/api/v1/worklist{query}")
    assert answer.status_code == 200, answer.text
    return [study["study_instance_uid"] for study in answer.json()["studies"]]


def test_newest_first_and_nothing_left_out(populated: Populated) -> None:
    assert listed(populated.client) == list(reversed(populated.uids.values()))


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("?outcome=confidently_normal", {"normal"}),
        ("?outcome=not_flagged", {"plain"}),
        ("?outcome=not_evaluated", {"missing", "implant"}),
        ("?state=receiving", {"late", "receiving"}),
        ("?state=analysing", {"analysing"}),
        ("?q=okafor", {"plain"}),
        ("?q=ACC0003", {"missing"}),
        ("?q=%25", set()),
        ("?outcome=not_evaluated&q=lindqvist", {"missing"}),
    ],
)
def test_filters(populated: Populated, query: str, kinds: set[str]) -> None:
    assert set(listed(populated.client, query)) == {populated.uids[kind] for kind in kinds}


def test_since(archive: Archive, client: TestClient) -> None:
    archive.receive(1)
    archive.now += timedelta(minutes=5)
    moment = archive.now.isoformat().replace("+", "%2B")
    newer = archive.receive(2)
    assert listed(client, f"?since={moment}") == [newer]


def test_pages_by_cursor_hold_every_study_once(archive: Archive, client: TestClient) -> None:
    expected = [archive.receive(number) for number in range(1, 8)][::-1]
    found: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor:
        page = client.get("/api/v1/worklist", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        found += [study["study_instance_uid"] for study in page["studies"]]
        cursor, pages = page["next_cursor"], pages + 1
    assert (found, pages) == (expected, 3)


def test_a_study_that_is_analysed_again_is_not_listed_by_its_old_outcome(archive: Archive, client: TestClient) -> None:
    uid = archive.receive(1)
    archive.decide(Outcome.CONFIDENTLY_NORMAL)
    assert listed(client, "?outcome=confidently_normal") == [uid]
    archive.take(header(5, uid), LONG_AGO)
    assert listed(client, "?outcome=confidently_normal") == []
    assert client.get("/api/v1/worklist").json()["studies"][0]["outcome"] is None


def test_rows_carry_reasons_and_views_but_no_images(populated: Populated) -> None:
    row = populated.client.get("/api/v1/worklist?q=Lindqvist").json()["studies"][0]
    assert row["reasons"] == [{"code": "views-missing", "text": "LMLO is missing", "sop_instance_uid": None}]
    assert [view["view"] for view in row["views"]] == ["RCC", "LCC", "RMLO"]
    assert "images" not in row
