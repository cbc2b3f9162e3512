"""Sets of labelled scores over REST: upload as JSON and CSV, wrong rows named, sets from scored studies."""

import csv
import io
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from governed_service import DECLARATIONS, SERVED, Governed, rows, stratum_id
from served_exams import POINT, Archive
from served_exams import scored as scored_image
from simulated_site import patient_key

from triage.core.errors import ConfigurationError
from triage.core.finding import BundleIdentity, Outcome, StudyFinding
from triage.core.reasons import reason
from triage.core.strata import Stratum
from triage.serve import body_limit
from triage.store.secret import PatientKeys, patient_keys

STRATUM = Stratum("Site", "ACME", "Mammo 1", "1.0", "DIRECT", SERVED.sha256, SERVED.preprocessing)


@pytest.fixture
def governed(archive: Archive) -> Governed:
    return Governed.over(archive)


def as_csv(content: list[dict[str, object]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(content[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(content)
    return out.getvalue()


def post_csv(governed: Governed, content: str | bytes, who: str = "ada", **query: object):
    headers = {"authorization": f"Bearer {governed.keys[who]}", "content-type": "text/csv; charset=utf-8"}
    described = {"name": "by hand", "purpose": "calibration", **query}
    return governed.client.post("/api/v1/calibration-sets", content=content, params=described, headers=headers)


def some(count: int = 8) -> list[dict[str, object]]:
    return [dict(one) for one in rows("north")[:count]]


def test_json_and_csv_make_the_same_set(governed: Governed) -> None:
    by_json = governed.get(f"/calibration-sets/{governed.upload('x', 'calibration', rows=some())}").json()
    answer = post_csv(governed, as_csv(some()), **DECLARATIONS)
    assert answer.status_code == 201, answer.text
    by_csv = governed.get(f"/calibration-sets/{answer.json()['id']}").json()
    for differing in ("id", "name", "created_at"):
        by_csv.pop(differing), by_json.pop(differing)
    assert by_csv == by_json
    assert by_csv["rows_sha256"]


def test_a_set_is_counted_by_stratum_and_category(governed: Governed) -> None:
    made = governed.upload("north", "calibration")
    found = governed.get(f"/calibration-sets/{made}").json()
    assert (found["rows"], found["patients"], found["exams"]) == (1680, 420, 420)
    assert found["uploaded_by"] == "ada"
    assert found["declarations"] == DECLARATIONS
    assert found["strata"][stratum_id()]["device"] == "ACME Mammo 1 1.0"
    counts = {one["birads"]: one["images"] for one in found["counts"]}
    assert counts == {1: 1320, 0: 60, 2: 60, 3: 60, 4: 60, 5: 60, 6: 60}
    assert [one["id"] for one in governed.get("/calibration-sets").json()] == [made]


def test_rows_come_back_to_admins_and_approvers_only(governed: Governed) -> None:
    made = governed.upload("x", "calibration", rows=some())
    path = f"/calibration-sets/{made}/rows"
    assert (governed.get(path).status_code, governed.get(path, "flo").status_code) == (401, 403)
    back = list(csv.DictReader(io.StringIO(governed.get(path, "cy").text)))
    assert [one["patient"] for one in back] == [one["patient"] for one in some()]
    assert [float(one["score"]) for one in back] == [one["score"] for one in some()]
    assert (
        post_csv(governed, governed.get(path, "ada").text).json()["rows_sha256"]
        == (governed.get(f"/calibration-sets/{made}").json()["rows_sha256"])
    )


@pytest.mark.parametrize("who", ["cy", "flo"])
def test_only_admins_upload(governed: Governed, who: str) -> None:
    body = {"name": "x", "purpose": "calibration", "rows": some()}
    assert governed.post("/calibration-sets", who, body).status_code == 403
    assert governed.post("/calibration-sets", None, body).status_code == 401
    assert governed.get("/calibration-sets").json() == []


def spoilt() -> list[dict[str, object]]:
    """Rows 2, 3, 5 and 7 are wrong."""
    content = some()
    content[1]["patient"] = "P-0001"
    content[2]["score"] = "nan"
    content[4]["birads"] = 7
    content[6]["laterality"] = "B"
    return content


def test_every_wrong_row_is_named_in_json(governed: Governed) -> None:
    answer = governed.post("/calibration-sets", "ada", {"name": "x", "purpose": "calibration", "rows": spoilt()})
    assert answer.status_code == 422
    found = {(one["row"], one["column"]) for one in answer.json()["errors"]}
    assert found == {(2, "patient"), (3, "score"), (5, "birads"), (7, "laterality")}
    assert all(one["problem"] for one in answer.json()["errors"])
    assert governed.get("/calibration-sets").json() == []


def test_every_wrong_line_is_named_in_csv(governed: Governed) -> None:
    answer = post_csv(governed, as_csv(spoilt()))
    assert answer.status_code == 422
    found = {(one["row"], one["column"]) for one in answer.json()["errors"]}
    assert found == {(3, "patient"), (4, "score"), (6, "birads"), (8, "laterality")}


def test_a_patient_id_is_not_repeated(governed: Governed) -> None:
    assert "P-0001" not in post_csv(governed, as_csv(spoilt())).text


@pytest.mark.parametrize(
    ("content", "query"),
    [
        (b"", {}),
        (b"patient,score\n", {}),
        (b"\xff\xfe\x00", {}),
        (b"patient\n\xe4\n", {}),
        ("just words", {}),
        ("patient,exam\n1\n", {}),
        (as_csv(some()), {"purpose": "fun"}),
        (as_csv(some()), {"name": ""}),
        (as_csv(some()), {"consecutive": "perhaps"}),
    ],
)
def test_whatever_is_no_set_is_422(governed: Governed, content: str | bytes, query: dict[str, object]) -> None:
    answer = post_csv(governed, content, **query)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert governed.get("/calibration-sets").json() == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"name": "x"}', b"[" * 100_000, b'{"rows": NaN}', b"\xff"])
def test_whatever_is_no_json_is_422(governed: Governed, content: bytes) -> None:
    headers = {"authorization": f"Bearer {governed.keys['ada']}", "content-type": "application/json"}
    answer = governed.client.post("/api/v1/calibration-sets", content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_other_media_types_are_415(governed: Governed) -> None:
    headers = {"authorization": f"Bearer {governed.keys['ada']}", "content-type": "application/vnd.ms-excel"}
    assert governed.client.post("/api/v1/calibration-sets", content=b"x", headers=headers).status_code == 415


def test_too_much_is_413(governed: Governed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "MAX_BODY_BYTES", 100_000)
    small = Governed.over(Archive(governed.archive.home / "small"))
    headers = {"authorization": f"Bearer {small.keys['ada']}", "content-type": "text/csv"}

    def chunks():
        for _ in range(1000):
            yield b"a" * 1000

    for content in (b"a" * 100_001, chunks()):
        answer = small.client.post("/api/v1/calibration-sets", content=content, headers=headers)
        assert answer.status_code == 413
        assert "split" in answer.json()["detail"]


def test_training_sets_need_patients_only(governed: Governed) -> None:
    made = governed.upload("trained on", "training", rows=[{"patient": patient_key("one")}])
    found = governed.get(f"/calibration-sets/{made}").json()
    assert (found["rows"], found["patients"], found["counts"]) == (1, 1, [])


def test_an_unknown_set_is_404(governed: Governed) -> None:
    assert governed.get("/calibration-sets/nothing").status_code == 404
    assert governed.get("/calibration-sets/nothing/rows", "ada").status_code == 404


def scored(governed: Governed, number: int, outcome: Outcome = Outcome.NOT_FLAGGED, **changes: object) -> str:
    """A study that the service has scored with the bundle in use."""
    archive = governed.archive
    patient = changes.pop("patient", f"P-{number:04d}")
    uid = archive.receive(number, PatientID=str(patient))
    claim = archive.claim()
    archive.now += timedelta(seconds=1)
    stored = archive.ledger.instances(uid)
    finding = StudyFinding(
        study_instance_uid=uid,
        revision=claim.rev,
        outcome=outcome,
        reasons=(),
        images=tuple(scored_image(one.header, Outcome.NOT_FLAGGED, place) for place, one in enumerate(stored)),
        operating_point=POINT,
        bundle=BundleIdentity("demo", "1", SERVED.sha256, True),
        stratum=STRATUM,
        result_id=f"{uid}-1",
        decided_at=archive.now.isoformat(),
    )
    assert archive.ledger.finish(claim, replace(finding, **changes), [])
    return uid


def from_studies(governed: Governed, **changes: object):
    body = {"name": "ours", "purpose": "calibration", "declarations": DECLARATIONS, **changes}
    return governed.post("/calibration-sets/from-studies", "ada", body)


def test_a_set_of_scored_studies_with_given_labels(governed: Governed) -> None:
    uids = [scored(governed, number) for number in (1, 2)]
    labels = [
        {"study_instance_uid": uids[0], "right_birads": 1, "left_birads": 4, "follow_up": "screen-detected"},
        {"study_instance_uid": uids[1], "right_birads": 2},
        {"study_instance_uid": "1.2.3", "right_birads": 1, "left_birads": 1},
    ]
    answer = from_studies(governed, studies=labels)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["rows"], made["patients"], made["exams"]) == (4, 1, 1)
    assert {one["birads"]: one["images"] for one in made["counts"]} == {1: 2, 4: 2}
    assert set(made["strata"]) == {STRATUM.id}
    left_out = {one["study_instance_uid"]: one["problem"] for one in made["left_out"]}
    assert set(left_out) == {uids[1], "1.2.3"}
    assert "breast L" in left_out[uids[1]]
    content = governed.get(f"/calibration-sets/{made['id']}/rows", "ada").text
    assert "P-0001" not in content
    assert uids[0] not in content
    assert {one["score"] for one in csv.DictReader(io.StringIO(content))} == {"0.5", "0.625", "0.75", "0.875"}
    key = patient_keys(governed.archive.home).key("P-0001")
    assert content.count(key) == 4


def test_a_set_of_scored_studies_by_their_assessments(governed: Governed) -> None:
    normal, abnormal, _unread = (scored(governed, number) for number in (1, 2, 3))
    for uid, left in ((normal, 1), (abnormal, 5)):
        body = {"right_birads": 1, "left_birads": left}
        assert governed.post(f"/studies/{uid}/assessments", "flo", body).status_code == 201
    made = from_studies(governed, stratum_id=STRATUM.id).json()
    assert {one["birads"]: one["images"] for one in made["counts"]} == {1: 6, 5: 2}
    assert made["left_out"] == []
    assert from_studies(governed, stratum_id="0" * 16).status_code == 422
    later = (governed.archive.now + timedelta(seconds=1)).isoformat()
    assert from_studies(governed, since=later).status_code == 422
    assert from_studies(governed, since="2026-01-01T00:00:00").status_code == 422
    assert from_studies(governed, until=later).json()["rows"] == 8


def test_studies_that_no_threshold_is_asked_about_stay_out(governed: Governed) -> None:
    refused = scored(governed, 1, Outcome.NOT_EVALUATED, reasons=(reason("implant").on("1"),))
    uncalibrated = scored(governed, 2, Outcome.NOT_EVALUATED, reasons=(reason("uncalibrated-device"),))
    old = scored(governed, 3, stratum=replace(STRATUM, bundle_sha256="cd" * 32))
    nameless = scored(governed, 4, patient="")
    uids = (refused, uncalibrated, old, nameless)
    labels = [{"study_instance_uid": uid, "right_birads": 1, "left_birads": 1} for uid in uids]
    made = from_studies(governed, studies=labels).json()
    assert made["exams"] == 1
    left_out = {one["study_instance_uid"]: one["problem"] for one in made["left_out"]}
    assert set(left_out) == {refused, old, nameless}
    assert "another model bundle" in left_out[old]
    assert "no patient ID" in left_out[nameless]


def test_the_secret_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    first = patient_keys(tmp_path).key("P-1")
    path = tmp_path / "secrets" / "hmac.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    assert patient_keys(tmp_path).key(" P-1 ") == first
    assert patient_keys(tmp_path).key("P-2") != first
    assert patient_keys(tmp_path / "other").key("P-1") != first
    # openssl dgst -sha256 -mac HMAC with a key of 32 zero bytes
    assert PatientKeys(bytes(32)).key("P-1") == "beb32a0c78d0da84de443deb6a1e611581b32de4e574f6d9b331ac8a62a16cfa"
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        patient_keys(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(ConfigurationError, match=r"hmac\.key.*5 bytes"):
        patient_keys(tmp_path)
