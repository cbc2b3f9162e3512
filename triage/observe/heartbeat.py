"""Observe: each role says in a small file that it lives. Input: beats of the roles. Output: the newest beat of each.

Roles are processes of their own and may share no more than the service's home folder, so a file is the message. Only a
role itself knows what it runs with (bundle, device); it says so in `detail`, and health repeats it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any


class RoleState(StrEnum):
    """What a role says of itself."""

    STARTING = "starting"
    READY = "ready"
    FAILING = "failing"


@dataclass(frozen=True)
class Beat:
    """The last sign of life of one role."""

    pid: int
    state: RoleState
    detail: dict[str, Any]
    at: datetime

    def age_seconds(self, now: datetime) -> float:
        """Seconds since the beat; a clock that was set back counts as no time."""
        return max(0.0, (now - self.at).total_seconds())


class Heartbeat:
    """The writing side: one role, one file `<home>/run/<role>.json`."""

    def __init__(self, home: Path, role: str) -> None:
        self._path = home / "run" / f"{role}.json"
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def beat(self, state: RoleState | str, detail: Mapping[str, Any] | None = None) -> None:
        """Says now that the role lives. `detail` holds plain JSON values and nothing of a patient.

        Errors:
            ValueError: no such state. OSError: the file cannot be written.
        """
        content = {
            "pid": os.getpid(),
            "state": RoleState(state),
            "detail": dict(detail or {}),
            "at": datetime.now(UTC).isoformat(),
        }
        temporary = self._path.with_suffix(f".{os.getpid()}.part")
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(self._path)

    def end(self) -> None:
        """The role stops on purpose: health says so at once, not only when the beat is stale."""
        self._path.unlink(missing_ok=True)


def read(home: Path) -> dict[str, Beat]:
    """The newest beat of each role that has one; a file that cannot be read counts as no beat."""
    beats: dict[str, Beat] = {}
    for path in sorted((home / "run").glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            beats[path.stem] = Beat(
                pid=int(content["pid"]),
                state=RoleState(content["state"]),
                detail=dict(content["detail"]),
                at=datetime.fromisoformat(content["at"]).astimezone(UTC),
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return beats
