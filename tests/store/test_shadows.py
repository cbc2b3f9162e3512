"""Shadow results: kept once, compared, and never part of a study."""

import pytest
from ledger_samples import Clock
from monitoring_samples import OTHER, READER, decided, finished, in_force
from sqlalchemy import Engine

from triage.core.finding import Outcome
from triage.core.governance import CalibrationVersion
from triage.core.reasons import reason
from triage.store.assessments import Assessed
from triage.store.ledger import Ledger
from triage.store.monitoring import Monitoring


@pytest.fixture
def watch(engine: Engine, clock: Clock) -> Monitoring:
    """The watching side."""
    return Monitoring(engine, clock)


@pytest.fixture
def active(ledger: Ledger) -> CalibrationVersion:
    """Flags from 1.0."""
    return in_force(ledger)


@pytest.fixture
def shadow(ledger: Ledger) -> CalibrationVersion:
    """Would flag from 0.2."""
    return in_force(ledger, OTHER, 0.2)


def test_a_shadow_result_is_kept_once_and_changes_nothing_of_the_study(
    ledger: Ledger, watch: Monitoring, active: CalibrationVersion, shadow: CalibrationVersion
) -> None:
    made = finished(ledger, 1, 0.5, active.operating_point)
    before, rows, audit = ledger.study("1.2.1"), ledger.worklist(), watch.audit_length()
    said = decided("1.2.1", 0.5, shadow.operating_point)
    assert (made.outcome, said.outcome) == (Outcome.NOT_FLAGGED, Outcome.CONFIDENTLY_NORMAL)
    assert watch.save_shadow(said, shadow.id, made.outcome)
    assert not watch.save_shadow(said, shadow.id, made.outcome)
    assert ledger.study("1.2.1") == before
    assert ledger.worklist() == rows
    assert watch.audit_length() == audit
    assert watch.shadow_comparison(shadow.id).n == 1
    watch.record_assessment("1.2.1", Assessed(5, 5), READER)
    assert watch.incidents() == (), "a shadow misses nothing"


def test_the_comparison_counts_every_combination(
    ledger: Ledger, watch: Monitoring, active: CalibrationVersion, shadow: CalibrationVersion
) -> None:
    assert watch.shadow_comparison(shadow.id).max_score_difference is None
    implant = reason("implant")
    cases = [
        (2.0, 2.0, (), ()),
        (2.0, 0.1, (), ()),
        (0.5, 0.5, (), ()),
        (0.1, 0.1, (), ()),
        (2.0, 2.5, (implant,), ()),
        (0.1, 0.1, (implant,), (implant,)),
    ]
    for number, (score, shadow_score, reasons, shadow_reasons) in enumerate(cases):
        made = finished(ledger, number, score, active.operating_point, *reasons)
        said = decided(made.study_instance_uid, shadow_score, shadow.operating_point, shadow_reasons)
        watch.save_shadow(said, shadow.id, made.outcome)
    found = watch.shadow_comparison(shadow.id)
    assert (found.n, found.both_flagged, found.only_active, found.only_shadow, found.neither) == (6, 1, 1, 2, 2)
    assert found.evaluated_by_one == 1
    assert found.max_score_difference == pytest.approx(1.9)
    assert watch.shadow_comparison(active.id).n == 0


def test_a_newer_revision_replaces_the_older_in_the_comparison(
    ledger: Ledger, watch: Monitoring, active: CalibrationVersion, shadow: CalibrationVersion
) -> None:
    made = finished(ledger, 1, 0.5, active.operating_point)
    for revision, score in ((1, 0.5), (2, 0.1)):
        said = decided("1.2.1", score, shadow.operating_point, revision=revision)
        assert watch.save_shadow(said, shadow.id, made.outcome)
    found = watch.shadow_comparison(shadow.id)
    assert (found.n, found.only_shadow, found.neither) == (1, 0, 1)
