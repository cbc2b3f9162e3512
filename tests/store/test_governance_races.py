"""Random people do random things to calibrations at once, and an independent checker finds nothing illegal.

With a hole in the rules the same checker finds what went through it.
"""

import random
import re
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import governance_checker
import pytest
from governance_checker import Trail, breaches
from governance_samples import (
    EVERYBODY,
    OTHER,
    REPORT,
    STRATUM,
    a_draft,
    a_set,
    an_active,
    shipped,
    signed,
)
from ledger_samples import START
from sqlalchemy import Engine

from triage.core import governance_rules
from triage.core.governance import SYSTEM, UNSET, Act, Actor, CalibrationState, Conflict, Forbidden, Role, Signature
from triage.core.governance_rules import RULES, Rule
from triage.store.database import open_database
from triage.store.ledger import Ledger

ROLES = {one.name: {role.value for role in one.roles} for one in EVERYBODY}
STRATA = (STRATUM, OTHER, replace(STRATUM, site="Elsewhere"))
THREADS = 4
ACTS = 60


class Crowd:
    """One thread's share of the acts. It prefers acts that are possible now, and does impossible ones as well."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self.ledger, self.chance, self.seen = ledger, random.Random(seed), Counter[str]()

    def run(self) -> Counter[str]:
        for _ in range(ACTS):
            try:
                self.seen[self.one()] += 1
            except (Forbidden, Conflict) as error:
                self.seen[type(error).__name__] += 1
        return self.seen

    def one(self) -> str:
        """Does one thing; its name."""
        stratum, actor = self.chance.choice(STRATA), self.chance.choice((*EVERYBODY, SYSTEM))
        versions = self.ledger.calibrations(stratum.id)
        living = [one for one in versions if one.state not in {CalibrationState.RETIRED, CalibrationState.ROLLED_BACK}]
        if not versions or (len(living) < 4 and self.chance.random() < 0.5):
            a_draft(self.ledger, stratum, actor, calibration_set=a_set(self.ledger, by=self.chance.choice(EVERYBODY)))
            return Act.DRAFT
        version = self.chance.choice(living if living and self.chance.random() < 0.95 else versions)
        act = self.wanted(version.state)
        in_force = [one.id for one in versions if one.state is CalibrationState.ACTIVE]
        expected: Any = (
            (in_force or [None])[0] if self.chance.random() < 0.9 else self.chance.choice((UNSET, None, "v"))
        )
        report = REPORT if act is Act.EVALUATE else None
        given = expected if act is Act.ACTIVATE else UNSET
        self.ledger.act(version.id, act, actor, self.signature(actor), expected_active=given, report=report)
        return act

    def wanted(self, state: CalibrationState) -> Act:
        """Mostly one that may be done in this state, and seldom retiring, which ends everything."""
        possible = [act for act, rule in RULES.items() if state in rule.from_states and act is not Act.RETIRE]
        chosen = self.chance.random()
        if chosen < 0.05:
            return Act.RETIRE
        return self.chance.choice(
            possible if possible and chosen < 0.9 else [act for act in Act if act is not Act.DRAFT]
        )

    def signature(self, actor: Actor) -> Signature:
        forged = self.chance.random() < 0.03
        return signed(self.chance.choice(EVERYBODY) if forged else actor)


def crowded(ledger: Ledger, seed: int) -> Counter[str]:
    """What four threads did, and how often."""
    with ThreadPoolExecutor(THREADS) as pool:
        crowds = [Crowd(ledger, seed + number) for number in range(THREADS)]
        return sum(pool.map(Crowd.run, crowds), Counter())


@pytest.fixture
def live(engine: Engine) -> Ledger:
    """A ledger whose clock goes on by a millisecond whenever it is read."""
    ticks = count()
    return Ledger(engine, lambda: START + timedelta(milliseconds=next(ticks)))


def test_nothing_illegal_comes_of_random_acts_at_once(live: Ledger, engine: Engine) -> None:
    live.adopt([shipped(STRATUM)])
    seen = Counter[str]()
    for seed in range(2, 12):  # two rounds, and as many more as it takes for every act to have been done
        seen += crowded(live, 10 * seed)
        if seed > 2 and all(seen[act] > 1 for act in Act):
            break
    assert breaches(governance_checker.read(engine), ROLES) == []
    assert live.verify_audit() is None
    assert all(seen[act] > 1 for act in Act), f"of some act this shows nothing: {seen}"
    assert min(seen["Forbidden"], seen["Conflict"]) > THREADS


def without(act: Act, *demands: str) -> dict[Act, Rule]:
    """The rules with a hole: an act that no longer demands what it should."""
    kept = tuple(one for one in RULES[act].demands if one.__name__ not in demands)
    assert len(kept) == len(RULES[act].demands) - len(demands)
    return {act: replace(RULES[act], demands=kept)}


@pytest.mark.parametrize(
    ("holes", "found", "not_found"),
    [
        (without(Act.APPROVE, "_another_person"), "approve of .* who made it", "activate of .* which nobody else"),
        (
            without(Act.APPROVE, "_another_person") | without(Act.ACTIVATE, "_approved_by_another"),
            "activate of .* which nobody else approved",
            "without a role",
        ),
        (without(Act.REINSTATE, "_requested_by_another"), "reinstate of .* requested by", "overlap"),
        (
            {Act.APPROVE: replace(RULES[Act.APPROVE], roles=frozenset(Role))},
            "approve of .* without a role for it",
            "overlap",
        ),
    ],
    ids=["author-approves", "nobody-approves", "one-person-reinstates", "anybody-approves"],
)
def test_a_hole_in_the_rules_is_found(
    holes: dict[Act, Rule], found: str, not_found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database("", tmp_path)
    ledger = Ledger(engine, lambda: START)
    ledger.adopt([shipped(STRATUM)])
    monkeypatch.setattr(governance_rules, "RULES", {**RULES, **holes})
    said = ""
    for seed in range(5, 105, 10):  # people act at random: a rare act may take several rounds to happen
        crowded(ledger, seed)
        said = "\n".join(breaches(governance_checker.read(engine), ROLES))
        if re.search(found, said):
            break
    assert re.search(found, said)
    assert not re.search(not_found, said), "the rules that were left still hold"


def test_the_checker_sees_what_no_rule_lets_happen(live: Ledger, engine: Engine) -> None:
    first = an_active(live)
    second = an_active(live, former=first.id)
    trail = governance_checker.read(engine)
    assert breaches(trail, ROLES) == []

    def said(harm: Callable[[Trail], None]) -> str:
        harmed = deepcopy(trail)
        harm(harmed)
        return "\n".join(breaches(harmed, ROLES))

    replaced = next(number for number, act in enumerate(trail.acts) if act["to_state"] == "retired")
    assert f"while {first.id} is in force" in said(lambda one: one.acts.pop(replaced))
    assert "overlap" in said(lambda one: one.activations[0].update(until_at=None))
    assert "overlap" in said(lambda one: one.activations[0].update(until_at=one.activations[0]["until_at"] + "9"))
    assert "ends before it starts" in said(lambda one: one.activations[0].update(until_at="2000"))
    assert "do not agree on what was put" in said(lambda one: one.activations.pop())
    assert "do not agree on what is in force" in said(lambda one: one.activations[1].update(until_at="3000"))
    assert "without a role" in said(lambda one: one.acts[0].update(by="eve"))
    assert "has no meaning" in said(lambda one: one.acts[0].update(meaning=" "))
    assert "leads from draft to active" in said(lambda one: one.acts[1].update(to_state="active"))
    assert "but its acts say active" in said(lambda one: setattr(one.versions[second.id], "state", "shadow"))
    assert "of another stratum" in said(lambda one: setattr(one.versions[second.id], "stratum_id", "s"))


@pytest.mark.parametrize(("left_by", "found"), [("activate", ""), ("retire", "after it was retired by itself")])
def test_the_checker_lets_only_what_was_replaced_be_suspended(
    live: Ledger, engine: Engine, left_by: str, found: str
) -> None:
    first = an_active(live)
    an_active(live, former=first.id)
    live.act(first.id, Act.SUSPEND, SYSTEM, Signature("", "missed"))
    trail = governance_checker.read(engine)
    [left] = [act for act in trail.acts if act["to_state"] == "retired"]
    left["act"] = left_by
    said = breaches(trail, ROLES)
    assert bool(said) == bool(found)
    assert found in "\n".join(said)


def test_a_miss_and_a_roll_back_at_once_never_leave_the_missed_version_in_force(live: Ledger, engine: Engine) -> None:
    former = None
    for _ in range(10):
        first = an_active(live, former=former)
        second = an_active(live, former=first.id)
        gate = threading.Barrier(2)

        def done(calibration_id: str, act: Act, actor: Actor, gate: threading.Barrier = gate) -> None:
            gate.wait()
            live.act(calibration_id, act, actor, signed(actor))

        with ThreadPoolExecutor(2) as pool:
            back = pool.submit(done, second.id, Act.ROLL_BACK, EVERYBODY[0])
            missed = pool.submit(done, first.id, Act.SUSPEND, SYSTEM)
            assert (back.result(), missed.result()) == (None, None)
        assert live.in_force(STRATUM, START + timedelta(days=1)).reason_code == "calibration-suspended"
        found = live.calibration(first.id)
        assert found is not None
        assert found.state is CalibrationState.SUSPENDED
    assert breaches(governance_checker.read(engine), ROLES) == []
