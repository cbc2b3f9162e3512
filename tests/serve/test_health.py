"""Health: what the heartbeats and the ledger say."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from served_exams import Archive, Populated

from triage.core.finding import Outcome
from triage.observe.heartbeat import Heartbeat


def age(home: Path, role: str, seconds: float) -> None:
    """Sets a heartbeat back."""
    path = home / "run" / f"{role}.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "at": (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()}))


def health(archive: Archive) -> dict:
    return archive.health().model_dump(mode="json")


def test_all_is_well(populated: Populated) -> None:
    populated.archive.alive()
    answer = populated.client.get("/api/v1/health")
    report = answer.json()
    assert (answer.status_code, report["status"], report["detail"]) == (200, "ok", "")
    assert {name: role["state"] for name, role in report["roles"].items()} == dict.fromkeys(
        ("scp", "worker", "api"), "ready"
    )
    assert report["bundle"] == {"name": "demo-phantom"}
    assert report["device"] == "cpu"
    assert report["counts"]["states"]["done"] == 4
    assert report["counts"]["outcomes"][Outcome.NOT_EVALUATED] == 2
    assert report["last_received_at"]


def test_nobody_ever_beat(archive: Archive, client: TestClient) -> None:
    answer = client.get("/api/v1/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "down")
    assert "scp is down (no sign of life)" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("seconds", "state", "status", "code"),
    [(14, "ready", "ok", 200), (17, "stale", "degraded", 200), (61, "down", "down", 503)],
)
def test_silence(archive: Archive, client: TestClient, seconds: int, state: str, status: str, code: int) -> None:
    archive.alive()
    age(archive.home, "worker", seconds)
    answer = client.get("/api/v1/health")
    assert (answer.status_code, answer.json()["status"]) == (code, status)
    assert answer.json()["roles"]["worker"]["state"] == state


def test_a_role_that_starts_cannot_work_yet(archive: Archive) -> None:
    archive.alive()
    Heartbeat(archive.home, "worker").beat("starting")
    assert health(archive)["status"] == "degraded"


def test_a_role_that_fails_is_down_and_says_why(archive: Archive) -> None:
    archive.alive()
    Heartbeat(archive.home, "worker").beat("failing", {"error": "no model bundle 'nowhere'"})
    report = health(archive)
    assert report["status"] == "down"
    assert "no model bundle 'nowhere'" in report["detail"]


def test_a_role_that_ended_is_down_at_once(archive: Archive) -> None:
    archive.alive()
    Heartbeat(archive.home, "scp").end()
    assert health(archive)["status"] == "down"


def test_a_damaged_heartbeat_is_none(archive: Archive) -> None:
    archive.alive()
    (archive.home / "run" / "worker.json").write_text('{"pid":')
    assert health(archive)["roles"]["worker"]["state"] == "down"


def test_a_broken_ledger_is_an_answer(archive: Archive, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("disk")

    archive.alive()
    monkeypatch.setattr(archive.ledger, "counts", fail)
    answer = client.get("/api/v1/health")
    assert (answer.status_code, answer.json()["status"], answer.json()["counts"]) == (503, "down", None)


def test_heartbeat_names_its_process(archive: Archive) -> None:
    archive.alive()
    assert json.loads((archive.home / "run" / "scp.json").read_text())["pid"] == os.getpid()
    with pytest.raises(ValueError, match="asleep"):
        Heartbeat(archive.home, "scp").beat("asleep")
