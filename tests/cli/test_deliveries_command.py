"""`triage deliveries`: what waits, what went wrong, and one command to send it again."""

import json
from pathlib import Path

import pytest
from ledger_samples import LEASE, STUDY, at_once, digest, finding, header
from typer.testing import CliRunner

from triage.cli.deliveries import app
from triage.core.errors import TriageError
from triage.roles import open_ledger
from triage.settings import load
from triage.store.ledger import Ledger
from triage.store.records import PlannedDelivery

RUN = CliRunner()


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Four deliveries: 1 to the PACS and 2 to the RIS failed, 3 was rejected once, 4 is confirmed."""
    monkeypatch.chdir(tmp_path)
    made = open_ledger(load())
    made.record_instance(header(), digest(1), "p", at_once)
    claim = made.claim_study(LEASE)
    assert claim is not None
    names = ("pacs", "ris", "archive", "copy")
    assert made.finish(claim, finding(), [PlannedDelivery(name, "sr", "2.25.1", "sr.dcm") for name in names])
    made.failed(1, "gave [red]up[/red]")
    made.failed(2, "no such AE")
    made.retry(3, "rejected: AR", made.deliveries("pending")[0].next_at)
    made.confirmed(4)
    return made


def listed(*options: str) -> list[dict[str, object]]:
    return list(json.loads(RUN.invoke(app, ["list", "--json", *options]).output))


def test_list_shows_the_newest_first_and_filters(ledger: Ledger) -> None:
    assert [one["id"] for one in listed()] == [4, 3, 2, 1]
    assert [one["id"] for one in listed("--limit", "2")] == [4, 3]
    assert [one["id"] for one in listed("--state", "failed")] == [2, 1]
    assert [one["id"] for one in listed("--state", "failed", "--destination", "ris")] == [2]
    assert [one["id"] for one in listed("--state", "trouble")] == [3, 2, 1]
    [ris] = listed("--destination", "ris")
    assert (ris["study_instance_uid"], ris["last_error"], ris["next_at"]) == (STUDY, "no such AE", None)
    shown = RUN.invoke(app, ["list", "--state", "trouble"], env={"COLUMNS": "200"}).output
    assert "gave [red]up[/red]" in shown
    assert RUN.invoke(app, ["list", "--state", "lost"]).exit_code == 2


def test_resend_by_id_or_everything_that_failed(ledger: Ledger) -> None:
    assert "1 of 1 deliveries" in RUN.invoke(app, ["resend", "2"]).output
    assert [one.id for one in ledger.deliveries("pending")] == [2, 3]
    assert "0 of 0" in RUN.invoke(app, ["resend", "--failed", "--destination", "ris"]).output
    assert "1 of 1" in RUN.invoke(app, ["resend", "--failed"]).output
    assert ledger.deliveries("failed") == ()


def test_resend_says_what_it_cannot_do(ledger: Ledger) -> None:
    ledger.record_instance(header(2), digest(2), "p", at_once)
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    assert ledger.finish(claim, finding("result-2", 2), [])
    done = RUN.invoke(app, ["resend", "1", "99"])
    assert done.exit_code == 1
    assert isinstance(done.exception, TriageError)
    assert "delivery 1 is of a result that a newer one replaced" in str(done.exception)
    assert "no delivery 99" in str(done.exception)
    assert RUN.invoke(app, ["resend"]).exit_code == 2
    assert RUN.invoke(app, ["resend", "1", "--failed"]).exit_code == 2
    assert RUN.invoke(app, ["resend", "1", "--destination", "ris"]).exit_code == 2
