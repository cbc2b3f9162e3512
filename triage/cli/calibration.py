"""Commands on calibrations: every act of the REST interface, on the running service, with the caller's key.

The key comes from TRIAGE_KEY or --key-file. An act is signed: with the printed name of whoever holds the key, and with
what the signature means.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triage.cli import calibration_sets, monitoring
from triage.cli.connection import cell, connected, described, show, show_rows
from triage.cli.options import Json
from triage.core.errors import TriageError
from triage.core.governance import CalibrationState

if TYPE_CHECKING:
    from triage.cli.remote import Remote

app = typer.Typer(no_args_is_help=True, help="Calibrate thresholds: sets, drafts, approval, activation, monitoring.")
calibration_sets.register(app)
monitoring.register(app)

Id = Annotated[str, typer.Argument(metavar="ID", help="The calibration; `triage calibration list` shows them.")]
Printed = Annotated[str, typer.Option("--printed-name", help="Your name in letters, as your account has it.")]
Meaning = Annotated[str, typer.Option(help="What your signature means, such as 'reviewed and approved'.")]
COLUMNS = ("id", "number", "state", "kind", "threshold", "stratum.site", "stratum.device", "author", "expires_at")
FIELDS = (
    "id", "number", "state", "stratum.id", "stratum.site", "stratum.device", "kind", "threshold", "image_threshold",
    "limited_by_safety", "demonstration", "author", "created_at", "expires_at", "calibration_set", "evaluation_set",
)  # fmt: skip


class Kind(StrEnum):
    """What the exam's outcome is decided by."""

    IMAGE = "image"
    EXAM_MIN = "exam_min"


class Format(StrEnum):
    """How a change record is written."""

    HTML = "html"
    PDF = "pdf"


@app.command("draft")
@connected
def draft(  # noqa: PLR0913, PLR0917 - one argument an option
    remote: "Remote",
    stratum_id: Annotated[str, typer.Argument(help="For which stratum; `triage calibration show-set` lists those.")],
    calibration_set: Annotated[str, typer.Option(help="The set that fixes the threshold.")],
    evaluation_set: Annotated[str | None, typer.Option(help="The set that the figures are measured on.")] = None,
    kind: Annotated[Kind, typer.Option(help="What is calibrated to 20%: each image, or the exam's least logit.")] = (
        Kind.EXAM_MIN
    ),
    pool_abnormals: Annotated[bool, typer.Option(help="Take abnormal exams of other strata too.")] = False,
    valid_days: Annotated[int, typer.Option(min=1, help="Days until it expires.")] = 365,
    protocol: Annotated[str, typer.Option(help='Other limits, as JSON such as {"alpha": 0.02}.')] = "{}",
    as_json: Json = False,
) -> None:
    """Draft a calibration. Its protocol is fixed now, before the data is looked at."""
    try:
        limits = json.loads(protocol)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="--protocol") from error
    body = {
        "stratum_id": stratum_id,
        "calibration_set": calibration_set,
        "evaluation_set": evaluation_set,
        "kind": kind.value,
        "pool_abnormals": pool_abnormals,
        "valid_days": valid_days,
        "protocol": limits,
    }
    _told(remote.post("/calibrations", body), as_json)


@app.command("list")
@connected
def list_(
    remote: "Remote",
    stratum_id: Annotated[str | None, typer.Option(help="Of this stratum only.")] = None,
    state: Annotated[CalibrationState | None, typer.Option(help="In this state only.")] = None,
    as_json: Json = False,
) -> None:
    """List calibrations, newest first."""
    show_rows(remote.get("/calibrations", stratum_id=stratum_id, state=state), as_json, COLUMNS)


@app.command("show")
@connected
def show_one(remote: "Remote", calibration_id: Id, as_json: Json = False) -> None:
    """Show one calibration: its threshold and the figures of its report."""
    found = remote.get(f"/calibrations/{calibration_id}")
    show(found, as_json, *described(found, FIELDS), *_figures(found))


@app.command("history")
@connected
def history(remote: "Remote", calibration_id: Id, as_json: Json = False) -> None:
    """List every act on a calibration, with its signature."""
    columns = ("at", "act", "from_state", "to_state", "by", "printed_name", "meaning")
    show_rows(remote.get(f"/calibrations/{calibration_id}/history"), as_json, columns)


@app.command("refusals")
@connected
def refusals(remote: "Remote", calibration_id: Id, as_json: Json = False) -> None:
    """List what speaks against approving a calibration."""
    found = remote.get(f"/calibrations/{calibration_id}/refusals")
    show(found, as_json, *([f"{one['code']}: {one['text']}" for one in found] or ["nothing speaks against approval"]))


@app.command("sample-size")
@connected
def sample_size(remote: "Remote", calibration_id: Id, as_json: Json = False) -> None:
    """Show how many exams the protocol of a calibration needs, and how many there are."""
    found = remote.get(f"/calibrations/{calibration_id}/sample-size")
    show(found, as_json, *_flat(found))


@app.command("change-record")
@connected
def change_record(
    remote: "Remote",
    calibration_id: Id,
    out: Annotated[Path, typer.Option(help="File to write.")],
    wanted: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.PDF,
) -> None:
    """Download the change record: what is changed, by which protocol, with what effect."""
    content = remote.fetch(f"/calibrations/{calibration_id}/change-record", format=wanted.value)
    try:
        out.write_bytes(content)
    except OSError as error:
        raise TriageError(f"{out}: cannot be written ({error.strerror})") from error
    typer.echo(str(out))


@app.command("activate")
@connected
def activate(  # noqa: PLR0913, PLR0917 - one argument an option
    remote: "Remote",
    calibration_id: Id,
    printed_name: Printed,
    meaning: Meaning,
    expected_active: Annotated[str, typer.Option(help="Id of the version that is in force now, or `none`.")],
    as_json: Json = False,
) -> None:
    """Put a calibration in force in place of exactly the one that you saw in force."""
    expected = None if expected_active.lower() == "none" else expected_active
    _act(remote, calibration_id, "activate", _signed(printed_name, meaning) | {"expected_active": expected}, as_json)


def _add_act(act: str, text: str) -> None:
    @connected
    def command(
        remote: "Remote", calibration_id: Id, printed_name: Printed, meaning: Meaning, as_json: Json = False
    ) -> None:
        _act(remote, calibration_id, act, _signed(printed_name, meaning), as_json)

    app.command(act, help=text)(command)


for _name, _text in (
    ("evaluate", "Compute threshold and figures of a draft; it does not change afterwards."),
    ("approve", "Approve an evaluated calibration that somebody else made."),
    ("shadow", "Run an approved calibration beside the one in force; nobody sees its answers."),
    ("suspend", "Put a calibration out of force at once."),
    ("request-reinstatement", "Ask for a suspended calibration to be put in force again."),
    ("reinstate", "Put a suspended calibration in force again, as the second person."),
    ("roll-back", "Put the calibration out of force and the one before it in force."),
    ("retire", "Put a calibration out of use for good."),
):
    _add_act(_name, _text)


def _signed(printed_name: str, meaning: str) -> dict[str, Any]:
    return {"signature": {"printed_name": printed_name, "meaning": meaning}}


def _act(remote: "Remote", calibration_id: str, act: str, body: dict[str, Any], as_json: bool) -> None:
    _told(remote.post(f"/calibrations/{calibration_id}/{act}", body), as_json)


def _told(found: dict[str, Any], as_json: bool) -> None:
    threshold = f", threshold {cell(found['threshold'])} ({found['kind']})" if found.get("report") else ""
    show(found, as_json, f"calibration {found['id']} (number {found['number']}) is {found['state']}{threshold}")


def _figures(found: dict[str, Any]) -> list[str]:
    """The rates of the report, each with its interval and counts; on the evaluation set if there is one."""
    lines = []
    for kind, figures in ((found.get("report") or {}).get("kinds") or {}).items():
        on = "evaluation" if figures.get("evaluation") else "calibration"
        lines += ["", f"{kind}: threshold {cell(figures['threshold'])}, measured on the {on} set"]
        for name in ("sensitivity", "missed", "specificity", "missed_severe", "flag_rate"):
            rate = figures[on][name]
            interval = f"{rate['low']:.4f} to {rate['high']:.4f}, {rate['k']} of {rate['n']}"
            lines.append(f"  {name.replace('_', ' '):<15}{cell(rate['value'])} ({interval})")
    return lines


def _flat(content: Any, prefix: str = "") -> list[str]:
    """A line for each value of a nested answer."""
    if isinstance(content, dict):
        return [line for name, value in content.items() for line in _flat(value, f"{prefix}{name}.")]
    if isinstance(content, list) and any(isinstance(one, dict) for one in content):
        return [line for number, value in enumerate(content, 1) for line in _flat(value, f"{prefix}{number}.")]
    return [f"{prefix.rstrip('.').replace('_', ' ')} = {cell(content)}"]
