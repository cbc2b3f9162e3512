"""Assessments, and the incident of a flagged exam that was abnormal."""

import json
from dataclasses import replace

import pytest
from governance_samples import an_active
from ledger_samples import LEASE, START, Clock, at_once, digest, header
from monitoring_samples import ADMIN, READER, STRATUM, audited, decided, finished, flagged, in_force, received
from sqlalchemy import Engine

from triage.core.errors import TriageError
from triage.core.finding import OperatingPoint
from triage.core.governance import (
    Act,
    Actor,
    CalibrationState,
    CalibrationVersion,
    Conflict,
    Forbidden,
    Role,
    Signature,
)
from triage.core.reasons import reason
from triage.store.assessments import Assessed, check_missed_in
from triage.store.database import writing
from triage.store.ledger import Ledger
from triage.store.monitoring import Monitoring

CANCERS = [
    Assessed(4, 1),
    Assessed(1, 5),
    Assessed(None, 6),
    Assessed(1, 1, "follow-up", "interval"),
    Assessed(follow_up="screen-detected"),
]


@pytest.fixture
def watch(engine: Engine, clock: Clock) -> Monitoring:
    """The watching side."""
    return Monitoring(engine, clock)


@pytest.fixture
def version(ledger: Ledger) -> CalibrationVersion:
    """A calibration in force."""
    return in_force(ledger)


def state(ledger: Ledger, version: CalibrationVersion) -> CalibrationState:
    found = ledger.calibration(version.id)
    assert found is not None
    return found.state


def test_an_assessment_comes_back_and_names_the_result(
    ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    made = flagged(ledger, 1, version)
    first = watch.record_assessment(made.study_instance_uid, Assessed(1, 2), READER)
    second = watch.record_assessment(made.study_instance_uid, Assessed(1, None, "biopsy", "no-cancer"), READER)
    assert watch.assessments(made.study_instance_uid) == (first, second)
    assert (first.right_birads, first.left_birads, first.source, first.follow_up) == (1, 2, "final-report", "")
    assert (first.result_id, first.by, first.at, first.incident) == (made.result_id, "rita", START, None)
    assert state(ledger, version) is CalibrationState.ACTIVE


@pytest.mark.parametrize(
    ("assessed", "message"),
    [
        (Assessed(7, 1), "BI-RADS of the right breast is 7"),
        (Assessed(1, -1), "BI-RADS of the left breast is -1"),
        (Assessed(True, 1), "BI-RADS of the right breast is True"),
        (Assessed(1, 1, "hearsay"), "source of the assessment is 'hearsay'"),
        (Assessed(1, 1, follow_up="maybe"), "follow-up is 'maybe'"),
        (Assessed(), "says nothing"),
    ],
)
def test_impossible_assessments_are_named(ledger: Ledger, watch: Monitoring, assessed: Assessed, message: str) -> None:
    with pytest.raises(TriageError, match=message):
        watch.record_assessment(received(ledger, 1), assessed, READER)
    assert watch.assessments("1.2.1") == ()


def test_only_readers_assess_and_only_known_studies(ledger: Ledger, watch: Monitoring) -> None:
    with pytest.raises(Forbidden, match="ada"):
        watch.record_assessment(received(ledger, 1), Assessed(1, 1), ADMIN)
    with pytest.raises(TriageError, match=r"no study 9\.9"):
        watch.record_assessment("9.9", Assessed(1, 1), READER)


@pytest.mark.parametrize("assessed", CANCERS)
def test_a_flagged_abnormal_exam_suspends_at_once(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion, assessed: Assessed
) -> None:
    made = flagged(ledger, 1, version)
    record = watch.record_assessment(made.study_instance_uid, assessed, READER)
    assert state(ledger, version) is CalibrationState.SUSPENDED
    assert ledger.in_force(STRATUM, START).reason_code == "calibration-suspended"
    [incident] = watch.incidents()
    assert incident.id == record.incident == watch.assessments(made.study_instance_uid)[0].incident
    assert (incident.kind, incident.study_instance_uid) == ("missed-abnormal", made.study_instance_uid)
    assert (incident.calibration_id, incident.stratum_id) == (version.id, STRATUM.id)
    assert incident.detail["suspended"] is True
    assert incident.detail["follow_up"] == assessed.follow_up
    act = ledger.history(version.id)[-1]
    assert (act.by, act.to_state) == ("system", CalibrationState.SUSPENDED)
    text = json.dumps(audited(engine))
    assert "assessment" in text
    assert "incident-opened" in text
    assert not {"birads", "follow_up", "Doe", "P-0001"} & set(text.replace('"', " ").split())
    assert "right_birads" not in text
    assert ledger.verify_audit() is None


def test_a_miss_by_a_version_that_was_replaced_takes_it_out_of_use_for_good(
    ledger: Ledger, watch: Monitoring, version: CalibrationVersion, clock: Clock
) -> None:
    made = flagged(ledger, 1, version)
    clock.advance(hours=1)
    second = an_active(ledger, former=version.id)
    watch.record_assessment(made.study_instance_uid, Assessed(5, 1), READER)
    [incident] = watch.incidents()
    assert (incident.calibration_id, incident.detail["suspended"]) == (version.id, True)
    assert (state(ledger, version), state(ledger, second)) == (CalibrationState.SUSPENDED, CalibrationState.ACTIVE)
    assert ledger.in_force(STRATUM, START).reason_code == "calibration-suspended"
    assert ledger.in_force(STRATUM, clock.now).version == second
    clock.advance(hours=1)
    ledger.act(second.id, Act.ROLL_BACK, ADMIN, Signature(ADMIN.printed_name, "flags too much"))
    assert ledger.in_force(STRATUM, clock.now).reason_code == "calibration-suspended"
    assert state(ledger, version) is CalibrationState.SUSPENDED, "one person does not bring it back"
    assert ledger.verify_audit() is None


@pytest.mark.parametrize("assessed", [Assessed(0, 3), Assessed(2, 1), Assessed(1, 1, follow_up="no-cancer")])
def test_benign_and_unfinished_assessments_do_not(
    ledger: Ledger, watch: Monitoring, version: CalibrationVersion, assessed: Assessed
) -> None:
    made = flagged(ledger, 1, version)
    watch.record_assessment(made.study_instance_uid, assessed, READER)
    assert watch.incidents() == ()
    assert state(ledger, version) is CalibrationState.ACTIVE


def test_an_exam_that_was_not_flagged_was_not_missed(
    ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    low = finished(ledger, 1, 0.1, version.operating_point)
    refused = finished(ledger, 2, 2.0, version.operating_point, reason("implant"))
    for uid in (low.study_instance_uid, refused.study_instance_uid, received(ledger, 3)):
        watch.record_assessment(uid, Assessed(5, 5), READER)
    assert watch.incidents() == ()
    assert state(ledger, version) is CalibrationState.ACTIVE


def test_one_miss_is_one_incident(ledger: Ledger, watch: Monitoring, version: CalibrationVersion) -> None:
    made = flagged(ledger, 1, version)
    other = flagged(ledger, 2, version)
    watch.record_assessment(made.study_instance_uid, Assessed(4, 1), READER)
    again = watch.record_assessment(made.study_instance_uid, Assessed(6, 1, "biopsy", "screen-detected"), READER)
    assert again.incident is None
    watch.record_assessment(other.study_instance_uid, Assessed(4, 1), READER)
    newest, oldest = watch.incidents()
    assert (oldest.detail["suspended"], newest.detail["suspended"]) == (True, False), "it was suspended already"
    assert newest.study_instance_uid == other.study_instance_uid


def test_a_result_for_fewer_images_is_no_claim_any_more_and_a_new_one_is_checked(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    made = flagged(ledger, 1, version)
    ledger.record_instance(header(2, study=made.study_instance_uid), digest(2), "p", at_once)
    watch.record_assessment(made.study_instance_uid, Assessed(5, 1), READER)
    assert watch.incidents() == ()
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    uid = made.study_instance_uid
    assert ledger.finish(claim, decided(uid, 2.0, version.operating_point, revision=2), [])
    with writing(engine) as connection:
        check_missed_in(connection, START, uid)
    [incident] = watch.incidents()
    assert incident.detail["result_id"] == f"result-{uid}-2"
    with writing(engine) as connection:
        assert check_missed_in(connection, START, uid) is None


def test_a_result_of_an_unknown_calibration_opens_the_incident_all_the_same(ledger: Ledger, watch: Monitoring) -> None:
    made = finished(ledger, 1, 2.0, OperatingPoint("from-a-file", "image", 1.0))
    watch.record_assessment(made.study_instance_uid, Assessed(5, 1), READER)
    [incident] = watch.incidents()
    assert incident.detail["suspended"] is False


def test_incidents_are_closed_once_with_a_resolution(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion, clock: Clock
) -> None:
    watch.record_assessment(flagged(ledger, 1, version).study_instance_uid, Assessed(5, 1), READER)
    [incident] = watch.incidents(open_only=True)
    with pytest.raises(Forbidden, match="rita"):
        watch.close_incident(incident.id, READER, "seen")
    with pytest.raises(TriageError, match="resolution"):
        watch.close_incident(incident.id, ADMIN, "  ")
    with pytest.raises(TriageError, match="no incident 99"):
        watch.close_incident(99, ADMIN, "seen")
    clock.advance(hours=1)
    closed = watch.close_incident(incident.id, ADMIN, " Read again: occult cancer. ")
    assert (closed.closed_by, closed.resolution, closed.closed_at) == ("ada", "Read again: occult cancer.", clock.now)
    assert watch.incidents(open_only=True) == ()
    assert watch.incidents() == (closed,)
    with pytest.raises(Conflict, match="closed by ada"):
        watch.close_incident(incident.id, Actor("al", "Al", frozenset({Role.APPROVER})), "again")
    assert audited(engine)[-1][0] == "incident-closed"
    assert state(ledger, version) is CalibrationState.SUSPENDED, "closing an incident puts nothing in force"


def test_labelled_exams_are_those_a_threshold_will_be_asked_about(
    ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    good = flagged(ledger, 1, version)
    uncalibrated = finished(ledger, 2, 0.4, None, reason("uncalibrated-device"))
    refused = finished(ledger, 3, 2.0, version.operating_point, reason("implant"))
    unlabelled = flagged(ledger, 4, version)
    for made in (good, uncalibrated, refused):
        watch.record_assessment(made.study_instance_uid, Assessed(0, 1), READER)
    watch.record_assessment(good.study_instance_uid, Assessed(2, 1, "second-read", "no-cancer"), READER)
    first, second = watch.labelled_exams(STRATUM.id)
    assert (first.study_instance_uid, first.right, first.left, first.follow_up) == ("1.2.1", 2, 1, "no-cancer")
    assert (first.patient_id, first.stratum) == ("P-0001", STRATUM)
    views = sorted((one.laterality, one.view, one.fused) for one in first.images)
    assert views == [("L", "CC", 2.0), ("L", "MLO", 2.0), ("R", "CC", 2.0), ("R", "MLO", 2.0)]
    assert (second.study_instance_uid, {one.fused for one in second.images}) == ("1.2.2", {0.4})
    assert watch.labelled_exams() == (first, second)
    assert watch.labelled_exams("0" * 16) == ()
    decided_at = START.replace(second=5)
    assert watch.labelled_exams(since=decided_at) == (first, second)
    assert watch.labelled_exams(until=decided_at) == ()
    uids = [good.study_instance_uid, unlabelled.study_instance_uid, refused.study_instance_uid, "9"]
    scored = watch.scored_exams(uids)
    assert [one.study_instance_uid for one in scored] == ["1.2.1", "1.2.4"]
    assert scored[0] == replace(first, right=None, left=None, follow_up="")


def test_strata_seen_with_those_nobody_calibrated(
    ledger: Ledger, watch: Monitoring, version: CalibrationVersion, clock: Clock
) -> None:
    assert watch.strata_seen() == ()
    flagged(ledger, 1, version)
    clock.advance(minutes=1)
    finished(ledger, 2, 0.4, None, reason("uncalibrated-device"))
    received(ledger, 3)
    [found] = watch.strata_seen()
    assert (found.stratum, found.exams, found.uncalibrated, found.last_at) == (STRATUM, 2, 1, clock.now)
    [found] = watch.strata_seen(last=1)
    assert (found.exams, found.uncalibrated) == (1, 1), "only the newest are looked at"
