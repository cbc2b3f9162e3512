"""Does the promise hold at places that nobody has seen? Simulated sites calibrated through REST, against the truth.

Every site uploads a calibration and an evaluation set of its own (binormal scores, four views, images of one patient
alike), drafts, evaluates, has it approved by another person, runs it in shadow, activates it, and reads the threshold
in force back. How many abnormal images (or exams) that threshold misses in truth follows from the distributions. The
naive rule, the lowest threshold at which no more than alpha is missed in the calibration set, must fail on the same
sites.

Run: OMP_NUM_THREADS=1 python benchmarks/simulated_sites.py [--sites 1000]
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import _test_parts  # noqa: F401 - first, so that the parts are found
import numpy as np
import numpy.typing as npt
from _asgi import Answer, Caller, complete
from _evidence import Row, record
from governed_service import DECLARATIONS, FAST, application
from served_exams import Archive
from simulated_site import Device, draw, side_of, site_rows, true_exam_miss, true_image_miss

from triage.core.governance import Role
from triage.decide.intervals import clopper_pearson

FULL = 1000
NORMALS, ABNORMALS = 400, 400
"""Exams of each set."""
RHOS = (0.6, 0.7, 0.8)
SITES_A_LEDGER = 25
PEOPLE = {"ann": {Role.ADMIN}, "bea": {Role.APPROVER}}
ALPHA, DELTA = 0.025, 0.05
KINDS = ("image", "exam_min")
NAIVE_FAILS = 0.45


@dataclass
class Found:
    """What came of the sites for one kind of threshold."""

    true_misses: list[float] = field(default_factory=list)
    """Of the thresholds in force."""
    sensitivities: list[float] = field(default_factory=list)
    safe_alone: list[float] = field(default_factory=list)
    """True misses at t_safe, whatever t20 says: what the promise of 1 - delta is about."""
    naive: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    limited: int = 0


async def site(caller: Caller, keys: dict[str, str], number: int, found: dict[str, Found]) -> None:
    """One site from its first upload to the thresholds in force."""
    device, rho = Device(site=f"Site {number}"), RHOS[number % len(RHOS)]
    sets = {}
    for place, purpose in enumerate(("calibration", "evaluation")):
        rows = site_rows(2 * number + place, f"{number} {purpose}", NORMALS, ABNORMALS, rho, device)
        body = {"name": purpose, "purpose": purpose, "declarations": DECLARATIONS, "rows": rows}
        made = done(await caller.post("/calibration-sets", keys["ann"], body), 201)
        sets[f"{purpose}_set"] = made["id"]
    (stratum,) = made["strata"]
    scores = draw(np.random.default_rng(2 * number), NORMALS, ABNORMALS, rho)
    in_force = None
    for kind in KINDS:
        truth = _truth(kind, rho)
        found[kind].naive.append(truth(naive_threshold(kind, scores)))
        body = {"stratum_id": stratum, "kind": kind, "protocol": FAST, **sets}
        version = done(await caller.post("/calibrations", keys["ann"], body), 201)["id"]
        report = done(await act(caller, keys, version, "evaluate", "ann"))["report"]["kinds"][kind]
        found[kind].safe_alone.append(truth(report["t_safe"]))
        approved = await act(caller, keys, version, "approve", "bea")
        if approved.status == 409:
            found[kind].refused.update(one["code"] for one in approved.body["refusals"])
            continue
        done(approved)
        done(await act(caller, keys, version, "shadow", "ann"))
        done(await act(caller, keys, version, "activate", "ann", expected_active=in_force))
        (active,) = done(await caller.get("/calibrations", query=f"stratum_id={stratum}&state=active"))
        in_force = active["id"]
        found[kind].true_misses.append(truth(active["threshold"]))
        found[kind].sensitivities.append(report["evaluation"]["sensitivity"]["value"])
        found[kind].limited += active["limited_by_safety"]


def naive_threshold(kind: str, scores: npt.NDArray[np.float64]) -> float:
    """The lowest score at which at most alpha of the abnormal images (exams) of the calibration set are missed."""
    abnormal = scores[NORMALS:]
    if kind == "image":
        left = np.array([side_of(NORMALS + row) == "L" for row in range(ABNORMALS)])
        misses = np.where(left[:, None], abnormal[:, [1, 3]], abnormal[:, [0, 2]]).ravel()
        candidates = scores.ravel()
    else:
        misses, candidates = abnormal.min(axis=1), scores.min(axis=1)
    candidates = np.unique(candidates)
    missed = misses.size - np.searchsorted(np.sort(misses), candidates, side="left")
    return float(candidates[missed <= ALPHA * misses.size][0])


def _truth(kind: str, rho: float) -> Callable[[float | None], float]:
    """The true share of abnormals missed at a threshold; None flags nothing."""

    def missed(threshold: float | None) -> float:
        if threshold is None:
            return 0.0
        return true_image_miss(threshold) if kind == "image" else true_exam_miss(threshold, rho)

    return missed


async def act(caller: Caller, keys: dict[str, str], version: str, name: str, who: str, **more: Any) -> Answer:
    """A signed act."""
    body = {"signature": {"printed_name": who.title(), "meaning": f"{name} it"}, **more}
    return await caller.post(f"/calibrations/{version}/{name}", keys[who], body)


def done(answer: Answer, status: int = 200) -> Any:
    """The body of an answer that must have this status."""
    if answer.status != status:
        raise SystemExit(f"expected {status}, got {answer.status}: {answer.body}")
    return answer.body


def run(sites: int) -> dict[str, Found]:
    """All sites, some to a ledger."""
    found = {kind: Found() for kind in KINDS}

    async def some(archive: Archive, numbers: range) -> None:
        keys = {name: archive.ledger.add_person(name, name.title(), roles) for name, roles in PEOPLE.items()}
        caller = Caller(application(archive))
        for number in numbers:
            await site(caller, keys, number, found)

    for start in range(0, sites, SITES_A_LEDGER):
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            complete(some(Archive(Path(folder)), range(start, min(start + SITES_A_LEDGER, sites))))
        print(f"{min(start + SITES_A_LEDGER, sites)} sites", flush=True)
    return found


def rows_of(kind: str, found: Found, sites: int) -> list[Row]:
    """The figures of one kind, each with its exact 95% interval over sites."""

    def share(misses: list[float]) -> tuple[float, int, tuple[float, float]]:
        k, n = sum(miss > ALPHA for miss in misses), len(misses)
        low, high = clopper_pearson(k, n)
        return k / max(1, n), n, (round(low, 4), round(high, 4))

    active, n_active, interval = share(found.true_misses)
    safe, n_safe, safe_interval = share(found.safe_alone)
    naive, n_naive, naive_interval = share(found.naive)
    what = "image" if kind == "image" else "exam"
    # What a true share of exactly delta may show in so many sites: one-sided 95%.
    allowed = DELTA + 1.645 * float(np.sqrt(DELTA * (1 - DELTA) / max(1, n_active)))
    note = (
        f"{n_active} of {sites} sites activated, {found.limited} limited by safety; mean sensitivity "
        f"{np.mean(found.sensitivities or [0]):.3f}; refused: {dict(found.refused) or 'none'}; "
        f"t_safe alone {safe:.3f} (95% {safe_interval[0]} to {safe_interval[1]})"
    )
    return [
        Row(
            id=f"simulated-sites-{kind}",
            what=f"share of thresholds in force, read through REST, whose true {what} miss rate is above {ALPHA:.1%}",
            value=round(active, 4),
            unit="share of sites",
            n=n_active,
            interval=interval,
            peer="naive rule: lowest threshold with an empirical miss rate within the limit, same sites",
            peer_value=round(naive, 4),
            target=f"<= {DELTA:.0%} + Monte-Carlo error ({allowed:.3f})",
            holds=bool(n_active > sites / 2 and active <= allowed and n_safe),
            note=note,
        ),
        Row(
            id=f"simulated-sites-{kind}-naive",
            what=f"the same share for the naive rule ({what}s); the control that must fail",
            value=round(naive, 4),
            unit="share of sites",
            n=n_naive,
            interval=naive_interval,
            target=f">= {NAIVE_FAILS:.0%}",
            holds=bool(naive >= NAIVE_FAILS),
        ),
    ]


def main() -> None:
    """Simulates, prints, and records a full run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=FULL)
    sites = parser.parse_args().sites
    started = time.perf_counter()
    found = run(sites)
    seconds = time.perf_counter() - started
    rows = [row for kind in KINDS for row in rows_of(kind, found[kind], sites)]
    for row in rows:
        print(f"{row.id}: {row.value} {row.interval} of {row.n}, target {row.target}, holds: {row.holds}. {row.note}")
    print(f"{seconds:.0f} s, {seconds / sites:.2f} s a site")
    if sites >= FULL:
        print(record("calibration", "python benchmarks/simulated_sites.py", rows))


if __name__ == "__main__":
    main()
