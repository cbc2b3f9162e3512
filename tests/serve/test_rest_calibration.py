"""The life of a calibration over REST: from draft to retirement, who may do what, and what is refused."""

import json
import re
import threading
from datetime import timedelta

import pytest
from governed_service import DECLARATIONS, FAST, PEOPLE, Governed, rows, stratum_id
from served_exams import Archive
from simulated_site import Device

from triage.core.governance import Actor, Role
from triage.serve.bundle import ServedBundle
from triage.store.calibration_records import NewCalibration

ACTS = ("evaluate", "approve", "shadow", "suspend", "request-reinstatement", "reinstate", "roll-back", "retire")


@pytest.fixture
def governed(archive: Archive) -> Governed:
    return Governed.over(archive)


def test_the_whole_life(governed: Governed) -> None:
    made = governed.draft()
    assert governed.get(f"/calibrations/{made}").json()["threshold"] is None
    evaluated = governed.act(made, "evaluate", "ada").json()
    assert (evaluated["state"], evaluated["author"], evaluated["number"]) == ("evaluated", "ada", 1)
    assert evaluated["threshold"] == evaluated["report"]["kinds"]["image"]["threshold"]
    assert evaluated["stratum"]["id"] == stratum_id()
    assert governed.get(f"/calibrations/{made}/refusals").json() == []
    assert governed.act(made, "approve", "cy").json()["state"] == "approved"
    assert governed.act(made, "shadow", "bo").json()["state"] == "shadow"
    assert governed.active() is None
    assert governed.act(made, "activate", "ada", expected_active=None).json()["state"] == "active"
    assert governed.active() == made
    newer = governed.brought_to("active")
    assert (governed.active(), governed.state(made)) == (newer, "retired")
    assert governed.act(newer, "roll-back", "cy").json()["state"] == "rolled_back"
    assert (governed.active(), governed.state(made)) == (made, "active")
    assert governed.act(made, "suspend", "bo").json()["state"] == "suspended"
    assert governed.active() is None
    assert governed.act(made, "request-reinstatement", "ada").json()["state"] == "suspended"
    assert governed.act(made, "reinstate", "cy").json()["state"] == "active"
    assert governed.act(made, "retire", "ada").json()["state"] == "retired"
    assert governed.active() is None
    history = governed.get(f"/calibrations/{made}/history").json()
    assert [one["act"] for one in history] == [
        "draft", "evaluate", "approve", "shadow", "activate", "activate", "roll-back", "suspend",
        "request-reinstatement", "reinstate", "retire",
    ]  # fmt: skip
    assert history[2] | {"at": ""} == {
        "act": "approve", "from_state": "evaluated", "to_state": "approved", "by": "cy",
        "printed_name": "Cy Approver", "meaning": "approve is right", "at": "",
    }  # fmt: skip
    assert governed.archive.ledger.verify_audit() is None


def test_listing_by_stratum_and_state(governed: Governed) -> None:
    made, draft = governed.brought_to("evaluated"), governed.draft()
    assert [one["id"] for one in governed.get("/calibrations").json()] in ([draft, made], [made, draft])
    assert [one["id"] for one in governed.get("/calibrations", state="draft").json()] == [draft]
    assert governed.get("/calibrations", stratum_id="0" * 16).json() == []
    assert "report" not in governed.get("/calibrations").json()[0]


def test_nobody_acts_without_a_key(governed: Governed) -> None:
    made = governed.draft()
    signature = {"printed_name": "Ada Admin", "meaning": "mine"}
    body = {"signature": signature, "expected_active": None}
    for act in (*ACTS, "activate"):
        answer = governed.post(f"/calibrations/{made}/{act}", None, body)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="triage"')
        assert answer.headers["content-type"] == "application/problem+json"
        unknown = governed.post(f"/calibrations/{made}/{act}", "tri_no-such-key", body)
        assert unknown.status_code == 401
        assert unknown.headers["www-authenticate"] == 'Bearer realm="triage", error="invalid_token"'
    assert governed.state(made) == "draft"


def test_a_disabled_person_acts_no_more(governed: Governed) -> None:
    made = governed.draft()
    assert governed.post("/people/ada/disable", "bo").json()["disabled"] is True
    assert governed.act(made, "evaluate", "ada").status_code == 401
    assert governed.act(made, "evaluate", "bo").status_code == 200


_STATE = {
    "evaluate": "draft", "approve": "evaluated", "shadow": "approved", "activate": "shadow", "suspend": "active",
    "roll-back": "active", "retire": "draft",
}  # fmt: skip
_MAY = {
    "evaluate": {"ada", "bo", "ed"}, "approve": {"cy", "di", "ed"}, "shadow": {"ada", "bo", "cy", "di", "ed"},
    "activate": {"ada", "bo", "cy", "di", "ed"}, "suspend": {"ada", "bo", "cy", "di", "ed"},
    "roll-back": {"ada", "bo", "cy", "di", "ed"}, "retire": {"ada", "bo", "ed"},
}  # fmt: skip


@pytest.mark.parametrize("act", _STATE)
def test_each_role_may_do_its_own_acts_only(governed: Governed, act: str) -> None:
    made = governed.brought_to(_STATE[act])
    more = {"expected_active": governed.active()} if act == "activate" else {}
    for who in sorted(set(PEOPLE) - _MAY[act]):
        answer = governed.act(made, act, who, **more)
        assert answer.status_code == 403, (who, answer.text)
        assert who in answer.json()["detail"]
    assert governed.state(made) == _STATE[act]
    who = sorted(_MAY[act])[0]
    assert governed.act(made, act, who, **more).status_code == 200


@pytest.mark.parametrize(("drafts", "uploads"), [("ed", "ada"), ("ada", "ed")])
def test_who_made_it_cannot_approve_it(governed: Governed, drafts: str, uploads: str) -> None:
    sets = {f"{purpose}_set": governed.upload(name, purpose, uploads) for name, purpose in _SETS}
    made = governed.draft(drafts, **sets)
    assert governed.act(made, "evaluate", "bo").status_code == 200
    answer = governed.act(made, "approve", "ed")
    assert answer.status_code == 403
    assert "ed" in answer.json()["detail"]
    assert governed.act(made, "approve", "cy").status_code == 200


_SETS = (("north", "calibration"), ("south", "evaluation"))


def test_reinstating_takes_two(governed: Governed) -> None:
    made = governed.brought_to("active")
    governed.act(made, "suspend", "cy")
    assert governed.act(made, "reinstate", "cy").status_code == 409
    governed.act(made, "request-reinstatement", "cy")
    assert governed.act(made, "reinstate", "cy").status_code == 403
    assert governed.act(made, "reinstate", "di").status_code == 200


def test_nobody_signs_for_another(governed: Governed) -> None:
    made = governed.draft()
    body = {"signature": {"printed_name": "Bo Admin", "meaning": "mine"}}
    assert governed.post(f"/calibrations/{made}/evaluate", "ada", body).status_code == 403
    body = {"signature": {"printed_name": "Ada Admin", "meaning": "  "}}
    assert governed.post(f"/calibrations/{made}/evaluate", "ada", body).status_code == 403
    assert governed.post(f"/calibrations/{made}/evaluate", "ada", {}).status_code == 422
    assert governed.state(made) == "draft"


def test_an_act_repeated_names_the_state(governed: Governed) -> None:
    made = governed.brought_to("shadow")
    for act, who in (("evaluate", "ada"), ("approve", "cy"), ("shadow", "ada"), ("suspend", "ada")):
        answer = governed.act(made, act, who)
        assert answer.status_code == 409
        assert "is shadow" in answer.json()["detail"]


def test_activation_is_compare_and_set(governed: Governed) -> None:
    first, second = governed.brought_to("active"), governed.brought_to("shadow")
    for wrong in (None, second, "0" * 32):
        answer = governed.act(second, "activate", "ada", expected_active=wrong)
        assert answer.status_code == 409
        assert first in answer.json()["detail"]
    signature = {"printed_name": "Ada Admin", "meaning": "go"}
    assert governed.post(f"/calibrations/{second}/activate", "ada", {"signature": signature}).status_code == 422
    assert governed.active() == first
    assert governed.act(first, "suspend", "ada", expected_active=second).status_code == 409
    assert governed.act(second, "activate", "ada", expected_active=first).status_code == 200


def test_of_two_at_once_one_wins(governed: Governed) -> None:
    candidates = [governed.brought_to("shadow") for _ in range(4)]
    codes: dict[str, int] = {}

    def activate(candidate: str) -> None:
        codes[candidate] = governed.act(candidate, "activate", "ada", expected_active=None).status_code

    threads = [threading.Thread(target=activate, args=(one,)) for one in candidates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes.values()) == [200, 409, 409, 409]
    assert codes[governed.active() or ""] == 200


def test_an_unknown_calibration_is_404(governed: Governed) -> None:
    for act in (*ACTS, "activate"):
        answer = governed.act("0" * 32, act, "ed", expected_active=None)
        assert (answer.status_code, "0" * 32 in answer.json()["detail"]) == (404, True)
    for path in ("", "/history", "/refusals", "/sample-size"):
        assert governed.get(f"/calibrations/nothing{path}").status_code == 404


def test_a_draft_names_what_is_wrong(governed: Governed) -> None:
    sets = {f"{purpose}_set": governed.upload(name, purpose) for name, purpose in _SETS}
    for named, wrong in {
        "stratum_id": {"stratum_id": "0" * 16},
        "calibration_set": {"calibration_set": "nothing"},
        "kind": {"kind": "patient"},
        "valid_days": {"valid_days": 0},
        "alpha": {"protocol": {"alpha": 2}},
        "alfa": {"protocol": {"alfa": 0.02}},
        "pool_abnormal": {"pool_abnormal": True},
    }.items():
        body = {"stratum_id": stratum_id(), "kind": "image", "protocol": FAST, **sets, **wrong}
        answer = governed.post("/calibrations", "ada", body)
        assert answer.status_code == 422
        assert named in answer.json()["detail"]
    assert governed.get("/calibrations").json() == []


def test_sets_have_one_purpose_each(governed: Governed) -> None:
    north, south = (governed.upload(name, purpose) for name, purpose in _SETS)
    body = {"stratum_id": stratum_id(), "calibration_set": south, "evaluation_set": north}
    answer = governed.post("/calibrations", "ada", body)
    assert (answer.status_code, south in answer.json()["detail"]) == (422, True)


def refused(governed: Governed, made: str) -> set[str]:
    """The codes of a refused approval; the list of refusals says the same."""
    answer = governed.act(made, "approve", "cy")
    assert answer.status_code == 409, answer.text
    found = answer.json()["refusals"]
    assert all(one["text"] for one in found)
    assert governed.get(f"/calibrations/{made}/refusals").json() == found
    assert governed.state(made) == "evaluated"
    return {one["code"] for one in found}


def evaluated(governed: Governed, **changes: object) -> str:
    made = governed.draft(**changes)
    answer = governed.act(made, "evaluate", "ada")
    assert answer.status_code == 200, answer.text
    return made


@pytest.mark.parametrize(
    ("which", "left_out", "code"),
    [
        (0, {"consecutive": False}, "not-consecutive"),
        (1, {"label_source": " "}, "label-source-undeclared"),
        (0, {"follow_up": ""}, "follow-up-undeclared"),
        (1, {"disjoint_from_training": ""}, "training-undeclared"),
    ],
)
def test_what_was_not_declared_is_refused(
    governed: Governed, which: int, left_out: dict[str, object], code: str
) -> None:
    name, purpose = _SETS[which]
    spoilt = governed.upload(name, purpose, declarations=DECLARATIONS | left_out)
    assert refused(governed, evaluated(governed, **{f"{purpose}_set": spoilt})) == {code}


def test_too_few_exams_are_refused(governed: Governed) -> None:
    few = governed.upload("few", "calibration", rows=rows("few", 60, 30))
    assert "sample-too-small" in refused(governed, evaluated(governed, calibration_set=few))


def test_shared_patients_are_refused(governed: Governed) -> None:
    same = governed.upload("north", "evaluation")
    assert "patients-overlap" in refused(governed, evaluated(governed, evaluation_set=same))


def test_training_patients_are_refused(governed: Governed) -> None:
    governed.upload("trained on", "training", rows=[{"patient": rows("south")[0]["patient"]}])
    assert "training-overlap" in refused(governed, evaluated(governed))


def test_a_training_set_does_not_replace_the_declaration(governed: Governed) -> None:
    governed.upload("trained on", "training", rows=[{"patient": rows("west")[0]["patient"]}])
    undeclared = governed.upload("north", "calibration", declarations=DECLARATIONS | {"disjoint_from_training": ""})
    assert refused(governed, evaluated(governed, calibration_set=undeclared)) == {"training-undeclared"}


def test_a_missing_category_is_refused(governed: Governed) -> None:
    sets = {
        f"{purpose}_set": governed.upload(name, purpose, rows=[one for one in rows(name) if one["birads"] != 0])
        for name, purpose in _SETS
    }
    assert refused(governed, evaluated(governed, **sets)) == {"categories-missing"}


def test_a_sensitivity_off_target_is_refused(governed: Governed) -> None:
    shifted = [{**one, "score": float(one["score"]) + (1.5 if one["birads"] == 1 else 0)} for one in rows("south")]
    off = governed.upload("shifted", "evaluation", rows=shifted)
    assert "sensitivity-off-target" in refused(governed, evaluated(governed, evaluation_set=off))


def test_without_an_evaluation_set_it_is_refused(governed: Governed) -> None:
    assert "no-evaluation-set" in refused(governed, evaluated(governed, evaluation_set=None))


def test_out_of_bounds_is_refused(archive: Archive) -> None:
    narrow = ServedBundle("ab" * 32, "1", {"image": (-1.0, 0.0), "exam_min": (-1.0, 0.0)})
    governed = Governed.over(archive, narrow)
    assert "threshold-out-of-bounds" in refused(governed, evaluated(governed))


def test_an_expired_one_is_refused(governed: Governed) -> None:
    ledger, made = governed.archive.ledger, governed.draft()
    draft = ledger.calibration(made)
    assert draft is not None
    assert draft.calibration_set is not None
    over = governed.archive.now + timedelta(hours=1)  # the ledger's clock is two hours behind
    new = NewCalibration(
        draft.stratum, draft.kind, over, draft.calibration_set, draft.evaluation_set, False, draft.protocol
    )
    made = ledger.draft(new, Actor("ada", "Ada Admin", frozenset({Role.ADMIN}))).id
    assert governed.act(made, "evaluate", "ada").status_code == 200
    assert "expired" in refused(governed, made)


def test_a_draft_is_told_what_it_lacks(governed: Governed) -> None:
    made = governed.draft()
    assert governed.act(made, "approve", "cy").status_code == 409
    assert "not-evaluated" in {one["code"] for one in governed.get(f"/calibrations/{made}/refusals").json()}
    before = governed.get(f"/calibrations/{made}/sample-size").json()
    governed.act(made, "evaluate", "ada")
    assert governed.get(f"/calibrations/{made}/sample-size").json() == before


def test_another_device_pools_only_if_told_to(governed: Governed) -> None:
    other = Device(model="Mammo 2")
    both = [*rows("north"), *rows("elsewhere", 30, 100, other)]
    pooled = governed.upload("both", "calibration", rows=both)
    reports = []
    for pool in (False, True):
        made = evaluated(governed, calibration_set=pooled, pool_abnormals=pool)
        reports.append(governed.get(f"/calibrations/{made}").json()["report"])
    assert reports[0]["heterogeneity"] is None
    assert reports[1]["heterogeneity"]["strata"] == 2
    counts = [one["kinds"]["image"]["calibration"]["counts"]["abnormal"] for one in reports]
    assert counts == [360, 560]


def test_no_device_borrows_all_its_abnormals(governed: Governed) -> None:
    other = Device(model="Mammo 2")
    sets = {}
    for name, purpose in _SETS:
        lent = [one for one in rows(f"lent {name}", 10, 180, other) if one["birads"] != 1]
        normal = [one for one in rows(name, 420, 0)]
        sets[f"{purpose}_set"] = governed.upload(name, purpose, rows=[*normal, *lent])
    made = evaluated(governed, pool_abnormals=True, **sets)
    assert "too-few-local-abnormals" in refused(governed, made)
    page = governed.client.get(f"/calibrations/{made}").text
    record = governed.get(f"/calibrations/{made}/change-record").text
    for shown in (page, record):
        assert "No abnormal is of this stratum: nothing measured shows how many it misses." in shown
        assert "too-few-local-abnormals" in shown


def test_a_protocol_weaker_than_the_default_is_refused(governed: Governed) -> None:
    made = evaluated(governed, protocol=FAST | {"target_sensitivity": 0.3, "alpha": 0.1})
    assert "protocol-beyond-limits" in refused(governed, made)


def test_bounds_that_are_not_known_refuse(archive: Archive) -> None:
    governed = Governed.over(archive, ServedBundle("ab" * 32, "1"))
    assert "threshold-out-of-bounds" in refused(governed, evaluated(governed))


def test_a_tampered_version_is_told_and_can_be_suspended(governed: Governed) -> None:
    from sqlalchemy import text

    made = governed.brought_to("active")
    with governed.archive.ledger._engine.begin() as connection:
        connection.execute(text("UPDATE calibration SET threshold = -5"))
    answer = governed.get(f"/calibrations/{made}")
    assert answer.status_code == 500
    assert "changed after its evaluation" in answer.json()["detail"]
    assert governed.act(made, "suspend", "ada").status_code == 200


def test_openapi_says_who_may_and_what_comes_back(governed: Governed) -> None:
    document = governed.client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), path
            if method == "post":
                assert operation["security"] == [{"key": []}], path
                assert {"401", "403"} & set(operation["responses"]), path
    schemas = document["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert name in schemas
