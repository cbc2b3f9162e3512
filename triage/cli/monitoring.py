"""Commands on what is watched: strata, drift, incidents, assessments, and calibrations in shadow."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from triage.cli.connection import cell, connected, show, show_rows
from triage.cli.options import Json

if TYPE_CHECKING:
    from triage.cli.remote import Remote

StratumId = Annotated[str, typer.Argument(metavar="STRATUM", help="`triage calibration strata` shows them.")]
BiradsOption = Annotated[int | None, typer.Option(min=0, max=6, help="Final BI-RADS category of this breast.")]


class FollowUp(StrEnum):
    """What became of the patient."""

    NO_CANCER = "no-cancer"
    SCREEN_DETECTED = "screen-detected"
    INTERVAL = "interval"


class Source(StrEnum):
    """Where an assessment comes from."""

    FINAL_REPORT = "final-report"
    BIOPSY = "biopsy"
    FOLLOW_UP = "follow-up"
    SECOND_READ = "second-read"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("strata")(connected(strata))
    app.command("drift")(connected(drift))
    app.command("what-if")(connected(what_if))
    app.command("incidents")(connected(incidents))
    app.command("close-incident")(connected(close_incident))
    app.command("assess")(connected(assess))
    app.command("shadow-results")(connected(shadow_results))


def strata(remote: "Remote", as_json: Json = False) -> None:
    """List places and devices, calibrated or not, and the calibration in force for each."""
    columns = ("stratum.id", "stratum.site", "stratum.device", "exams", "last_at", "in_force.id", "status")
    show_rows(remote.get("/strata"), as_json, columns)


def drift(remote: "Remote", stratum_id: StratumId, as_json: Json = False) -> None:
    """Show the control charts of a stratum and how its scores are spread, week by week."""
    found = remote.get(f"/strata/{stratum_id}/drift")
    lines = [
        f"{one['event']}: {one['events']} of {one['exams']} exams, baseline {one['baseline']:.2%}, evidence"
        f" up {one['up']:.2f}, down {one['down']:.2f} (alarm at {one['interval']:.2f}), last alarm"
        f" {cell(one['alarm_at'])}"
        for one in found["charts"]
    ]
    lines += [
        f"week of {one['monday']}: {sum(one['counts'])} scored exams, PSI {cell(one['psi'])}, KS {cell(one['ks'])}"
        for one in found["weeks"]
    ]
    show(found, as_json, *(lines or ["no exam was decided in this stratum yet"]))


def what_if(
    remote: "Remote",
    stratum_id: StratumId,
    threshold: Annotated[float, typer.Option(help="The threshold to try.")],
    last: Annotated[int, typer.Option(min=1, max=10000, help="Number of newest exams.")] = 1000,
    as_json: Json = False,
) -> None:
    """Show how many of the newest exams another threshold would have flagged. Changes nothing."""
    found = remote.get(f"/strata/{stratum_id}/what-if", threshold=threshold, last=last)
    text = f"of the newest {found['exams']} exams {found['flagged']} were flagged; {found['would_flag']} would be"
    show(found, as_json, text)


def incidents(
    remote: "Remote",
    only_open: Annotated[bool, typer.Option("--open", help="Only those that nobody closed.")] = False,
    as_json: Json = False,
) -> None:
    """List incidents, newest first."""
    columns = ("id", "kind", "at", "calibration_id", "study_instance_uid", "closed_at", "closed_by")
    show_rows(remote.get("/incidents", open=True if only_open else None), as_json, columns)


def close_incident(
    remote: "Remote",
    incident_id: Annotated[int, typer.Argument(metavar="ID", help="Number of the incident.")],
    resolution: Annotated[str, typer.Option(help="What was found, and what was done.")],
    as_json: Json = False,
) -> None:
    """Close an incident."""
    found = remote.post(f"/incidents/{incident_id}/close", {"resolution": resolution})
    show(found, as_json, f"incident {found['id']} is closed")


def assess(  # noqa: PLR0913, PLR0917 - one argument an option
    remote: "Remote",
    study_instance_uid: Annotated[str, typer.Argument(metavar="UID", help="The study.")],
    right: BiradsOption = None,
    left: BiradsOption = None,
    source: Annotated[Source, typer.Option(help="Where it comes from.")] = Source.FINAL_REPORT,
    follow_up: Annotated[FollowUp | None, typer.Option(help="What became of the patient.")] = None,
    as_json: Json = False,
) -> None:
    """Record the final assessment of an exam."""
    body = {"right_birads": right, "left_birads": left, "source": source.value}
    body["follow_up"] = follow_up.value if follow_up else ""
    found = remote.post(f"/studies/{study_instance_uid}/assessments", body)
    lines = [f"assessment {found['assessment']['id']} of study {study_instance_uid} is recorded"]
    if found["incident"]:
        lines.append(f"it opened incident {found['incident']}: the exam was flagged")
    show(found, as_json, *lines)


def shadow_results(
    remote: "Remote",
    calibration_id: Annotated[str, typer.Argument(metavar="ID", help="A calibration in shadow.")],
    as_json: Json = False,
) -> None:
    """Compare the answers of a calibration in shadow with those of the one in force."""
    found = remote.get(f"/calibrations/{calibration_id}/shadow")
    show(found, as_json, *(f"{name.replace('_', ' ')} = {cell(value)}" for name, value in found.items()))
