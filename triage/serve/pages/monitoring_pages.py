"""Serve: the pages on what is watched: devices with their control charts and scores, and incidents."""

from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from triage.serve.health import HealthReport
from triage.serve.pages import figures
from triage.serve.pages.device_views import CHART_WORDS, LAST_EXAMS, WEEKS, devices
from triage.serve.pages.templates import TEMPLATES
from triage.store.ledger import Ledger
from triage.store.monitoring_records import IncidentRecord

INCIDENT_WORDS = {
    "drift": "Drift: a control chart alarmed",
    "missed-abnormal": "An exam that was flagged as confidently normal was assessed as abnormal",
}


def add_monitoring_pages(router: APIRouter, ledger: Ledger, health: Callable[[], HealthReport]) -> None:
    """`/devices` and `/incidents`."""

    @router.get("/devices")
    def device_page(request: Request) -> Response:
        context = {
            "health": health(),
            "devices": devices(ledger),
            "words": figures,
            "last_exams": LAST_EXAMS,
            "weeks": WEEKS,
        }
        return TEMPLATES.TemplateResponse(request, "devices.html", context)

    @router.get("/incidents")
    def incident_page(request: Request) -> Response:
        found = ledger.incidents()
        context = {
            "health": health(),
            "open": [one for one in found if one.closed_at is None],
            "closed": [one for one in found if one.closed_at is not None],
            "kinds": INCIDENT_WORDS,
            "detail": details,
            "calibrations": {one.id: one for one in ledger.calibrations()},
        }
        return TEMPLATES.TemplateResponse(request, "incidents.html", context)


def details(incident: IncidentRecord) -> str:
    """What the incident says of itself, in words; identifiers that only programs need are left out."""
    said = incident.detail
    if incident.kind == "drift":
        change = "rose" if said["direction"] == "up" else "fell"
        share, baseline = (figures.percent(one) for one in (said["events"] / said["exams"], said["baseline"]))
        counted = f"{said['events']:,} of {said['exams']:,} exams, {share}"
        return f"{CHART_WORDS[said['event']]} {change}: {counted}, against a baseline of {baseline}"
    sides = [
        f"{side} breast BI-RADS {said[f'{side}_birads']}"
        for side in ("right", "left")
        if said.get(f"{side}_birads") is not None
    ]
    parts = [*sides, f"source: {said.get('source') or 'not given'}"]
    parts += [f"follow-up: {said['follow_up']}"] if said.get("follow_up") else []
    return "; ".join([*parts, "the calibration was suspended" if said.get("suspended") else "nothing was suspended"])
