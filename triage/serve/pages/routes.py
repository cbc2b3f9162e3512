"""Serve: the worklist and the page of one study, rendered from what the REST interface says of them."""

from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from triage.core.finding import Outcome, State
from triage.core.views import STANDARD_VIEWS
from triage.serve.api.presentation import current_finding, study_of
from triage.serve.api.queries import UID, Filters, known_study, worklist_page
from triage.serve.health import HealthReport
from triage.serve.pages.hanging import hang
from triage.serve.pages.templates import TEMPLATES
from triage.store.ledger import Ledger
from triage.store.pictures import Pictures

TABS: tuple[tuple[str, dict[str, str]], ...] = (
    ("All", {}),
    ("Confidently normal", {"outcome": Outcome.CONFIDENTLY_NORMAL}),
    ("No flag", {"outcome": Outcome.NOT_FLAGGED}),
    ("Not evaluated", {"outcome": Outcome.NOT_EVALUATED}),
    ("Receiving", {"state": State.RECEIVING}),
    ("Waiting", {"state": State.READY}),
    ("Analysing", {"state": State.ANALYSING}),
    ("Given up", {"state": State.DEAD}),
)


def page_router(ledger: Ledger, pictures: Pictures, health: Callable[[], HealthReport]) -> APIRouter:
    """`/`, `/worklist` and `/studies/{study_instance_uid}`."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @router.get("/")
    def index() -> RedirectResponse:
        return RedirectResponse("/worklist")

    @router.get("/worklist")
    def worklist(request: Request, filters: Annotated[Filters, Depends()]) -> Response:
        page = worklist_page(ledger, filters)
        report = health()
        context = {
            "health": report,
            "page": page,
            "filters": filters,
            "tabs": _tabs(filters, report),
            "standard_views": STANDARD_VIEWS,
            "next_page": _address(filters, cursor=page.next_cursor) if page.next_cursor else None,
            "first_page": _address(filters) if filters.cursor else None,
        }
        return TEMPLATES.TemplateResponse(request, "worklist.html", context)

    @router.get("/studies/{study_instance_uid}")
    def study_page(request: Request, study_instance_uid: UID) -> Response:
        record = known_study(ledger, study_instance_uid)
        study, finding = study_of(record), current_finding(record)
        bundle_sha256 = finding.bundle.sha256 if finding and finding.bundle else None
        digests = {one.header.sop_instance_uid: one.sha256 for one in record.instances}
        context = {
            "health": health(),
            "study": study,
            "hanging": hang(study.images, digests, pictures, bundle_sha256),
        }
        return TEMPLATES.TemplateResponse(request, "study.html", context)

    return router


def _tabs(filters: Filters, report: HealthReport) -> list[dict[str, object]]:
    """Each tab: label, address, number of studies, and whether it is the one shown."""
    counts: dict[str, int] = {**report.counts.states, **report.counts.outcomes} if report.counts else {}
    here = {name: value for name, value in (("outcome", filters.outcome), ("state", filters.state)) if value}
    tabs: list[dict[str, object]] = []
    for label, query in TABS:
        number = sum(report.counts.states.values()) if report.counts and not query else None
        for value in query.values():
            number = counts.get(value)
        kept = {"q": filters.q} if filters.q else {}
        address = f"/worklist?{urlencode({**query, **kept})}".rstrip("?")
        tabs.append({"label": label, "address": address, "count": number, "current": here == query})
    return tabs


def _address(filters: Filters, cursor: str | None = None) -> str:
    """The address of a page with the same filters."""
    values = {
        "outcome": filters.outcome,
        "state": filters.state,
        "q": filters.q,
        "since": filters.since.isoformat() if filters.since else None,
        "limit": str(filters.limit) if filters.limit != Filters.limit else None,
        "cursor": cursor,
    }
    return f"/worklist?{urlencode({name: value for name, value in values.items() if value})}".rstrip("?")
