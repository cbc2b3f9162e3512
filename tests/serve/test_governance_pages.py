"""Pages on calibrations, devices and incidents without a browser: words, numbers, commands, charts."""

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from governed_samples import ADA, BUNDLE, GRACE, OTHER, STRATUM, Governed, exam, govern, sign
from served_exams import Archive
from sqlalchemy import text

from triage.core.governance import Act
from triage.core.strata import Stratum
from triage.serve.api.governing import Governing
from triage.serve.pages.charts import INSET_MISSED, INSET_SENSITIVITY, histogram_chart, roc_chart, roc_points
from triage.serve.pages.figures import BIRADS_ORDER, interval
from triage.serve.pages.next_steps import next_steps
from triage.store.database import writing

UNKNOWN = Stratum("Screening <North>", "GE", "Senographe", "ADS 56", "DIRECT", STRATUM.bundle_sha256, "1")


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Governed:
    return govern(tmp_path_factory.mktemp("governed"))


@pytest.fixture(scope="module")
def client(governed: Governed) -> TestClient:
    return TestClient(governed.app, raise_server_exceptions=False)


def words(page: str) -> str:
    """What stands on a page, tags and line breaks removed."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).strip()


def shown(client: TestClient, governed: Governed, name: str) -> str:
    answer = client.get(f"/calibrations/{governed.versions[name].id}")
    assert answer.status_code == 200
    return words(answer.text)


def test_every_stratum_is_listed_with_its_versions(client: TestClient, governed: Governed) -> None:
    page = client.get("/calibrations").text
    assert page.count('data-calibration="') == 5
    said = words(page)
    assert "In force: version 2" in said
    assert "Version 3 Evaluated exam 2.078938 limited by safety" in said
    assert "Version 4 Draft exam open until evaluated open until evaluated" in said
    assert "Version 1 Active demonstration, not for clinical use" in said


def test_no_calibration_at_all_is_told_with_what_to_do(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    empty = Governed(archive, Governing(archive.ledger, BUNDLE), {})
    client = TestClient(empty.app)
    assert "no exam is evaluated" in client.get("/calibrations").text
    assert "triage calibration draft STRATUM" in client.get("/calibrations").text
    assert "No exam with a result yet" in client.get("/devices").text
    assert client.get("/incidents").text.count("None.") == 2


def test_rates_of_both_kinds_stand_side_by_side(client: TestClient, governed: Governed) -> None:
    said = shown(client, governed, "evaluated")
    for kind in governed.version("evaluated").report["kinds"].values():
        for name in ("sensitivity", "specificity", "missed", "missed_severe", "flag_rate"):
            rate = kind["evaluation"][name]
            basis = f"{rate['clusters']:,} patients, design effect {rate['design_effect']:.2f}"
            assert f"{interval(rate)} {basis}" in said
    assert "limited by safety: fewer exams are flagged than the target" in said
    assert re.findall(r"(?<= )([023456]) \d+ of \d+, \d+\.\d\d% \(", said)[-6:] == list(BIRADS_ORDER)
    assert "Gross false omission" in said
    assert "threshold-out-of-bounds" in said
    assert "not enough to prove at most 1.30%; at least" in said


def test_the_next_step_is_an_exact_command(client: TestClient, governed: Governed) -> None:
    assert f"triage calibration approve {governed.versions['evaluated'].id} --printed-name" in shown(
        client, governed, "evaluated"
    )
    assert f"triage calibration evaluate {governed.versions['draft'].id}" in shown(client, governed, "draft")
    assert "triage calibration suspend" in shown(client, governed, "active")
    replaced = governed.versions["retired"].id
    assert f"triage calibration suspend {replaced}" in shown(client, governed, "retired")


def test_a_version_that_was_retired_by_itself_has_no_next_step(tmp_path: Path) -> None:
    governed = govern(tmp_path)
    version = sign(governed.ledger, governed.version("draft"), Act.RETIRE, ADA)
    assert next_steps(version, governed.ledger.history(version.id), None) == ()


def test_activation_names_what_it_replaces(tmp_path: Path) -> None:
    governed = govern(tmp_path)
    ledger, active = governed.ledger, governed.version("active")
    version = sign(ledger, sign(ledger, governed.version("evaluated"), Act.APPROVE, GRACE), Act.SHADOW, ADA)
    (step,) = next_steps(version, ledger.history(version.id), active)
    assert f"activate {version.id} --expected-active {active.id} " in step.command
    assert "--expected-active none " in next_steps(version, (), None)[0].command
    suspended = sign(ledger, active, Act.SUSPEND, ADA)
    assert next_steps(suspended, ledger.history(active.id), None)[0].act is Act.REQUEST_REINSTATEMENT
    sign(ledger, suspended, Act.REQUEST_REINSTATEMENT, ADA)
    assert next_steps(suspended, ledger.history(active.id), None)[0].act is Act.REINSTATE
    sign(ledger, suspended, Act.REINSTATE, GRACE)
    again = sign(ledger, active, Act.SUSPEND, ADA)
    assert next_steps(again, ledger.history(active.id), None)[0].act is Act.REQUEST_REINSTATEMENT


def test_charts_only_where_the_scores_are(client: TestClient, governed: Governed) -> None:
    charted = client.get(f"/calibrations/{governed.versions['active'].id}").text
    assert charted.count('role="img"') == 2
    assert charted.count("<title ") == charted.count("<desc ") == 2
    shipped = client.get(f"/calibrations/{governed.versions['shipped'].id}").text
    assert 'role="img"' not in shipped
    assert "the scores behind it are not in this service" in shipped
    assert "Measured on the data of the model bundle" in shipped


def test_pages_carry_no_inline_script_or_style(client: TestClient, governed: Governed) -> None:
    paths = [
        "/calibrations",
        "/devices",
        "/incidents",
        *(f"/calibrations/{one.id}" for one in governed.versions.values()),
    ]
    paths.append(f"/api/v1/calibrations/{governed.versions['active'].id}/change-record")
    for path in paths:
        page = client.get(path).text
        assert " style=" not in page
        assert "<style" not in page
        assert "<script" not in page
        assert "://" not in page
        assert "zero risk" not in page.replace("it is never zero risk", "").replace("is not zero risk", "")


def test_unknown_and_tampered_versions_are_named(tmp_path: Path) -> None:
    governed = govern(tmp_path)
    client = TestClient(governed.app, raise_server_exceptions=False)
    browser = {"accept": "text/html"}
    assert "There is no calibration nothing" in client.get("/calibrations/nothing", headers=browser).text
    with writing(governed.ledger._engine) as connection:
        connection.execute(text("UPDATE calibration SET threshold = 0 WHERE state = 'active'"))
    for path in ("/calibrations", f"/calibrations/{governed.versions['active'].id}"):
        answer = client.get(path, headers=browser)
        assert answer.status_code == 500
        assert "was changed after its evaluation" in answer.text


def test_devices_tell_calibrated_from_uncalibrated(tmp_path: Path) -> None:
    governed = govern(tmp_path)
    archive, active = governed.archive, governed.version("active")
    end = archive.now
    archive.now -= timedelta(days=10)
    for number, score in enumerate((0.5, 2.5, 0.25, -0.5)):
        exam(archive, number, STRATUM, active, score)
        archive.now += timedelta(days=3)
    archive.now = end
    exam(archive, 20, UNKNOWN, None, 0.0)
    page = TestClient(governed.app).get("/devices").text
    assert "Screening &lt;North&gt;" in page
    said = words(page)
    assert said.count("Uncalibrated: not evaluated since first exam") == 1
    assert "In force: version 2" in said
    assert "Flags no alarm 1 of 4 exams, 25.00%; baseline 9.4" in said
    assert len(re.findall(r"\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d", said)) >= 2
    assert OTHER.device not in said


def test_drift_is_an_incident_until_somebody_closes_it(tmp_path: Path) -> None:
    governed = govern(tmp_path)
    archive, active = governed.archive, governed.version("active")
    for number in range(40):
        exam(archive, number, STRATUM, active, 5.0)
        if governed.ledger.incidents():
            break
    client = TestClient(governed.app)
    said = words(client.get("/incidents").text)
    assert "Open 1" in said
    assert re.search(r"Flags rose: (\d+) of \1 exams, 100\.00%, against a baseline of 9\.\d\d%", said)
    assert 'triage calibration close-incident 1 --resolution "WHAT WAS FOUND AND DONE"' in said.replace("&#34;", '"')
    assert "Alarm of" in client.get("/devices").text
    assert "is suspended or was rolled back" in client.get("/calibrations").text
    governed.ledger.close_incident(1, ADA, "The unit got new software.")
    said = words(client.get("/incidents").text)
    assert "Open 0" in said
    assert "The unit got new software." in said


def test_curve_goes_through_every_threshold() -> None:
    scores, normal = np.array([3.0, 2.0, 2.0, 1.0]), np.array([True, True, False, False])
    assert roc_points(scores, normal) == [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]


def test_operating_point_is_what_the_threshold_flags() -> None:
    generator = np.random.default_rng(3)
    scores, normal = generator.normal(size=400), np.arange(400) % 2 == 0
    scores[normal] += 2
    chart = roc_chart(scores, normal, 2.75)
    assert chart is not None
    assert chart.sensitivity == pytest.approx(np.mean(scores[normal] >= 2.75))
    assert chart.missed == pytest.approx(np.mean(scores[~normal] >= 2.75))
    assert chart.in_inset
    for path, frame in ((chart.curve, chart.frame), (chart.inset_curve, chart.inset)):
        spots = np.array([spot.split() for spot in path[1:].split("L")], float)
        assert spots[:, 0].min() >= frame.left
        assert spots[:, 0].max() <= frame.right
        assert spots[:, 1].min() >= frame.top
        assert spots[:, 1].max() <= frame.bottom
    assert chart.inset.x(INSET_MISSED) == chart.inset.right
    assert chart.inset.y(INSET_SENSITIVITY) == chart.inset.top
    assert roc_chart(scores, np.ones(400, bool), 1.0) is None
    flags_nothing = roc_chart(scores, normal, None)
    assert flags_nothing is not None
    assert not flags_nothing.in_inset


def test_histogram_mirrors_the_two_groups() -> None:
    scores, normal = np.array([0.0, 1.0, 1.0, -1.0, -1.0]), np.array([True, True, True, False, False])
    chart = histogram_chart(scores, normal, 0.5)
    assert chart is not None
    assert len(chart.normal) == 2
    assert len(chart.abnormal) == 1
    assert all(bar.y + bar.height <= chart.middle + 0.1 for bar in chart.normal)
    assert all(bar.y >= chart.middle for bar in chart.abnormal)
    assert chart.abnormal[0].height == pytest.approx(chart.normal[1].height * 1.5, abs=0.2)
    assert chart.threshold_x == chart.frame.x(0.5)
    outside = histogram_chart(scores, normal, 9.0)
    assert outside is not None
    assert outside.threshold_x is None
    assert histogram_chart(np.array([2.0]), np.array([True]), None) is not None
    assert histogram_chart(np.array([]), np.array([], bool), None) is None


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ({"k": 19, "n": 1192, "value": 19 / 1192, "low": 0.00962, "high": 0.02478}, "19 of 1,192, 1.59% (0.96-2.48%)"),
        ({"k": 0, "n": 102, "value": 0.0, "low": 0.0, "high": 0.0355}, "0 of 102, 0.00% (0.00-3.55%)"),
        ({"k": 0, "n": 0, "value": None, "low": 0.0, "high": 1.0}, "0 of 0: nothing to count"),
        (None, "not determined"),
    ],
)
def test_no_rate_without_its_interval(rate: dict[str, float] | None, said: str) -> None:
    assert interval(rate) == said
