"""Strata, drift, what-if, incidents, assessments, shadows and people over REST."""

from datetime import timedelta

import pytest
from governed_service import PEOPLE, SERVED, Governed, rows, stratum_id
from served_exams import Archive
from served_exams import scored as scored_image

from triage.core.finding import BundleIdentity, OperatingPoint, Outcome, StudyFinding
from triage.core.reasons import reason
from triage.core.strata import Stratum
from triage.decide.drift import step
from triage.store.database import writing
from triage.store.monitoring_records import Observation
from triage.store.observations import observe_in, start_charts_in

KNOWN = Stratum("Site", "ACME", "Mammo 1", "1.0", "DIRECT", SERVED.sha256, SERVED.preprocessing)
UNKNOWN = Stratum("Site", "ACME", "Mammo 1", "2.0", "DIRECT", SERVED.sha256, SERVED.preprocessing)


@pytest.fixture
def governed(archive: Archive) -> Governed:
    return Governed.over(archive)


def decided(
    governed: Governed, number: int, outcome: Outcome, stratum: Stratum = KNOWN, by: str | None = None
) -> StudyFinding:
    """A study is received and decided, by calibration `by` if there is one."""
    archive = governed.archive
    uid = archive.receive(number)
    claim = archive.claim()
    archive.now += timedelta(seconds=1)
    finding = StudyFinding(
        study_instance_uid=uid,
        revision=claim.rev,
        outcome=outcome,
        reasons=(reason("uncalibrated-device"),) if outcome is Outcome.NOT_EVALUATED else (),
        images=tuple(scored_image(one.header, outcome, at) for at, one in enumerate(archive.ledger.instances(uid))),
        operating_point=OperatingPoint(by, "image", 1.25, False, False, 1.25) if by else None,
        bundle=BundleIdentity("demo", "1", SERVED.sha256, True),
        stratum=stratum,
        result_id=f"{uid}-1",
        decided_at=archive.now.isoformat(),
    )
    assert archive.ledger.finish(claim, finding, [])
    return finding


def observed(governed: Governed, finding: StudyFinding, calibration_id: str, score: float) -> None:
    """The exam is counted on the charts, as the pipeline does it."""
    flag = finding.outcome is Outcome.CONFIDENTLY_NORMAL
    seen = Observation(finding.study_instance_uid, calibration_id, KNOWN.id, flag, False, False, score)
    with writing(governed.archive.ledger._engine) as connection:
        start_charts_in(connection, calibration_id, {"flag": 0.2})
        observe_in(connection, governed.archive.now, seen, step)


def test_an_unseen_device_is_told_first(governed: Governed) -> None:
    made = governed.brought_to("active")
    decided(governed, 1, Outcome.CONFIDENTLY_NORMAL, by=made)
    decided(governed, 2, Outcome.NOT_EVALUATED, UNKNOWN)
    found = governed.get("/strata").json()
    assert [one["stratum"]["software_version"] for one in found] == ["2.0", "1.0"]
    assert [one["status"] for one in found] == ["uncalibrated-device", "in-force"]
    assert [(one["exams"], one["not_evaluated"]) for one in found] == [(1, 1), (1, 0)]
    assert (found[0]["in_force"], found[1]["in_force"]["id"]) == (None, made)
    assert "ACME Mammo 1 2.0" in found[0]["text"]
    governed.act(made, "suspend", "ada")
    assert governed.get("/strata").json()[1]["status"] == "calibration-suspended"


def test_a_stratum_without_exams_is_listed(governed: Governed) -> None:
    governed.draft()
    found = governed.get("/strata").json()
    assert [(one["stratum"]["id"], one["exams"], one["last_at"]) for one in found] == [(stratum_id(), 0, None)]


def test_drift_shows_charts_and_weeks(governed: Governed) -> None:
    made = governed.brought_to("active")
    scores = (-1.0, 0.5, 2.5)
    for number, score in enumerate(scores, 1):
        outcome = Outcome.CONFIDENTLY_NORMAL if score > 2 else Outcome.NOT_FLAGGED
        observed(governed, decided(governed, number, outcome, by=made), made, score)
    found = governed.get(f"/strata/{stratum_id()}/drift").json()
    assert (found["calibration_id"], found["reference"]) == (made, "evaluation set")
    chart = next(one for one in found["charts"] if one["event"] == "flag")
    assert (chart["exams"], chart["events"], chart["baseline"], chart["alarm_at"]) == (3, 1, 0.2, None)
    assert chart["interval"] > 7
    assert len(found["edges"]) == 9
    minima: dict[object, float] = {}
    for one in rows("south"):
        minima[one["exam"]] = min(one["score"], minima.get(one["exam"], 99))
    below = sum(value < found["edges"][4] for value in minima.values())
    assert abs(below / len(minima) - 0.5) < 0.01
    assert sum(sum(week["counts"]) for week in found["weeks"]) == 3
    assert all(week["psi"] > 0 for week in found["weeks"])
    assert (found["ks"]["exams"], 0 < found["ks"]["statistic"] < 1) == (3, True)


def test_drift_of_nothing_is_empty(governed: Governed) -> None:
    governed.draft()
    found = governed.get(f"/strata/{stratum_id()}/drift").json()
    assert found | {"stratum_id": ""} == {
        "stratum_id": "", "calibration_id": None, "charts": [], "reference": "nothing", "edges": [], "weeks": [],
        "ks": None,
    }  # fmt: skip
    assert governed.get(f"/strata/{'0' * 16}/drift").status_code == 404
    assert governed.get("/strata/nonsense/drift").status_code == 422


def test_what_if_counts_and_changes_nothing(governed: Governed) -> None:
    made = governed.brought_to("active")
    for number, score in enumerate((-1.0, 0.5, 2.5), 1):
        observed(governed, decided(governed, number, Outcome.NOT_FLAGGED, by=made), made, score)
    path = f"/strata/{stratum_id()}/what-if"
    assert governed.get(path, threshold=0.5).json() == {"threshold": 0.5, "exams": 3, "flagged": 0, "would_flag": 2}
    assert governed.get(path, threshold=0.5, last=1).json()["exams"] == 1
    for wrong in ({"threshold": "nan"}, {"threshold": "inf"}, {"threshold": 0, "last": 0}, {}):
        assert governed.get(path, **wrong).status_code == 422
    assert governed.active() == made


def test_a_missed_cancer_suspends_and_opens_an_incident(governed: Governed) -> None:
    made = governed.brought_to("active")
    uid = decided(governed, 1, Outcome.CONFIDENTLY_NORMAL, by=made).study_instance_uid
    path = f"/studies/{uid}/assessments"
    first = governed.post(path, "flo", {"right_birads": 1, "left_birads": 2}).json()
    assert (first["incident"], first["assessment"]["by"]) == (None, "flo")
    second = governed.post(path, "flo", {"right_birads": 5, "source": "biopsy"}).json()
    incidents = governed.get("/incidents", open=True).json()
    assert [(one["id"], one["kind"], one["calibration_id"]) for one in incidents] == [
        (second["incident"], "missed-abnormal", made)
    ]
    assert governed.state(made) == "suspended"
    assert [one["source"] for one in governed.get(path).json()] == ["final-report", "biopsy"]
    closing = f"/incidents/{second['incident']}/close"
    body = {"resolution": "read again: the label was of another exam"}
    assert governed.post(closing, "flo", body).status_code == 403
    assert governed.post(closing, "cy", {"resolution": " "}).status_code == 422
    assert governed.post(closing, "cy", body).json()["closed_by"] == "cy"
    assert governed.post(closing, "ada", body).status_code == 409
    assert governed.get("/incidents", open=True).json() == []
    assert len(governed.get("/incidents").json()) == 1
    assert governed.post("/incidents/999/close", "ada", body).status_code == 404


def test_only_readers_assess(governed: Governed) -> None:
    uid = decided(governed, 1, Outcome.NOT_FLAGGED).study_instance_uid
    path, body = f"/studies/{uid}/assessments", {"right_birads": 1, "left_birads": 1}
    assert governed.post(path, None, body).status_code == 401
    assert governed.post(path, "cy", body).status_code == 403
    for wrong in ({}, {"right_birads": 7}, {"source": "gossip"}, {"follow_up": "unknown"}):
        assert governed.post(path, "flo", wrong).status_code == 422
    assert governed.post("/studies/1.2.3/assessments", "flo", body).status_code == 404
    assert governed.get("/studies/1.2.3/assessments").status_code == 404
    assert governed.get(path).json() == []


def test_readers_do_not_see_what_a_shadow_says(governed: Governed) -> None:
    made = governed.brought_to("shadow")
    path = f"/calibrations/{made}/shadow"
    assert [governed.get(path, who).status_code for who in (None, "flo", "ada", "cy")] == [401, 403, 200, 200]
    assert governed.get(path, "ada").json()["n"] == 0
    assert governed.get("/calibrations/nothing/shadow", "ada").status_code == 404


def test_people_are_added_listed_and_disabled_by_admins(governed: Governed) -> None:
    body = {"name": "gil", "printed_name": "Gil Reader", "roles": ["reader", "admin"]}
    for who, status in ((None, 401), ("cy", 403), ("flo", 403)):
        assert governed.post("/people", who, body).status_code == status
        assert governed.get("/people", who).status_code == status
        assert governed.post("/people/bo/disable", who).status_code == status
    made = governed.post("/people", "ada", body)
    assert made.status_code == 201
    key = made.json()["key"]
    assert governed.get("/people/me", key).json() == {
        "name": "gil", "printed_name": "Gil Reader", "roles": ["admin", "reader"], "disabled": False,
    }  # fmt: skip
    assert governed.post("/people", "ada", body).status_code == 409
    for wrong in ({"name": "Gil"}, {"name": "system"}, {"roles": []}, {"roles": ["king"]}, {"printed_name": " "}):
        assert governed.post("/people", "ada", {**body, "name": "hal", **wrong}).status_code == 422, wrong
    listed = governed.get("/people", "ada")
    assert [one["name"] for one in listed.json()] == [*sorted(PEOPLE), "gil"][: len(PEOPLE) + 1]
    assert key not in listed.text
    assert governed.post("/people/gil/disable", "ada").json()["disabled"] is True
    assert governed.get("/people/me", key).status_code == 401
    assert governed.post("/people/nobody/disable", "ada").status_code == 404


@pytest.mark.parametrize("roles", [["approver"], ["admin", "approver"], ["approver", "reader"]])
def test_nobody_makes_an_approver_over_rest(governed: Governed, roles: list[str]) -> None:
    body = {"name": "gil", "printed_name": "Gil Approver", "roles": roles}
    for who in ("ada", "ed"):
        answer = governed.post("/people", who, body)
        assert (answer.status_code, "triage user add" in answer.json()["detail"]) == (403, True)
    assert "gil" not in [one["name"] for one in governed.get("/people", "ada").json()]
