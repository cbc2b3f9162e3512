"""Serve: the REST routes under /api/v1. They translate addresses; what is said comes from `presentation`."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Response
from fastapi.responses import FileResponse

from triage.serve.api.models import Study, WorklistPage
from triage.serve.api.presentation import current_finding, study_of
from triage.serve.api.queries import UID, Filters, known_study, worklist_page
from triage.serve.health import HealthReport
from triage.serve.problems import problem_responses
from triage.store.ledger import Ledger
from triage.store.pictures import PREVIEW, Pictures, attention_name
from triage.store.records import StudyRecord

_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}, "description": "8-bit grey PNG."}}


def api_router(ledger: Ledger, pictures: Pictures, health: Callable[[], HealthReport]) -> APIRouter:
    """Health, worklist, studies and their pictures."""
    router = APIRouter(prefix="/api/v1")

    @router.get("/health", summary="Is the service doing its work?", responses={503: {"model": HealthReport}})
    def get_health(response: Response) -> HealthReport:
        """200 for `ok` and `degraded`; 503 for `down`: images are not taken in, or not analysed."""
        report = health()
        response.status_code = 503 if report.status == "down" else 200
        return report

    @router.get("/worklist", summary="Studies, newest image first", responses=problem_responses(422))
    def get_worklist(filters: Annotated[Filters, Depends()]) -> WorklistPage:
        """Studies that match every filter. A study is never left out for its outcome unless `outcome` asks for it."""
        return worklist_page(ledger, filters)

    @router.get("/studies/{study_instance_uid}", summary="One study", responses=problem_responses(404, 422))
    def get_study(study_instance_uid: UID) -> Study:
        """Outcome, reasons, images, operating point, bundle and deliveries. Images not analysed yet are listed too."""
        return study_of(known_study(ledger, study_instance_uid))

    images = "/studies/{study_instance_uid}/images/{sop_instance_uid}"

    @router.get(f"{images}/preview.png", response_class=FileResponse, responses={**_PNG, **problem_responses(404, 422)})
    def get_preview(study_instance_uid: UID, sop_instance_uid: UID) -> FileResponse:
        """The image as stored, small and after VOI LUT. Not for diagnosis."""
        return _picture(pictures, known_study(ledger, study_instance_uid), sop_instance_uid, PREVIEW)

    @router.get(
        f"{images}/attention.png", response_class=FileResponse, responses={**_PNG, **problem_responses(404, 422)}
    )
    def get_attention(study_instance_uid: UID, sop_instance_uid: UID) -> FileResponse:
        """Where the model looked, for quality control. Not for diagnosis; it does not point at findings."""
        record = known_study(ledger, study_instance_uid)
        finding = current_finding(record)
        if finding is None or finding.bundle is None:
            raise HTTPException(404, f"Study {study_instance_uid} has no analysis that could show attention.")
        return _picture(pictures, record, sop_instance_uid, attention_name(finding.bundle.sha256))

    return router


def _picture(pictures: Pictures, record: StudyRecord, sop_instance_uid: str, name: str) -> FileResponse:
    digests = {one.header.sop_instance_uid: one.sha256 for one in record.instances}
    if sop_instance_uid not in digests:
        raise HTTPException(404, f"Study {record.row.study_instance_uid} has no image {sop_instance_uid}.")
    path = pictures.path(digests[sop_instance_uid], name)
    if path is None:
        kind = "preview" if name == PREVIEW else "attention map"
        raise HTTPException(404, f"There is no {kind} of image {sop_instance_uid}.")
    return FileResponse(path, media_type="image/png")
