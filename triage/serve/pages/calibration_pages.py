"""Serve: the pages on calibrations and their change records. They only show; acts go over REST or the command line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from triage.core.errors import TriageError
from triage.core.governance import CalibrationVersion
from triage.core.strata import Stratum
from triage.serve.api.calibration_routes import Id
from triage.serve.api.governing import Governing
from triage.serve.health import HealthReport
from triage.serve.pages import figures
from triage.serve.pages.change_impact import OMISSIONS, RATES
from triage.serve.pages.change_material import gather, refusals_of
from triage.serve.pages.change_record import change_record
from triage.serve.pages.document_pdf import pdf
from triage.serve.pages.monitoring_pages import add_monitoring_pages
from triage.serve.pages.next_steps import next_steps
from triage.serve.pages.score_charts import score_charts
from triage.serve.pages.templates import TEMPLATES
from triage.serve.problems import problem_responses
from triage.store.ledger import Ledger

FIRST_COMMANDS = (
    "triage calibration upload SCORES.csv --name NAME --purpose calibration",
    "triage calibration upload OTHER-SCORES.csv --name NAME --purpose evaluation",
    "triage calibration draft STRATUM --calibration-set ID --evaluation-set ID",
)
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}, "application/pdf": {}}, "description": "The record as a page or as a file."}
}


@dataclass(frozen=True)
class Group:
    """One stratum with its versions, newest first."""

    stratum: Stratum
    in_force: CalibrationVersion | None
    because: str
    """Why none is in force."""
    versions: tuple[CalibrationVersion, ...]


def calibration_page_router(ledger: Ledger, governing: Governing, health: Callable[[], HealthReport]) -> APIRouter:
    """`/calibrations`, `/calibrations/{id}`, its change record, `/devices` and `/incidents`."""
    router = APIRouter(dependencies=[Depends(_tampering_is_told)])
    pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @pages.get("/calibrations")
    def calibrations(request: Request) -> Response:
        context = {"health": health(), "groups": groups(ledger), "words": figures, "first_commands": FIRST_COMMANDS}
        return TEMPLATES.TemplateResponse(request, "calibrations.html", context)

    @pages.get("/calibrations/{calibration_id}")
    def calibration(request: Request, calibration_id: Id) -> Response:
        version = governing.version(calibration_id)
        context = {"health": health(), **_context(ledger, governing, version)}
        return TEMPLATES.TemplateResponse(request, "calibration.html", context)

    add_monitoring_pages(pages, ledger, health)
    _add_change_record(router, ledger, governing)
    router.include_router(pages)
    return router


def _tampering_is_told() -> Iterator[None]:
    """A record that was changed behind the ledger's back must not look like a mere fault of the page."""
    try:
        yield
    except TriageError as error:
        raise HTTPException(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error


def _add_change_record(router: APIRouter, ledger: Ledger, governing: Governing) -> None:
    @router.get(
        "/api/v1/calibrations/{calibration_id}/change-record",
        summary="Change record",
        tags=["calibrations"],
        response_class=HTMLResponse,
        responses={**_FILES, **problem_responses(404, 422)},
    )
    def get_change_record(
        request: Request,
        calibration_id: Id,
        format: Literal["html", "pdf"] = "html",  # noqa: A002 - the query's name
    ) -> Response:
        """What is changed, by which protocol, with what effect; to read or to print. Made anew on every request."""
        version = governing.version(calibration_id)
        document = change_record(gather(ledger, governing, version))
        kept = "attachment" if format == "pdf" else "inline"
        headers = {"content-disposition": f'{kept}; filename="{document.file_stem}.{format}"'}
        if format == "pdf":
            return Response(pdf(document), media_type="application/pdf", headers=headers)
        context = {"document": document, "page": f"/calibrations/{version.id}"}
        return TEMPLATES.TemplateResponse(request, "change_record.html", context, headers=headers)


def groups(ledger: Ledger) -> tuple[Group, ...]:
    """Every stratum that has a version, by site and device."""
    found: dict[str, list[CalibrationVersion]] = {}
    for version in ledger.calibrations():
        found.setdefault(version.stratum.id, []).append(version)
    now = datetime.now(UTC)
    made = []
    for versions in found.values():
        stratum = versions[0].stratum
        answer = ledger.in_force(stratum, now)
        newest_first = tuple(sorted(versions, key=lambda one: -one.number))
        made.append(Group(stratum, answer.version, answer.text, newest_first))
    return tuple(sorted(made, key=lambda group: group.stratum))


def _context(ledger: Ledger, governing: Governing, version: CalibrationVersion) -> dict[str, Any]:
    history = tuple(ledger.history(version.id))
    in_force = ledger.in_force(version.stratum, datetime.now(UTC)).version
    report = version.report or {}
    return {
        "version": version,
        "report": version.report,
        "kinds": report.get("kinds", {}),
        "rates": RATES,
        "omissions": OMISSIONS,
        "sample": figures.sample_lines(report.get("sample_size") or {}),
        "history": history,
        "steps": next_steps(version, history, in_force),
        "refusals": refusals_of(governing, version) if version.report else None,
        "record": f"/api/v1/calibrations/{version.id}/change-record",
        "words": figures,
        **score_charts(governing, version),
    }
