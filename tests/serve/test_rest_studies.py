"""One study over REST: the contract's fields, revisions, pictures."""

from dataclasses import replace

from fastapi.testclient import TestClient
from ledger_samples import header
from served_exams import BUNDLE, LONG_AGO, Archive, Populated

from triage.core.finding import Outcome
from triage.core.reasons import reason
from triage.core.views import STANDARD_VIEWS
from triage.serve.api.presentation import study_json

FIELDS = {
    "study_instance_uid", "accession_number", "revision", "state", "outcome", "reasons", "images", "operating_point",
    "bundle", "deliveries", "received_at", "last_image_at", "decided_at",
}  # fmt: skip


def test_decided_study_mirrors_the_contract(archive: Archive, client: TestClient) -> None:
    uid = archive.receive(1)
    archive.decide(Outcome.CONFIDENTLY_NORMAL)
    study = client.get(f"/api/v1/studies/{uid}").json()
    assert set(study) >= FIELDS
    assert (study["state"], study["outcome"], study["revision"]) == ("done", "confidently_normal", 4)
    image = study["images"][1]
    assert image == {
        "sop_instance_uid": f"{uid}.2.2",
        "laterality": "L",
        "view": "CC",
        "eligible": True,
        "reasons": [],
        "logits": {"dual_view": 2.125, "whole_image": 1.625, "fused": 1.875},
        "flagged": True,
        "ood": None,
        "registration": {"quality": 0.93, "accepted": True, "method": "affine"},
    }
    point = study["operating_point"]
    assert (point["kind"], point["threshold"], point["limited_by_safety"]) == ("image", 1.25, False)
    assert point["positive_class"] == "normal (BI-RADS 1)"
    assert study["bundle"]["sha256"] == BUNDLE.sha256
    assert study["demonstration"] is True
    delivery = study["deliveries"][0]
    assert (delivery["destination"], delivery["output"], delivery["state"]) == ("pacs", "sr", "pending")
    assert delivery["attempts"] == 0
    assert delivery["of_current_result"] is True
    assert (study["patient_name"], study["manufacturer_model_name"]) == ("Doe^Jane", "Selenia Dimensions")
    assert study["received_at"] < study["last_image_at"] < study["decided_at"]


def test_reasons_name_the_image(populated: Populated) -> None:
    study = populated.client.get(f"/api/v1/studies/{populated.uids['implant']}").json()
    assert study["outcome"] == "not_evaluated"
    codes = [(one["code"], one["sop_instance_uid"]) for one in study["reasons"]]
    assert ("views-missing", None) in codes
    assert ("implant", f"{study['study_instance_uid']}.2.1") in codes


def test_images_not_analysed_yet_are_listed_with_what_the_header_says(archive: Archive, client: TestClient) -> None:
    def spoil(made):
        return replace(made, reasons=(reason("implant").on(made.sop_instance_uid),))

    uid = archive.receive(1, STANDARD_VIEWS[:1], LONG_AGO, change=spoil)
    archive.receive(1, STANDARD_VIEWS[1:2], LONG_AGO)
    study = client.get(f"/api/v1/studies/{uid}").json()
    assert (study["state"], study["outcome"], study["decided_at"]) == ("receiving", None, None)
    assert [(one["view"], one["eligible"], one["logits"]) for one in study["images"]] == [
        ("CC", False, None),
        ("CC", True, None),
    ]
    assert study["images"][0]["reasons"][0]["code"] == "implant"
    assert study["views"] == [{"view": "RCC", "eligible": False}, {"view": "LCC", "eligible": True}]


def test_set_aside_object_is_listed_and_is_no_view(archive: Archive, client: TestClient) -> None:
    uid = archive.receive(1, STANDARD_VIEWS[:1], LONG_AGO)
    raw = replace(header(9, uid, laterality="L"), analysable=False, reasons=(reason("not-for-presentation"),))
    archive.take(raw, LONG_AGO)
    study = client.get(f"/api/v1/studies/{uid}").json()
    assert [one["view"] for one in study["views"]] == ["RCC"]
    assert [one["eligible"] for one in study["images"]] == [True, False]


def test_an_answer_to_fewer_images_is_out_of_force(archive: Archive, client: TestClient) -> None:
    uid = archive.receive(1)
    archive.decide(Outcome.CONFIDENTLY_NORMAL)
    late = header(5, uid, view_position="XCCL")
    archive.take(late, LONG_AGO)
    study = client.get(f"/api/v1/studies/{uid}").json()
    assert (study["revision"], study["state"], study["outcome"], study["reasons"]) == (5, "receiving", None, [])
    assert study["previous_result"]["outcome"] == "confidently_normal"
    assert study["previous_result"]["revision"] == 4
    assert len(study["images"]) == 5
    assert not any(one["flagged"] or one["logits"] for one in study["images"])
    assert study["operating_point"] is None
    assert [one["of_current_result"] for one in study["deliveries"]] == [False]
    page = client.get(f"/studies/{uid}").text
    assert "Confidently normal" not in page
    assert "no longer holds" in page


def test_older_deliveries_stay_listed(archive: Archive, client: TestClient) -> None:
    uid = archive.receive(1)
    archive.decide(Outcome.CONFIDENTLY_NORMAL)
    archive.take(header(5, uid, view_position="XCCL"))
    archive.decide(Outcome.NOT_EVALUATED, [reason("views-extra")])
    study = client.get(f"/api/v1/studies/{uid}").json()
    told = [(one["of_current_result"], one["state"], one["last_error"]) for one in study["deliveries"]]
    assert told == [(False, "failed", "superseded by revision 5"), (True, "pending", None)]


def test_command_line_and_rest_say_the_same(populated: Populated) -> None:
    for uid in populated.uids.values():
        record = populated.archive.ledger.study(uid)
        assert record is not None
        assert study_json(record) == populated.client.get(f"/api/v1/studies/{uid}").json()


def test_pictures(archive: Archive, client: TestClient) -> None:
    uid = archive.receive(1)
    images = f"/api/v1/studies/{uid}/images"
    answer = client.get(f"{images}/{uid}.2.1/preview.png")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["cache-control"] == "no-store"
    assert client.get(f"{images}/{uid}.2.1/attention.png").status_code == 404
    archive.decide(Outcome.NOT_FLAGGED)
    attention = client.get(f"{images}/{uid}.2.1/attention.png")
    assert attention.status_code == 200
    assert attention.content != answer.content


def test_absent_pictures_are_problems(archive: Archive, client: TestClient) -> None:
    uid, other = archive.receive(1), archive.receive(2)
    archive.take(header(9, uid), picture=False)
    for image, told in ((f"{uid}.2.9", "no preview"), (f"{other}.2.1", "has no image"), ("..%2f..", "has no image")):
        answer = client.get(f"/api/v1/studies/{uid}/images/{image}/preview.png")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert told in answer.json()["detail"] or image == "..%2f.."
