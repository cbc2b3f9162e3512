"""A service with people who may act, and calibrations taken as far as a test wants, all through REST."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from served_exams import Archive
from simulated_site import Device, site_rows

from triage.core.governance import Role
from triage.core.strata import Stratum
from triage.serve.app import create_app
from triage.serve.bundle import ServedBundle
from triage.store.secret import patient_keys

SERVED = ServedBundle("ab" * 32, "1", {"image": (-20.0, 20.0), "exam_min": (-20.0, 20.0)})
DECLARATIONS = {
    "label_source": "final assessment of two readers",
    "follow_up": "24 months, cancer registry",
    "consecutive": True,
    "disjoint_from_training": "the models were trained on phantoms",
}
PEOPLE = {
    "ada": ("Ada Admin", {Role.ADMIN}),
    "bo": ("Bo Admin", {Role.ADMIN}),
    "cy": ("Cy Approver", {Role.APPROVER}),
    "di": ("Di Approver", {Role.APPROVER}),
    "ed": ("Ed Both", {Role.ADMIN, Role.APPROVER}),
    "flo": ("Flo Reader", {Role.READER}),
}
FAST = {"bootstraps": 100}
PATH = "/api/v1"
DEVICE = Device()


def application(archive: Archive, bundle: ServedBundle = SERVED) -> FastAPI:
    """The application over the home of an archive."""
    return create_app(archive.ledger, archive.pictures, archive.health, bundle, patient_keys(archive.home))


@cache
def rows(name: str, normals: int = 240, abnormals: int = 180, device: Device = DEVICE) -> tuple[dict[str, Any], ...]:
    """The same rows for the same name; made once."""
    return tuple(site_rows(sum(name.encode()), name, normals, abnormals, device=device))


def stratum_id(device: Device = DEVICE) -> str:
    """Of the device under the bundle that is served."""
    return Stratum(**vars(device), bundle_sha256=SERVED.sha256, preprocessing=SERVED.preprocessing).id


@dataclass
class Governed:
    """A caller with everybody's key."""

    archive: Archive
    client: TestClient
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def over(cls, archive: Archive, bundle: ServedBundle = SERVED) -> "Governed":
        """PEOPLE over an archive."""
        made = cls(archive, TestClient(application(archive, bundle), raise_server_exceptions=False))
        for name, (printed, roles) in PEOPLE.items():
            made.keys[name] = archive.ledger.add_person(name, printed, roles)
        return made

    def get(self, path: str, who: str | None = None, **query: Any) -> Response:
        """A reading request."""
        return self.client.get(f"{PATH}{path}", params=query, headers=self._headers(who))

    def post(self, path: str, who: str | None, body: Any = None) -> Response:
        """A writing request."""
        return self.client.post(f"{PATH}{path}", json=body, headers=self._headers(who))

    def act(self, calibration_id: str, act: str, who: str, **more: Any) -> Response:
        """An act signed by whoever does it."""
        signature = {"printed_name": PEOPLE[who][0], "meaning": f"{act} is right"}
        return self.post(f"/calibrations/{calibration_id}/{act}", who, {"signature": signature, **more})

    def upload(self, name: str, purpose: str, who: str = "ada", **changes: Any) -> str:
        """A set that nothing speaks against; its id."""
        body = {"name": name, "purpose": purpose, "declarations": DECLARATIONS, "rows": rows(name), **changes}
        answer = self.post("/calibration-sets", who, body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def draft(self, who: str = "ada", **changes: Any) -> str:
        """A draft over two good sets; its id."""
        body = {"stratum_id": stratum_id(), "kind": "image", "protocol": FAST, **changes}
        if "calibration_set" not in body:
            body["calibration_set"] = self.upload("north", "calibration")
        if "evaluation_set" not in body:
            body["evaluation_set"] = self.upload("south", "evaluation")
        answer = self.post("/calibrations", who, body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def brought_to(self, state: str, **changes: Any) -> str:
        """A calibration in this state, by ada's work and cy's approval; its id."""
        made = self.draft(**changes)
        steps = (("evaluated", "evaluate", "ada"), ("approved", "approve", "cy"), ("shadow", "shadow", "ada"))
        for reached, act, who in () if state == "draft" else steps:
            self._done(self.act(made, act, who))
            if reached == state:
                return made
        if state == "active":
            self._done(self.act(made, "activate", "ada", expected_active=self.active()))
        return made

    def active(self, stratum: str | None = None) -> str | None:
        """What is in force, as REST says."""
        found = self.get("/calibrations", stratum_id=stratum or stratum_id(), state="active").json()
        assert len(found) <= 1
        return found[0]["id"] if found else None

    def state(self, calibration_id: str) -> str:
        """Where a calibration stands."""
        return str(self.get(f"/calibrations/{calibration_id}").json()["state"])

    def _headers(self, who: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys.get(who, who)}"} if who else {}

    @staticmethod
    def _done(answer: Response) -> None:
        assert answer.status_code == 200, answer.text
