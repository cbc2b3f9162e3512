"""Commands on sets of labelled scores: upload, make from studies, list, and hashing patient IDs before they leave."""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triage.cli.connection import connected, described, pairs, show, show_rows
from triage.cli.options import Config, Home, Json
from triage.core.errors import TriageError
from triage.core.governance import Purpose

if TYPE_CHECKING:
    from triage.cli.remote import Remote

Named = Annotated[str, typer.Option("--name", help="What people call the set.")]
For = Annotated[Purpose, typer.Option(help="What the set is for.")]
Declare = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=VALUE, once for each of label_source, follow_up, consecutive (yes or no), disjoint_from_training."
    ),
]
FIELDS = ("id", "name", "purpose", "rows", "patients", "exams", "uploaded_by", "created_at", "bundle_sha256")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("upload")(connected(upload))
    app.command("from-studies")(connected(from_studies))
    app.command("sets")(connected(sets))
    app.command("show-set")(connected(show_set))
    app.command("hash-patients")(hash_patients)


def upload(  # noqa: PLR0913, PLR0917 - one argument an option
    remote: "Remote",
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, one row an image.")],
    name: Named,
    purpose: For,
    declare: Declare = None,
    bundle: Annotated[
        str, typer.Option(help="SHA-256 of the bundle that made the scores; empty: the served one.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Upload labelled scores. Patients must be keyed hashes; `hash-patients` makes them."""
    query = {"name": name, "purpose": purpose.value, "bundle_sha256": bundle, **pairs(declare, "--declare")}
    _told(remote.post_csv("/calibration-sets", file.read_bytes(), **query), as_json)


def from_studies(  # noqa: PLR0913, PLR0917 - one argument an option
    remote: "Remote",
    name: Named,
    purpose: For,
    declare: Declare = None,
    only: Annotated[list[str] | None, typer.Option(help="NAME=VALUE of stratum_id, since, until.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option(exists=True, help="CSV: study_instance_uid, right_birads, left_birads, follow_up."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a set from studies that the service has scored; without --labels by the recorded assessments."""
    declared: dict[str, Any] = pairs(declare, "--declare")
    body: dict[str, Any] = {"name": name, "purpose": purpose.value, "declarations": declared, **pairs(only, "--only")}
    if labels:
        body["studies"] = [
            {column: value for column, value in row.items() if value} for row in _read(labels, "study_instance_uid")
        ]
    found = remote.post("/calibration-sets/from-studies", body)
    for one in found["left_out"]:
        typer.echo(f"left out {one['study_instance_uid']}: {one['problem']}", err=True)
    _told(found, as_json)


def sets(remote: "Remote", as_json: Json = False) -> None:
    """List the sets, newest first."""
    columns = ("id", "name", "purpose", "rows", "uploaded_by", "created_at")
    show_rows(remote.get("/calibration-sets"), as_json, columns)


def show_set(
    remote: "Remote", set_id: Annotated[str, typer.Argument(metavar="ID", help="The set.")], as_json: Json = False
) -> None:
    """Show one set: what was declared, and how many images of each stratum and BI-RADS category are in it."""
    found = remote.get(f"/calibration-sets/{set_id}")
    lines = described(found, FIELDS)
    lines += [f"declared {name.replace('_', ' ')}: {value}" for name, value in found["declarations"].items()]
    for stratum_id, stratum in found["strata"].items():
        counts = {one["birads"]: one["images"] for one in found["counts"] if one["stratum_id"] == stratum_id}
        shown = ", ".join(f"BI-RADS {category}: {number}" for category, number in sorted(counts.items()))
        lines.append(f"stratum {stratum_id} ({stratum['site']} {stratum['device']}): {shown}")
    show(found, as_json, *lines)


def hash_patients(  # noqa: PLR0913, PLR0917 - one argument an option
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV with patient IDs.")],
    target: Annotated[Path, typer.Argument(help="CSV to write.")],
    column: Annotated[
        list[str] | None,
        typer.Option(help="Column to hash, may be given again; otherwise patient, and exam if there is one."),
    ] = None,
    home: Home = None,
    config: Config = None,
) -> None:
    """Replace patient and exam IDs of a CSV by keyed hashes, here, with the secret of this home."""
    from triage.settings import load
    from triage.store.secret import patient_keys

    rows = _read(source, *(column or ["patient"]))
    columns = column or [name for name in ("patient", "exam") if name in rows[0]]
    try:
        keys = patient_keys(load(config, home=home).home)
    except OSError as error:
        raise TriageError(f"the secret cannot be made or read ({error.strerror}); see --home") from error
    for number, row in enumerate(rows, 2):
        for name in columns:
            if not row[name]:
                raise TriageError(f"{source}: line {number} has no {name}; nothing was written")
            row[name] = keys.key(row[name])
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    typer.echo(f"{len(rows)} rows written to {target}")


def _read(file: Path, *needed: str) -> list[dict[str, str]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as content:
            rows = list(csv.DictReader(content, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TriageError(f"{file}: not a CSV file in UTF-8 ({error})") from error
    missing = [name for name in needed if not rows or name not in rows[0]]
    if missing:
        raise TriageError(f"{file}: no rows, or no column {json.dumps(missing[0])} in the first line")
    uneven = next((number for number, row in enumerate(rows, 2) if None in row or None in row.values()), None)
    if uneven:
        raise TriageError(f"{file}: line {uneven} has another number of fields than the first line")
    return rows


def _told(found: dict[str, Any], as_json: bool) -> None:
    show(found, as_json, f"set {found['id']}: {found['rows']} rows of {found['patients']} patients")
