"""Stored results held against their rows and the audit trail."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ledger_samples import LEASE, Clock, at_once, digest, header
from monitoring_samples import decided, finished, in_force
from sqlalchemy import Engine, delete, func, insert, select, text, update

from triage.core.errors import TriageError
from triage.core.governance import CalibrationVersion
from triage.store import tables as t
from triage.store.database import reading, writing
from triage.store.ledger import Ledger
from triage.store.monitoring import Monitoring


@pytest.fixture
def watch(engine: Engine, clock: Clock) -> Monitoring:
    """The watching side."""
    return Monitoring(engine, clock)


@pytest.fixture
def version(ledger: Ledger) -> CalibrationVersion:
    """A calibration in force."""
    return in_force(ledger)


def problems(watch: Monitoring) -> dict[str, tuple[str, ...]]:
    return {one.result_id: one.problems for one in watch.findings() if one.problems}


def edited(engine: Engine, edit: Callable[[dict[str, Any]], object], **columns: object) -> None:
    """Changes the stored JSON of every result behind the ledger's back."""
    with writing(engine) as connection:
        for row in connection.execute(select(t.result)).all():
            content = json.loads(json.dumps(row.finding))
            edit(content)
            values = {"finding": content, **columns}
            connection.execute(update(t.result).where(t.result.c.result_id == row.result_id).values(values))


def unsealed(engine: Engine) -> None:
    """Takes the digests out of the audit trail, as in rows from before they were kept; its chain is not looked at."""
    with writing(engine) as connection:
        for event in connection.execute(select(t.audit).where(t.audit.c.event == "result")).all():
            detail = {name: value for name, value in event.detail.items() if name != "finding_sha256"}
            connection.execute(update(t.audit).where(t.audit.c.id == event.id).values(detail=detail))


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_every_result_comes_once_whatever_the_batch(
    ledger: Ledger, watch: Monitoring, version: CalibrationVersion, batch: int
) -> None:
    made = [finished(ledger, number, 0.1 * number, version.operating_point) for number in range(6)]
    found = list(watch.findings(batch))
    assert [one.result_id for one in found] == sorted(one.result_id for one in made)
    assert {one.result_id: one.finding for one in found} == {one.result_id: one for one in made}
    assert all(one.in_force and not one.problems for one in found)
    assert watch.findings_of("1.2.3")[0].finding == made[3]
    assert watch.findings_of("9") == ()
    assert watch.lost_results() == ()


def test_an_older_result_is_there_and_not_in_force(
    ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    finished(ledger, 1, 2.0, version.operating_point)
    ledger.record_instance(header(2, study="1.2.1"), digest(99), "p", at_once)
    assert [one.in_force for one in watch.findings()] == [False], "an image came that it does not know"
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    ledger.finish(claim, decided("1.2.1", 0.1, version.operating_point, revision=2), [])
    assert {one.result_id: one.in_force for one in watch.findings()} == {
        "result-1.2.1-1": False,
        "result-1.2.1-2": True,
    }
    assert problems(watch) == {}


def test_a_digest_finds_any_change(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    finished(ledger, 1, 0.5, version.operating_point)
    assert all(one.sealed for one in watch.findings())
    assert problems(watch) == {}
    edited(engine, lambda one: one["images"][0]["logits"].update(fused=0.500001))
    assert problems(watch) == {"result-1.2.1-1": ("the finding was changed after it was audited",)}


def test_the_same_result_made_again_is_held_against_its_first_digest(
    ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    made = finished(ledger, 1, 0.5, version.operating_point)
    ledger.redrive("1.2.1")
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    ledger.finish(claim, replace(made, decided_at="2026-11-22T00:00:00+00:00"), [])
    assert problems(watch) == {}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda one: one.update(outcome="confidently_normal"), "outcome of the row is not_flagged"),
        (lambda one: one["reasons"].append({"code": "implant", "text": "", "sop_instance_uid": None}), "audited as"),
        (lambda one: one.update(revision=7), "revision of the row is 1, of its finding 7"),
        (lambda one: one.update(study_instance_uid="1.2.2"), "study_instance_uid of the row"),
        (lambda one: one.pop("images"), "cannot be read"),
        (lambda one: one.update(outcome="splendid"), "cannot be read"),
        (lambda one: one.update(images=[{}]), "cannot be read"),
    ],
)
def test_a_row_that_contradicts_itself_is_named(
    engine: Engine,
    ledger: Ledger,
    watch: Monitoring,
    version: CalibrationVersion,
    edit: Callable[[dict[str, Any]], object],
    expected: str,
) -> None:
    finished(ledger, 1, 0.5, version.operating_point)
    unsealed(engine)
    assert problems(watch) == {}
    assert not any(one.sealed for one in watch.findings())
    edited(engine, edit)
    assert expected in " ".join(problems(watch)["result-1.2.1-1"])


def test_an_outcome_changed_everywhere_is_found_by_the_audit_trail(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    finished(ledger, 1, 0.5, version.operating_point)
    unsealed(engine)
    edited(engine, lambda one: one.update(outcome="confidently_normal"), outcome="confidently_normal")
    assert problems(watch)["result-1.2.1-1"] == ("audited as not_flagged for [], stored as confidently_normal for []",)


def test_results_that_were_removed_added_or_exchanged_are_found(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    finished(ledger, 1, 2.0, version.operating_point)
    ledger.redrive("1.2.1")
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    ledger.finish(claim, decided("1.2.1", 0.1, version.operating_point, revision=2), [])
    with writing(engine) as connection:
        connection.execute(update(t.study).values(result_id="result-1.2.1-1"))
    assert set(problems(watch)) == {"result-1.2.1-1", "result-1.2.1-2"}
    with writing(engine) as connection:
        row = dict(connection.execute(select(t.result).limit(1)).mappings().one())
        row["result_id"] = row["finding"]["result_id"] = "made-up"
        connection.execute(insert(t.result).values(row))
        connection.execute(delete(t.result).where(t.result.c.result_id == "result-1.2.1-2"))
    assert problems(watch)["made-up"] == ("the audit trail does not know this result",)
    assert watch.lost_results() == ("result-1.2.1-2",)


def test_the_length_of_the_trail(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    finished(ledger, 1, 2.0, version.operating_point)
    with reading(engine) as connection:
        rows = connection.execute(select(func.count()).select_from(t.audit)).scalar_one()
    assert watch.audit_length() == rows > 0


def test_a_damaged_row_is_a_finding_and_no_crash(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    finished(ledger, 1, 2.0, version.operating_point)
    finished(ledger, 2, 2.0, version.operating_point)
    if engine.dialect.name == "postgresql":
        with writing(engine) as connection:  # it takes nothing but JSON
            connection.execute(text("UPDATE result SET finding = '[1]' WHERE result_id = 'result-1.2.1-1'"))
    else:
        with writing(engine) as connection:
            connection.execute(text("UPDATE result SET finding = X'7BFF00' WHERE result_id = 'result-1.2.1-1'"))
            connection.execute(text("UPDATE audit SET detail = '{' WHERE study_instance_uid = '1.2.2'"))
        with pytest.raises(TriageError, match="audit verify"):
            watch.lost_results()
        assert problems(watch)["result-1.2.2-1"] == ("the audit trail does not know this result",)
    assert "the finding cannot be read" in problems(watch)["result-1.2.1-1"]
    assert ledger.verify_audit() == (None if engine.dialect.name == "postgresql" else 3)
