"""Random acts of random people on shared calibrations, many at once, through REST: is anything put in force illegally?

Each sequence is a few signed acts by people drawn at random, on calibrations that the other workers change meanwhile,
with an `expected_active` that may be right, stale or made up. What the ledger recorded is then judged twice, by
tests/governance_checker.py and by a second reading of the activation table here. As a negative control the same run
with a broken rule table must be caught.

Run: OMP_NUM_THREADS=1 python benchmarks/governance_races.py [--sequences 100000] [--workers 4]
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import _test_parts  # noqa: F401 - first, so that the parts are found
from _activations import judge
from _asgi import Caller, complete
from _evidence import Row, record
from governance_checker import breaches, read
from governed_service import DECLARATIONS, FAST, application, rows
from served_exams import Archive
from simulated_site import Device

from triage.core import governance_rules
from triage.core.governance import Act, CalibrationVersion, Role
from triage.serve.api.governing import Governing
from triage.store.database import open_database
from triage.store.ledger import Ledger

PEOPLE = {
    "ann": {Role.ADMIN},
    "abe": {Role.ADMIN},
    "bea": {Role.APPROVER},
    "ben": {Role.APPROVER},
    "cat": {Role.ADMIN, Role.APPROVER},
    "cal": {Role.ADMIN, Role.APPROVER},
    "eve": {Role.READER},
}
FULL = 100_000
STRATA = 24
LIVING = 3
"""Calibrations of a stratum that acts are done to."""
PLAUSIBLE = {
    "draft": ("evaluate",),
    "evaluated": ("approve",),
    "approved": ("shadow",),
    "shadow": ("activate",),
    "active": ("suspend", "roll-back", "suspend", "roll-back", "retire"),
    "suspended": ("request-reinstatement", "reinstate", "reinstate", "retire"),
    "rolled_back": ("reinstate", "activate", "suspend"),
    "retired": ("activate", "reinstate", "approve"),
}
ACTS = [act.value for act in Act if act is not Act.DRAFT]


@dataclass
class Race:
    """What is shared, and what came of it."""

    caller: Caller
    keys: dict[str, str]
    sets: list[tuple[str, str]]
    strata: list[str]
    living: dict[str, dict[str, str]] = field(default_factory=dict)
    """By stratum, calibrations with the state that somebody saw last."""
    outcomes: Counter[tuple[str, int]] = field(default_factory=Counter)
    rollbacks: list[float] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)


async def run(race: Race, sequences: int, workers: int, seed: int) -> float:
    """All sequences by so many workers at once; seconds."""
    left = iter(range(sequences))
    started = time.perf_counter()
    await asyncio.gather(*(_worker(race, left, random.Random(f"{seed} {one}")) for one in range(workers)))
    return time.perf_counter() - started


async def _worker(race: Race, left: Iterator[int], rng: random.Random) -> None:
    for _ in left:
        stratum = rng.choice(race.strata)
        for _ in range(rng.randint(2, 3)):
            living = race.living.setdefault(stratum, {})
            if len(living) < LIVING or rng.random() < 0.01:
                await _draft(race, stratum, rng)
            else:
                await _act(race, stratum, rng)


async def _draft(race: Race, stratum: str, rng: random.Random) -> None:
    calibration, evaluation = rng.choice(race.sets)
    body = {
        "stratum_id": stratum,
        "kind": "image",
        "calibration_set": calibration,
        "evaluation_set": evaluation,
        "protocol": FAST,
    }
    answer = await race.caller.post("/calibrations", race.keys[rng.choice(list(PEOPLE))], body)
    _count(race, "draft", answer.status)
    if answer.status == 201:
        race.living[stratum][answer.body["id"]] = "draft"


async def _act(race: Race, stratum: str, rng: random.Random) -> None:
    living = race.living[stratum]
    calibration, seen = rng.choice(list(living.items()))
    act = rng.choice(PLAUSIBLE[seen] if rng.random() < 0.85 else ACTS)
    who = rng.choice(list(PEOPLE))
    body: dict[str, Any] = {"signature": {"printed_name": who.title(), "meaning": f"{act} it"}}
    if act == "activate" or rng.random() < 0.1:
        body["expected_active"] = _belief(living, rng)
    started = time.perf_counter()
    answer = await race.caller.post(f"/calibrations/{calibration}/{act}", race.keys[who], body)
    if act == "roll-back" and answer.status == 200:
        race.rollbacks.append(time.perf_counter() - started)
    _count(race, act, answer.status)
    if answer.status not in (200, 403, 409):
        race.unexpected.append(f"{act}: {answer.status} {answer.body}")
    if answer.status == 200:
        living[calibration] = answer.body["state"]
    elif answer.status == 409:
        found = await race.caller.get(f"/calibrations/{calibration}")
        living[calibration] = found.body["state"]
        if act == "activate":  # perhaps something else is in force, which a roll-back brought back
            query = f"stratum_id={stratum}&state=active"
            for one in (await race.caller.get("/calibrations", query=query)).body:
                living[one["id"]] = one["state"]
    if living.get(calibration) in ("retired", "rolled_back") and rng.random() < 0.5:
        living.pop(calibration, None)  # the other half may be acted on for a while: nothing may come of it


def _belief(living: dict[str, str], rng: random.Random) -> str | None:
    """What somebody believes to be in force: mostly what was seen, else nothing, another one, or an invention."""
    active = next((one for one, state in living.items() if state == "active"), None)
    return rng.choices([active, None, rng.choice(list(living)), "0" * 32], [0.8, 0.1, 0.08, 0.02])[0]


def _count(race: Race, act: str, status: int) -> None:
    race.outcomes[act, status] += 1


async def prepare(archive: Archive) -> Race:
    """People, sets of two uploaders, strata."""
    app = application(archive)
    keys = {name: archive.ledger.add_person(name, name.title(), roles) for name, roles in PEOPLE.items()}
    caller, sets = Caller(app), []
    for uploader in ("ann", "cat"):
        pair = []
        for name, purpose in (("north", "calibration"), ("south", "evaluation")):
            body = {"name": name, "purpose": purpose, "declarations": DECLARATIONS, "rows": _rows(f"{uploader} {name}")}
            answer = await caller.post("/calibration-sets", keys[uploader], body)
            if answer.status != 201:
                raise SystemExit(f"the sets were not taken: {answer.body}")
            pair.append(answer.body["id"])
        sets.append((pair[0], pair[1]))
    strata = (await caller.get(f"/calibration-sets/{sets[0][0]}")).body["strata"]
    return Race(caller, keys, sets, list(strata))


def _rows(name: str) -> list[dict[str, Any]]:
    """One sufficient set of scores, said to be of every stratum's device in turn; only the first is ever evaluated."""
    devices = [replace(Device(), software_version=f"{number}.0") for number in range(STRATA)]
    found = [dict(one) for one in rows(name)]
    others = [
        {**one, **vars(device)} for device in devices[1:] for one in rows(f"{name} {device.software_version}", 1, 0)
    ]
    return [{**one, **vars(devices[0])} for one in found] + others


@contextmanager
def reports_at_hand() -> Iterator[None]:
    """One real report serves every draft: what is raced for here is who may do what, not the statistics of it."""
    compute = Governing.report
    known: dict[str | None, dict[str, Any]] = {}

    def report(self: Governing, version: CalibrationVersion) -> dict[str, Any]:
        key = version.calibration_set
        if key not in known:
            whole = next(one for one in self.strata(str(key)).values() if one.software_version == "0.0")
            known[key] = compute(self, replace(version, stratum=whole))
        return known[key]

    with patch.object(Governing, "report", report):
        yield


def broken_rules() -> Any:
    """The rule table with two holes, for the negative control: whoever made a version may approve it too."""
    rules = dict(governance_rules.RULES)
    for act in (Act.APPROVE, Act.ACTIVATE):
        rules[act] = replace(rules[act], demands=())
    rules[Act.REINSTATE] = replace(rules[Act.REINSTATE], demands=())
    return patch.object(governance_rules, "RULES", rules)


@dataclass(frozen=True)
class Judged:
    """What came of a run."""

    seconds: float
    activations: int
    illegal: tuple[str, ...]
    """Sentences of both readings."""
    race: Race


def race_in(folder: Path, sequences: int, workers: int, seed: int = 1) -> Judged:
    """One run over a fresh ledger."""
    archive = Archive(folder)
    archive.ledger = Ledger(open_database("", folder))  # with a clock that moves

    async def whole() -> tuple[Race, float]:
        race = await prepare(archive)
        with reports_at_hand():
            return race, await run(race, sequences, workers, seed)

    race, seconds = complete(whole())
    roles = {name: {str(role) for role in held} for name, held in PEOPLE.items()}
    engine = open_database("", folder)
    activations, wrong = judge(engine, roles)
    illegal = (*breaches(read(engine), roles), *wrong)
    if archive.ledger.verify_audit() is not None:
        illegal = (*illegal, "the audit trail is not whole")
    return Judged(seconds, activations, illegal, race)


def main() -> None:
    """Races, then the negative control; prints and records what came of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=FULL)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as folder:
        found = race_in(Path(folder) / "races", given.sequences, given.workers, given.seed)
        with broken_rules():
            control = race_in(Path(folder) / "control", min(given.sequences, 2000), given.workers, given.seed)
    outcomes, rollbacks = found.race.outcomes, sorted(found.race.rollbacks)
    requests = outcomes.total()
    print(f"{given.sequences} sequences, {requests} acts in {found.seconds:.0f} s by {given.workers} workers")
    print(f"{given.sequences / found.seconds:.0f} sequences/s, {requests / found.seconds:.0f} acts/s")
    for act in ("draft", *ACTS):
        print(f"  {act:<22}" + "  ".join(f"{code}: {n}" for (name, code), n in sorted(outcomes.items()) if name == act))
    print(f"activations: {found.activations}, illegal: {len(found.illegal)}", *found.illegal[:5], sep="\n  ")
    print(f"unexpected answers: {len(found.race.unexpected)}", *found.race.unexpected[:5], sep="\n  ")
    print(f"negative control: {len(control.illegal)} breaches among {control.activations} activations")
    median, slowest = (rollbacks[len(rollbacks) // 2], rollbacks[-1]) if rollbacks else (0.0, 0.0)
    print(f"{len(rollbacks)} roll-backs: median {median * 1000:.1f} ms, slowest {slowest * 1000:.0f} ms")
    if given.sequences >= FULL:
        print(
            record("calibration", "python benchmarks/governance_races.py", _evidence(given.sequences, found, control))
        )


def _evidence(sequences: int, found: Judged, control: Judged) -> list[Row]:
    rollbacks = sorted(found.race.rollbacks)
    clean = not found.illegal and not found.race.unexpected
    return [
        Row(
            id="governance-illegal-activations",
            what="breaches found by two independent readings of the ledger after random REST sequences with races",
            value=len(found.illegal),
            unit="breaches",
            n=sequences,
            peer="the same with a broken rule table",
            peer_value=len(control.illegal),
            target="0 in 100,000 sequences; the broken table is caught",
            holds=clean and bool(control.illegal) and sequences >= FULL,
            note=f"{found.race.outcomes.total()} acts, {found.activations} legal activations, "
            f"{len(found.race.unexpected)} unexpected answers",
        ),
        Row(
            id="governance-rollback",
            what="POST roll-back to its answer, with other acts under way; the commit is on the disk by then",
            value=round(rollbacks[-1], 4) if rollbacks else 0.0,
            unit="s",
            n=len(rollbacks),
            target="slowest <= 1 s",
            holds=bool(rollbacks) and rollbacks[-1] <= 1,
            note=f"median {rollbacks[len(rollbacks) // 2] * 1000:.1f} ms" if rollbacks else "",
        ),
    ]


if __name__ == "__main__":
    main()
