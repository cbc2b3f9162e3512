"""Serve: REST routes of what is watched: strata and their drift, incidents, assessments, calibrations in shadow."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query

from triage.core.governance import Actor, Role
from triage.core.strata import Stratum
from triage.serve.api.acting import Acting, wrong_value
from triage.serve.api.calibration_models import CalibrationSummary, StratumModel
from triage.serve.api.drifting import drift_of
from triage.serve.api.governing import Governing
from triage.serve.api.monitoring_models import (
    AssessmentModel,
    AssessmentTaken,
    Drift,
    IncidentModel,
    NewAssessment,
    Resolution,
    ShadowModel,
    StratumStatus,
    WhatIfModel,
)
from triage.serve.api.queries import UID, known_study
from triage.serve.problems import problem_responses
from triage.store.assessments import Assessed
from triage.store.ledger import Ledger
from triage.store.monitoring_records import SeenStratum

StratumId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
_LARGEST_INCIDENT = 2**31 - 1


def monitoring_router(ledger: Ledger, acting: Acting, governing: Governing) -> APIRouter:
    """Everything that is watched."""
    router = APIRouter(prefix="/api/v1")
    _add_strata(router, ledger, governing)
    _add_incidents(router, ledger, acting)
    _add_assessments(router, ledger, acting)

    @router.get(
        "/calibrations/{calibration_id}/shadow",
        tags=["calibrations"],
        summary="What it says in shadow",
        dependencies=[Depends(acting.having(Role.ADMIN, Role.APPROVER))],
        responses=problem_responses(401, 403, 404),
    )
    def get_shadow(calibration_id: Annotated[str, Path(max_length=32, pattern=r"^[^\x00]*$")]) -> ShadowModel:
        """Beside the answers of the one in force. For admins and approvers: what it says must not sway readers."""
        governing.require_known(calibration_id)
        return ShadowModel.model_validate(ledger.shadow_comparison(calibration_id), from_attributes=True)

    return router


def _add_strata(router: APIRouter, ledger: Ledger, governing: Governing) -> None:
    @router.get("/strata", tags=["monitoring"], summary="Places and devices, calibrated or not")
    def get_strata() -> list[StratumStatus]:
        """Strata of received exams and of calibrations; those with most exams that had no calibration come first."""
        return strata_of(ledger)

    @router.get(
        "/strata/{stratum_id}/drift",
        tags=["monitoring"],
        summary="Control charts and weekly scores",
        responses=problem_responses(404, 422),
    )
    def get_drift(stratum_id: StratumId) -> Drift:
        """An alarm of a chart suspends the calibration; PSI and Kolmogorov-Smirnov are figures only."""
        _known_stratum(ledger, stratum_id)
        return drift_of(ledger, governing, stratum_id)

    @router.get(
        "/strata/{stratum_id}/what-if",
        tags=["monitoring"],
        summary="What another threshold would have flagged",
        responses=problem_responses(404, 422),
    )
    def get_what_if(
        stratum_id: StratumId,
        threshold: Annotated[float, Query(allow_inf_nan=False, description="For all four images of an exam.")],
        last: Annotated[int, Query(ge=1, le=10_000, description="Number of newest exams.")] = 1000,
    ) -> WhatIfModel:
        """Counts stored scores; changes nothing."""
        _known_stratum(ledger, stratum_id)
        found = ledger.what_if(stratum_id, threshold, last)
        return WhatIfModel(threshold=threshold, exams=found.exams, flagged=found.flagged, would_flag=found.would_flag)


def _add_incidents(router: APIRouter, ledger: Ledger, acting: Acting) -> None:
    @router.get("/incidents", tags=["monitoring"], summary="Incidents, newest first", responses=problem_responses(422))
    def get_incidents(
        only_open: Annotated[bool, Query(alias="open", description="Only those that nobody closed.")] = False,
    ) -> list[IncidentModel]:
        """Alarms of control charts, and flagged exams that turned out to be abnormal."""
        return [IncidentModel.of(one) for one in ledger.incidents(open_only=only_open)]

    @router.post(
        "/incidents/{incident_id}/close",
        tags=["monitoring"],
        summary="Close an incident",
        responses=problem_responses(401, 403, 404, 409, 422),
    )
    def close_incident(
        actor: Annotated[Actor, Depends(acting)],
        incident_id: Annotated[int, Path(ge=1, le=_LARGEST_INCIDENT)],
        body: Resolution,
    ) -> IncidentModel:
        """With what was found and done. By an admin or an approver."""
        if all(one.id != incident_id for one in ledger.incidents()):
            raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no incident {incident_id}.")
        with wrong_value():
            return IncidentModel.of(ledger.close_incident(incident_id, actor, body.resolution))


def _add_assessments(router: APIRouter, ledger: Ledger, acting: Acting) -> None:
    path = "/studies/{study_instance_uid}/assessments"

    @router.get(path, tags=["monitoring"], summary="Assessments of a study", responses=problem_responses(404, 422))
    def get_assessments(study_instance_uid: UID) -> list[AssessmentModel]:
        """Oldest first; the newest counts."""
        known_study(ledger, study_instance_uid)
        return [AssessmentModel.of(one) for one in ledger.assessments(study_instance_uid)]

    @router.post(
        path,
        tags=["monitoring"],
        status_code=201,
        summary="Record the final assessment of a study",
        responses=problem_responses(401, 403, 404, 422),
    )
    def post_assessment(
        actor: Annotated[Actor, Depends(acting)], study_instance_uid: UID, body: NewAssessment
    ) -> AssessmentTaken:
        """By a reader. BI-RADS 4, 5, 6 or cancer in a flagged exam opens an incident and suspends the calibration."""
        assessed = Assessed(body.right_birads, body.left_birads, body.source, body.follow_up)
        if ledger.study(study_instance_uid) is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"No study {study_instance_uid} was received.")
        with wrong_value():
            made = ledger.record_assessment(study_instance_uid, assessed, actor)
        opened = (
            one.id
            for one in ledger.incidents(open_only=True)
            if one.kind == "missed-abnormal"
            and one.study_instance_uid == study_instance_uid
            and one.detail.get("result_id") == made.result_id
        )
        return AssessmentTaken(
            assessment=AssessmentModel.of(made), incident=next(opened, None) if assessed.abnormal else None
        )


def strata_of(ledger: Ledger) -> list[StratumStatus]:
    """Every stratum that is known, with the calibration in force for it now."""
    seen = {one.stratum.id: one for one in ledger.strata_seen()}
    strata = {key: one.stratum for key, one in seen.items()}
    for version in ledger.calibrations():
        strata.setdefault(version.stratum.id, version.stratum)
    return [_status(ledger, stratum, seen.get(key)) for key, stratum in strata.items()]


def _status(ledger: Ledger, stratum: Stratum, seen: SeenStratum | None) -> StratumStatus:
    found = ledger.in_force(stratum, datetime.now(UTC))
    return StratumStatus(
        stratum=StratumModel.of(stratum),
        status=found.reason_code or "in-force",
        text=found.text,
        in_force=CalibrationSummary.of(found.version) if found.version else None,
        exams=seen.exams if seen else 0,
        not_evaluated=seen.uncalibrated if seen else 0,
        last_at=seen.last_at if seen else None,
    )


def _known_stratum(ledger: Ledger, stratum_id: str) -> None:
    if ledger.calibrations(stratum_id) or any(one.stratum.id == stratum_id for one in ledger.strata_seen()):
        return
    raise HTTPException(HTTPStatus.NOT_FOUND, f"No exam and no calibration of stratum {stratum_id} is known.")
