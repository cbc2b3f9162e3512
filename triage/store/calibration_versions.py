"""Stage: store. Rows of `calibration` and `calibration_act` as records; the digest that makes a version immutable.

JSON columns are read as the text that was stored, so that the digest covers every byte of it.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Text, cast, select

from triage.core.errors import TriageError
from triage.core.governance import Act, CalibrationAct, CalibrationState, CalibrationVersion
from triage.core.strata import Stratum
from triage.store import calibration_tables as c

VersionRow = RowMapping | Mapping[str, Any]
"""A row of `calibration`: read by VERSION_COLUMNS, or about to be written."""
KINDS = ("image", "exam_min")
_JSON = ("stratum", "protocol", "report")
VERSION_COLUMNS = [
    cast(column, Text).label(column.name) if column.name in _JSON else column for column in c.calibration.columns
]
_FIXED = [column.name for column in c.calibration.columns if column.name not in {"state", "digest"}]
# A draft that was retired never had a digest; every other state lies behind the evaluation.
_WITHOUT_DIGEST = {CalibrationState.DRAFT, CalibrationState.RETIRED}


def version_of(row: VersionRow) -> CalibrationVersion:
    """The version of a row.

    Errors:
        TriageError: The row was changed after it was evaluated, so its threshold must not be used.
    """
    if not is_whole(row):
        raise TriageError(
            f"calibration {row['id']} was changed after its evaluation: suspend or retire it, and look for who did it"
        )
    return unchecked_version_of(row)


def unchecked_version_of(row: VersionRow) -> CalibrationVersion:
    """The version of a row that may have been changed: for taking it out of use, and for nothing else."""
    values = {name: row[name] for name in CalibrationVersion.__dataclass_fields__}
    values |= {name: json.loads(row[name]) for name in _JSON if row[name] is not None}
    return CalibrationVersion(
        **{**values, "stratum": Stratum(**values["stratum"]), "state": CalibrationState(row["state"])}
    )


def is_whole(row: VersionRow) -> bool:
    """Whether the digest fits everything that never changes. A draft has none yet, and no threshold."""
    if row["digest"] is None:
        return row["state"] in _WITHOUT_DIGEST and row["report"] is None and row["threshold"] is None
    return bool(row["digest"] == digest_of(row))


def digest_of(row: VersionRow) -> str:
    """SHA-256 over every column of a version but its state and the digest."""
    content = [(name, _plain(row[name])) for name in sorted(_FIXED)]
    return hashlib.sha256(json.dumps(content, allow_nan=False).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return json.dumps(value) if isinstance(value, dict) else value  # the text that the engine stores for it


def stored_threshold(value: Any, what: str) -> float | None:
    """A threshold as both databases give it back: SQLite keeps no sign of zero.

    Errors:
        TriageError: It is neither None nor a finite number.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TriageError(f"{what}: {value!r} is no threshold: it takes a finite number, or null to flag nothing")
    return float(value) + 0.0


def stored_json(value: dict[str, Any], what: str) -> dict[str, Any]:
    """Plain JSON as it comes back from the database.

    Errors:
        TriageError: Something in it is no JSON, such as a number that is not finite.
    """
    try:
        return dict(json.loads(json.dumps(value, allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise TriageError(f"{what} cannot be kept as JSON: {error}") from error


def stratum_columns(stratum: Stratum) -> dict[str, Any]:
    """The two columns that hold a stratum."""
    return {"stratum_id": stratum.id, "stratum": asdict(stratum)}


def history_of(connection: Connection, calibration_id: str) -> tuple[CalibrationAct, ...]:
    """What was done to a version, oldest first."""
    line = c.calibration_act.c
    statement = select(c.calibration_act).where(line.calibration_id == calibration_id).order_by(line.id)
    return tuple(_act_of(row) for row in connection.execute(statement).mappings())


def _act_of(row: RowMapping) -> CalibrationAct:
    from_state = CalibrationState(row["from_state"]) if row["from_state"] else None
    values = {name: row[name] for name in ("by", "printed_name", "meaning", "at")}
    return CalibrationAct(Act(row["act"]), from_state, CalibrationState(row["to_state"]), **values)
