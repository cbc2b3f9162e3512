"""Which calibration decides a study, what its charts count, and what runs in its shadow."""

from dataclasses import replace
from pathlib import Path

import pytest
from governance_samples import ADMIN, a_set, a_shadow, an_active, shipped, signed
from pipeline_bench import Bench

from triage.core.finding import Outcome
from triage.core.governance import Act, CalibrationState
from triage.decide.replay import replay
from triage.scoring import Scorer


@pytest.fixture
def bench(tmp_path: Path, exams: list[list[Path]]) -> Bench:
    return Bench(tmp_path, exams[0])


def codes(finding) -> list[str]:  # type: ignore[no-untyped-def]
    return [found.code for found in finding.reasons]


def scores_of(bench: Bench, scorer: Scorer | None = None) -> str:
    """A set of scores that a bundle made; its id."""
    return a_set(bench.ledger, bundle_sha256=bench.stratum(scorer).bundle_sha256)


def in_force(bench: Bench) -> str:
    [active] = bench.ledger.calibrations(bench.stratum().id, CalibrationState.ACTIVE)
    return active.id


def test_a_study_is_decided_by_what_was_in_force_when_it_came(bench: Bench) -> None:
    bench.receive("1")
    former = in_force(bench)
    newer = an_active(bench.ledger, bench.stratum(), former, calibration_set=scores_of(bench))
    bench.receive("2")
    first, second = bench.analyse(), bench.analyse()
    assert first.operating_point is not None
    assert second.operating_point is not None
    assert (first.operating_point.id, second.operating_point.id) == (former, newer.id)
    assert (second.operating_point.kind, second.operating_point.threshold) == ("exam_min", 1.25)
    assert first.stratum == second.stratum == bench.stratum()


def test_a_suspension_reaches_studies_that_were_received_before(bench: Bench) -> None:
    bench.receive("1")
    bench.ledger.act(in_force(bench), Act.SUSPEND, ADMIN, signed(ADMIN, "doubt"))
    finding = bench.analyse()
    assert finding.outcome is Outcome.NOT_EVALUATED
    assert codes(finding) == ["calibration-suspended"]
    assert finding.operating_point is None
    assert all(image.logits is not None and not image.flagged for image in finding.images)


def test_a_roll_back_brings_the_version_before_back(bench: Bench) -> None:
    assert bench.pipeline
    former = in_force(bench)
    newer = an_active(bench.ledger, bench.stratum(), former, calibration_set=scores_of(bench))
    bench.receive("1")
    bench.ledger.act(newer.id, Act.ROLL_BACK, ADMIN, signed(ADMIN, "wrong set"))
    bench.receive("2")
    pinned, fresh = bench.analyse(), bench.analyse()
    assert codes(pinned) == ["calibration-suspended"]
    assert fresh.outcome is Outcome.CONFIDENTLY_NORMAL
    assert fresh.operating_point is not None
    assert fresh.operating_point.id == former


def test_evaluated_exams_are_counted_once_and_incomplete_ones_are_not(bench: Bench) -> None:
    uid = bench.receive("1")
    bench.receive("2", bench.files[:3])
    incomplete, complete = sorted((bench.analyse(), bench.analyse()), key=lambda finding: finding.revision)
    assert complete.outcome is Outcome.CONFIDENTLY_NORMAL
    assert codes(incomplete) == ["views-missing"]
    bench.ledger.redrive(uid)
    bench.analyse()
    charts = {chart.state.event: chart.state for chart in bench.ledger.charts(in_force(bench))}
    assert {event: (state.exams, state.events) for event, state in charts.items()} == {
        "flag": (1, 1),
        "refusal": (1, 0),
        "ood": (1, 0),
    }


def test_a_flood_of_flags_suspends_and_opens_an_incident(bench: Bench) -> None:
    outcomes = []
    for study in range(1, 20):
        bench.receive(str(study))
        outcomes.append(bench.analyse())
    flagged = [finding.outcome is Outcome.CONFIDENTLY_NORMAL for finding in outcomes]
    last = flagged.index(False)
    assert 8 <= last <= 16, "ln 2 an exam, against an interval of about 9"
    assert not any(flagged[last:])
    assert codes(outcomes[-1]) == ["calibration-suspended"]
    [incident] = bench.ledger.incidents(open_only=True)
    assert (incident.kind, incident.detail["event"], incident.detail["direction"]) == ("drift", "flag", "up")
    assert bench.ledger.verify_audit() is None


def test_a_version_in_its_shadow_phase_is_compared_and_never_shown(bench: Bench) -> None:
    assert bench.pipeline
    version = a_shadow(bench.ledger, bench.stratum(), calibration_set=scores_of(bench))
    uid = bench.receive("1")
    finding = bench.analyse()
    compared = bench.ledger.shadow_comparison(version.id)
    assert compared.n == 1
    assert finding.operating_point is not None
    assert finding.operating_point.id != version.id
    record = bench.ledger.study(uid)
    assert record is not None
    assert version.id not in repr(record)


def test_a_second_bundle_runs_beside_the_one_that_serves(tmp_path: Path, exams: list[list[Path]]) -> None:
    bench = Bench(tmp_path, exams[0], shadow_factor=0.001)
    assert bench.pipeline
    assert bench.shadow is not None
    version = a_shadow(bench.ledger, bench.stratum(bench.shadow), calibration_set=scores_of(bench, bench.shadow))
    bench.receive("1")
    assert bench.analyse().outcome is Outcome.CONFIDENTLY_NORMAL
    compared = bench.ledger.shadow_comparison(version.id)
    assert (compared.n, compared.both_flagged, compared.only_active, compared.only_shadow) == (1, 0, 1, 0)


def test_a_shadow_that_fails_touches_nothing(tmp_path: Path, exams: list[list[Path]]) -> None:
    bench = Bench(tmp_path, exams[0], shadow_factor=float("nan"))
    assert bench.pipeline
    assert bench.shadow is not None
    a_shadow(bench.ledger, bench.stratum(bench.shadow), calibration_set=scores_of(bench, bench.shadow))
    bench.receive("1")
    assert bench.analyse().outcome is Outcome.CONFIDENTLY_NORMAL


def test_every_decision_replays(bench: Bench) -> None:
    bench.receive("1")
    bench.receive("2", bench.files[:3])
    for finding in (bench.analyse(), bench.analyse()):
        point = finding.operating_point
        version = bench.ledger.calibration(point.id) if point else None
        assert replay(finding, version.operating_point if version else None).identical


def test_a_device_that_does_not_say_what_it_is_is_never_calibrated(bench: Bench) -> None:
    nameless = replace(bench.stratum(), software_version="")
    bench.ledger.adopt([shipped(nameless)])
    bench.receive("1", without="SoftwareVersions")
    finding = bench.analyse()
    assert codes(finding) == ["uncalibrated-device"]
    assert "SoftwareVersions absent" in finding.reasons[0].text
