"""Serve: one answer to "is the service doing its work?". Input: heartbeats and the ledger. Output: `HealthReport`."""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from triage import __version__
from triage.observe.heartbeat import Beat, RoleState, read
from triage.store.ledger import Ledger
from triage.store.records import utc_now

log = logging.getLogger(__name__)

STALE_SECONDS = 15.0
"""A role that was silent for longer is in doubt; roles beat every few seconds."""
DOWN_SECONDS = 60.0
"""A role that was silent for longer is taken for dead: a restart by the supervisor takes 30 s at most."""
ESSENTIAL_ROLES = ("scp", "worker")

Status = Literal["ok", "degraded", "down"]


class RoleHealth(BaseModel):
    """One process of the service."""

    state: RoleState | Literal["stale", "down"]
    age_seconds: float | None = Field(description="Seconds since its last sign of life; null if there is none.")
    detail: dict[str, Any] = Field(default={}, description="What it says of itself, such as its address.")


class StudyCounts(BaseModel):
    """How many studies are in each state and outcome, and deliveries in each state."""

    states: dict[str, int]
    outcomes: dict[str, int]
    deliveries: dict[str, int]


class HealthReport(BaseModel):
    """Whether images are taken in, analysed and answered."""

    status: Status
    version: str
    detail: str = Field(default="", description="What is wrong, in words; empty if nothing is.")
    roles: dict[str, RoleHealth]
    bundle: dict[str, Any] | None = Field(description="The model bundle, as the worker last said.")
    device: str | None = Field(description="Where the models run, as the worker last said.")
    counts: StudyCounts | None = Field(description="Null if the ledger cannot be read.")
    last_received_at: datetime | None


class HealthCheck:
    """Makes the report on every call. `home` is where the roles of this service leave their heartbeats."""

    def __init__(self, home: Path, ledger: Ledger, now: Callable[[], datetime] = utc_now) -> None:
        self._home = home
        self._ledger = ledger
        self._now = now

    def __call__(self) -> HealthReport:
        """The state of things now. Never raises: a broken ledger is itself an answer."""
        beats, now = read(self._home), self._now()
        roles = {role: _role(beats.get(role), now) for role in (*ESSENTIAL_ROLES, *beats)}
        # Its heartbeat cannot be newer than the answer that it is just giving.
        roles["api"] = RoleHealth(
            state=RoleState.READY, age_seconds=0.0, detail=beats["api"].detail if "api" in beats else {}
        )
        status, problems = _judge(roles)
        counts, last_received_at = None, None
        try:
            counts, last_received_at = self._read_ledger()
            trouble = self._trouble()
            if trouble and status == "ok":
                status = "degraded"
            problems += trouble
        except Exception as error:  # of whatever kind: a health check says so and does not fail itself
            log.error("health: the ledger cannot be read: %s", type(error).__name__)
            status, problems = "down", [*problems, f"the ledger cannot be read ({type(error).__name__})"]
        facts = beats["worker"].detail if "worker" in beats else {}
        return HealthReport(
            status=status,
            version=__version__,
            detail="; ".join(problems),
            roles=roles,
            bundle=facts.get("bundle"),
            device=facts.get("device"),
            counts=counts,
            last_received_at=last_received_at,
        )

    def _trouble(self) -> list[str]:
        """What somebody has to look at, in words."""
        refused = len(self._ledger.troubled_deliveries())
        open_incidents = len(self._ledger.incidents(open_only=True))
        found = []
        if refused:
            found.append(
                f"{refused} deliveries were refused by their receiver (triage deliveries list --state trouble)"
            )
        if open_incidents:
            found.append(f"{open_incidents} open incidents (triage calibration incidents --open)")
        return found

    def _read_ledger(self) -> tuple[StudyCounts, datetime | None]:
        counts = self._ledger.counts()
        newest, _ = self._ledger.worklist(limit=1)
        shown = StudyCounts(states=counts.states, outcomes=counts.outcomes, deliveries=counts.deliveries)
        return shown, newest[0].last_at if newest else None


def _role(beat: Beat | None, now: datetime) -> RoleHealth:
    if beat is None:
        return RoleHealth(state="down", age_seconds=None)
    age = round(beat.age_seconds(now), 1)
    if age > DOWN_SECONDS:
        return RoleHealth(state="down", age_seconds=age, detail=beat.detail)
    return RoleHealth(state="stale" if age > STALE_SECONDS else beat.state, age_seconds=age, detail=beat.detail)


def _judge(roles: dict[str, RoleHealth]) -> tuple[Status, list[str]]:
    """The whole is as well as its worst essential role; a role that is still starting cannot do its work yet."""
    wrong = {name: role for name, role in roles.items() if role.state != RoleState.READY}
    problems = [f"{name} is {role.state}{_silence(role)}" for name, role in wrong.items()]
    if any(roles[name].state in ("down", RoleState.FAILING) for name in ESSENTIAL_ROLES):
        return "down", problems
    return ("degraded" if wrong else "ok"), problems


def _silence(role: RoleHealth) -> str:
    if "error" in role.detail:
        return f" ({role.detail['error']})"
    if role.age_seconds is None:
        return " (no sign of life)"
    return f" (silent for {role.age_seconds:.0f} s)" if role.state in ("stale", "down") else ""
