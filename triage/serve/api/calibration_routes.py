"""Serve: REST routes of calibrations: draft, evaluate, approve, activate, suspend, roll back, and their reports.

Every act is signed and compare-and-set: it holds from the state that it expects and from no other, so a repeated one is
a 409 that names the state.
"""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query

from triage.core.errors import ConfigurationError
from triage.core.governance import UNSET, Act, Actor, CalibrationState, Purpose, Role, Signature
from triage.decide.operating_point import Protocol
from triage.serve.api.acting import Acting, wrong_value
from triage.serve.api.calibration_models import (
    Activation,
    CalibrationModel,
    CalibrationSummary,
    Draft,
    HistoryLine,
    Refusal,
    Signed,
)
from triage.serve.api.governing import Governing
from triage.serve.problems import problem_responses
from triage.store.calibration_records import NewCalibration, SetRecord
from triage.store.ledger import Ledger

Id = Annotated[str, Path(min_length=1, max_length=32, pattern=r"^[^\x00]*$")]
_ANSWERS = problem_responses(401, 403, 404, 409, 422)
_PLAIN_ACTS = (
    (Act.SHADOW, "Run beside the one in force", "Approved -> shadow. Nobody but its admins and approvers sees it."),
    (Act.SUSPEND, "Put out of force at once", "Active or replaced -> suspended; one person suffices."),
    (
        Act.REQUEST_REINSTATEMENT,
        "Ask for reinstatement",
        "The first of the two people whom a suspended calibration needs to come into force again.",
    ),
    (Act.REINSTATE, "Put in force again", "Suspended -> active, by an approver other than who asked for it."),
    (
        Act.ROLL_BACK,
        "Go back to the version before",
        "Active -> rolled back; what it had replaced is in force again, if it has no open incident.",
    ),
    (Act.RETIRE, "Put out of use for good", "By an admin."),
)


def calibration_router(ledger: Ledger, acting: Acting, governing: Governing) -> APIRouter:
    """Everything on single calibrations."""
    router = APIRouter(prefix="/api/v1/calibrations", tags=["calibrations"])
    _add_reading(router, ledger, governing)
    _add_drafting(router, ledger, acting, governing)
    _add_evaluation(router, acting, governing)
    _add_acts(router, ledger, acting, governing)
    return router


def _add_reading(router: APIRouter, ledger: Ledger, governing: Governing) -> None:
    @router.get("", summary="Calibrations, newest first", responses=problem_responses(422))
    def get_calibrations(
        stratum_id: Annotated[str | None, Query(max_length=16, pattern=r"^[^\x00]*$")] = None,
        state: CalibrationState | None = None,
    ) -> list[CalibrationSummary]:
        """Every version, without its report."""
        return [CalibrationSummary.of(one) for one in ledger.calibrations(stratum_id, state)]

    @router.get("/{calibration_id}", summary="One calibration", responses=problem_responses(404))
    def get_calibration(calibration_id: Id) -> CalibrationModel:
        """Threshold, state, protocol and the report of its evaluation."""
        return CalibrationModel.of(governing.version(calibration_id))

    @router.get("/{calibration_id}/history", summary="Every act on it", responses=problem_responses(404))
    def get_history(calibration_id: Id) -> list[HistoryLine]:
        """Oldest first, each with its signature."""
        governing.require_known(calibration_id)
        return [HistoryLine.of(one) for one in ledger.history(calibration_id)]

    @router.get("/{calibration_id}/refusals", summary="What speaks against approval", responses=problem_responses(404))
    def get_refusals(calibration_id: Id) -> list[Refusal]:
        """Empty if it can be approved; the same check runs again with the approval."""
        found = governing.refusals(governing.version(calibration_id))
        return [Refusal(code=code, text=text) for code, text in found]

    @router.get("/{calibration_id}/sample-size", summary="How many exams it needs", responses=problem_responses(404))
    def get_sample_size(calibration_id: Id) -> dict[str, Any]:
        """How many exams the protocol needs, and how many the sets hold; of a draft too."""
        return governing.sample_size(governing.version(calibration_id))


def _add_drafting(router: APIRouter, ledger: Ledger, acting: Acting, governing: Governing) -> None:
    @router.post("", status_code=201, summary="Draft a calibration", responses=problem_responses(401, 403, 422))
    def post_calibration(actor: Annotated[Actor, Depends(acting.having(Role.ADMIN))], body: Draft) -> CalibrationModel:
        """Fixes stratum, sets and protocol before the data is looked at. By an admin."""
        calibration = _set_for(ledger, body.calibration_set, Purpose.CALIBRATION)
        evaluation = _set_for(ledger, body.evaluation_set, Purpose.EVALUATION) if body.evaluation_set else None
        strata = governing.strata(calibration.id)
        if body.stratum_id not in strata:
            raise _wrong(f"stratum_id: set {calibration.id} holds no image of it; it has {', '.join(strata)}")
        made = NewCalibration(
            stratum=strata[body.stratum_id],
            kind=body.kind,
            expires_at=datetime.now(UTC) + timedelta(days=body.valid_days),
            calibration_set=calibration.id,
            evaluation_set=evaluation.id if evaluation else None,
            pool_abnormals=body.pool_abnormals,
            protocol=_protocol(body.protocol),
        )
        with wrong_value():
            return CalibrationModel.of(ledger.draft(made, actor))


def _add_evaluation(router: APIRouter, acting: Acting, governing: Governing) -> None:
    @router.post("/{calibration_id}/evaluate", summary="Compute threshold and figures", responses=_ANSWERS)
    def evaluate(actor: Annotated[Actor, Depends(acting)], calibration_id: Id, body: Signed) -> CalibrationModel:
        """Draft -> evaluated. The version does not change afterwards. By an admin."""
        return CalibrationModel.of(governing.evaluate(calibration_id, actor, _signature(body)))

    @router.post("/{calibration_id}/approve", summary="Approve what others made", responses=_ANSWERS)
    def approve(actor: Annotated[Actor, Depends(acting)], calibration_id: Id, body: Signed) -> CalibrationModel:
        """Evaluated -> approved, by an approver who neither drafted it nor uploaded its sets.

        409 with `refusals` names everything that speaks against it.
        """
        return CalibrationModel.of(governing.approve(calibration_id, actor, _signature(body)))


def _add_acts(router: APIRouter, ledger: Ledger, acting: Acting, governing: Governing) -> None:
    def done(calibration_id: str, act: Act, actor: Actor, body: Signed) -> CalibrationModel:
        governing.require_known(calibration_id)
        expected = body.expected_active if "expected_active" in body.model_fields_set else UNSET
        return CalibrationModel.of(ledger.act(calibration_id, act, actor, _signature(body), expected_active=expected))

    @router.post("/{calibration_id}/activate", summary="Put in force", responses=_ANSWERS)
    def activate(actor: Annotated[Actor, Depends(acting)], calibration_id: Id, body: Activation) -> CalibrationModel:
        """Shadow -> active, in place of exactly `expected_active`; 409 if something else is in force."""
        return done(calibration_id, Act.ACTIVATE, actor, body)

    def add(act: Act, title: str, text: str) -> None:
        @router.post(f"/{{calibration_id}}/{act}", name=act.value, summary=title, description=text, responses=_ANSWERS)
        def do(actor: Annotated[Actor, Depends(acting)], calibration_id: Id, body: Signed) -> CalibrationModel:
            return done(calibration_id, act, actor, body)

    for act, title, text in _PLAIN_ACTS:
        add(act, title, text)


def _signature(body: Signed) -> Signature:
    return Signature(body.signature.printed_name, body.signature.meaning)


def _set_for(ledger: Ledger, set_id: str, purpose: Purpose) -> SetRecord:
    found = ledger.calibration_set(set_id)
    if found is None or found.purpose is not purpose:
        raise _wrong(f"{purpose}_set: {set_id} is no set for {purpose}")
    return found


def _protocol(given: dict[str, Any]) -> dict[str, Any]:
    try:
        return Protocol.from_json(given).to_json()
    except ConfigurationError as error:
        raise _wrong(str(error)) from error


def _wrong(detail: str) -> HTTPException:
    return HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
