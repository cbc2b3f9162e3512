"""Looks for illegal acts in what a ledger has recorded. It knows the tables and the rules, and nothing of the code.

Input: the tables calibration, calibration_set, calibration_act and activation, and the roles of each person. Output: a
sentence for every breach; none proves that at no time two versions were in force for a stratum, that nothing was put
in force which somebody other than its author and the uploaders of its data had not approved, that every reinstatement
took two persons, and that nobody acted without the role for it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text

ADMIN, APPROVER, READER = "admin", "approver", "reader"
EITHER = frozenset({ADMIN, APPROVER})
SERVICE, BUNDLE = "system", "bundle"
IN_USE = ("draft", "evaluated", "approved", "shadow", "active", "suspended")

# act, state before, state after: who may
MOVES: dict[tuple[str, str | None, str], frozenset[str]] = {
    ("draft", None, "draft"): frozenset({ADMIN}),
    ("evaluate", "draft", "evaluated"): frozenset({ADMIN}),
    ("approve", "evaluated", "approved"): frozenset({APPROVER}),
    ("shadow", "approved", "shadow"): EITHER,
    ("activate", "shadow", "active"): EITHER,
    ("activate", "active", "retired"): EITHER,  # the version that was replaced
    ("activate", None, "active"): frozenset({BUNDLE}),
    ("suspend", "active", "suspended"): EITHER | {SERVICE},
    ("suspend", "retired", "suspended"): EITHER | {SERVICE},  # if it was replaced
    ("request-reinstatement", "suspended", "suspended"): EITHER,
    ("reinstate", "suspended", "active"): frozenset({APPROVER}),
    ("roll-back", "active", "rolled_back"): EITHER,
    ("roll-back", "retired", "active"): EITHER,  # the version before
    **{("retire", state, "retired"): frozenset({ADMIN}) for state in IN_USE},
}


@dataclass
class Version:
    """One version and what was done to it so far."""

    id: str
    stratum_id: str
    state: str
    author: str
    demonstration: bool
    uploaders: frozenset[str]
    replayed: str | None = None
    approved_by: list[str] = field(default_factory=list)
    requested_by: str | None = None
    replaced: bool = False

    @property
    def vouched_for(self) -> bool:
        """Whether somebody who did not make it has approved it by now."""
        return any(self.independent(name) for name in self.approved_by)

    def independent(self, name: str) -> bool:
        """Whether a person neither wrote it nor chose its data."""
        return name != self.author and name not in self.uploaders


@dataclass
class Trail:
    """What a ledger holds about calibrations: versions by id; acts and activations in order."""

    versions: dict[str, Version]
    acts: list[dict[str, Any]]
    activations: list[dict[str, Any]]


def read(engine: Engine) -> Trail:
    """The trail of a ledger, in one consistent view."""
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:

        def rows(query: str) -> list[dict[str, Any]]:
            found = connection.execute(text(query)).mappings()
            return [{name: _plain(value) for name, value in row.items()} for row in found]

        uploaded = {row["id"]: row["uploaded_by"] for row in rows("SELECT id, uploaded_by FROM calibration_set")}
        versions = {}
        for row in rows("SELECT * FROM calibration"):
            sets = (row["calibration_set"], row["evaluation_set"])
            uploaders = frozenset(uploaded[one] for one in sets if one is not None)
            known = (row[name] for name in ("id", "stratum_id", "state", "author", "demonstration"))
            versions[row["id"]] = Version(*known, uploaders)
        acts = rows("SELECT * FROM calibration_act ORDER BY id")
        return Trail(versions, acts, rows("SELECT * FROM activation ORDER BY id"))


def _plain(value: Any) -> Any:
    """Times as SQLite keeps them: text that sorts."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value


def breaches(trail: Trail, roles: Mapping[str, Collection[str]]) -> list[str]:
    """Everything illegal in a trail; `roles` by login name."""
    return [*_illegal_acts(trail, roles), *_illegal_activations(trail)]


def _illegal_acts(trail: Trail, roles: Mapping[str, Collection[str]]) -> Iterator[str]:
    in_force: dict[str, str] = {}
    for row in trail.acts:
        version = trail.versions[row["calibration_id"]]
        act, before, after, by = row["act"], row["from_state"], row["to_state"], row["by"]
        named = f"act {row['id']}: {act} of {version.id} by {by}"
        if before != version.replayed:
            yield f"{named} starts from {before}, but it was {version.replayed}"
        if not row["meaning"].strip():
            yield f"{named} has no meaning"
        allowed = MOVES.get((act, before, after))
        if allowed is None:
            yield f"{named} leads from {before} to {after}"
        elif not allowed & ({by} if by in {SERVICE, BUNDLE} else set(roles.get(by, ()))):
            yield f"{named} without a role for it"
        yield from (f"{named} {problem}" for problem in _breaks_a_rule_of_persons(version, act, after, by))
        if before == "retired" and not version.replaced:
            yield f"{named} after it was retired by itself"
        version.replaced = (act, after) == ("activate", "retired")
        version.replayed = after
        if after == "active":
            if in_force.setdefault(version.stratum_id, version.id) != version.id or before == "active":
                yield f"{named} while {in_force[version.stratum_id]} is in force for the stratum"
        elif in_force.get(version.stratum_id) == version.id:
            del in_force[version.stratum_id]
    for version in trail.versions.values():
        if version.state != version.replayed:
            yield f"{version.id} is {version.state}, but its acts say {version.replayed}"


def _breaks_a_rule_of_persons(version: Version, act: str, after: str, by: str) -> Iterator[str]:
    if act == "approve":
        version.approved_by.append(by)
        if not version.independent(by):
            yield "who made it"
    if act == "suspend":
        version.requested_by = None
    if act == "request-reinstatement":
        version.requested_by = by
    if act == "reinstate":
        if version.requested_by in {None, by}:
            yield f"requested by {version.requested_by or 'nobody'}"
        if not version.independent(by):
            yield "who made it"
    if after == "active" and not version.vouched_for and not (version.demonstration and version.author == BUNDLE):
        yield "which nobody else approved"


def _illegal_activations(trail: Trail) -> Iterator[str]:
    by_stratum = defaultdict(list)
    for row in trail.activations:
        by_stratum[row["stratum_id"]].append(row)
        if trail.versions[row["calibration_id"]].stratum_id != row["stratum_id"]:
            yield f"activation {row['id']} is of another stratum than {row['calibration_id']}"
    for stratum_id, rows in by_stratum.items():
        for row, after in zip(rows, rows[1:], strict=False):
            if row["until_at"] is None or row["until_at"] > after["from_at"]:
                yield f"activations {row['id']} and {after['id']} of stratum {stratum_id} overlap"
        for row in rows:
            if row["until_at"] is not None and row["until_at"] < row["from_at"]:
                yield f"activation {row['id']} ends before it starts"
    begun = sorted(row["calibration_id"] for row in trail.activations)
    if begun != sorted(row["calibration_id"] for row in trail.acts if row["to_state"] == "active"):
        yield "acts and activations do not agree on what was put in force"
    still = sorted(row["calibration_id"] for row in trail.activations if row["until_at"] is None)
    if still != sorted(one.id for one in trail.versions.values() if one.state == "active"):
        yield "states and activations do not agree on what is in force"
