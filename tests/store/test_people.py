"""People: a key shown once, looked up by its digest, useless once its person is disabled."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from ledger_samples import Clock
from sqlalchemy import Engine, select

from triage.core.errors import TriageError
from triage.core.governance import Actor, Role
from triage.store import calibration_tables as c
from triage.store import tables as t
from triage.store.ledger import Ledger


def test_a_key_finds_its_person_and_no_other_key_does(ledger: Ledger) -> None:
    key = ledger.add_person("ann", " Ann Admin ", [Role.APPROVER, Role.ADMIN, Role.ADMIN])
    other = ledger.add_person("bea-2.x", "Bea", {Role.READER})
    assert ledger.person_by_key(key) == Actor("ann", "Ann Admin", frozenset({Role.ADMIN, Role.APPROVER}))
    assert ledger.person_by_key(other) == Actor("bea-2.x", "Bea", frozenset({Role.READER}))
    for wrong in ("", "tri_", key[:-1], key + "x", key.upper(), "ann", "\u3042"):
        assert ledger.person_by_key(wrong) is None


def test_a_key_is_long_and_only_its_digest_is_kept(ledger: Ledger, engine: Engine) -> None:
    key = ledger.add_person("ann", "Ann", [Role.ADMIN])
    assert key.startswith("tri_")
    assert len(key) == len("tri_") + 43, "32 bytes in base 64"
    with engine.connect() as connection:
        kept = str(connection.execute(select(c.person)).all()) + str(connection.execute(select(t.audit)).all())
    assert key[4:] not in kept
    assert hashlib.sha256(key.encode()).hexdigest() in kept


@pytest.mark.parametrize("name", ["", "Ann", "ann doe", "-ann", "a" * 65, "ann\n", "änn", "system", "bundle"])
def test_a_name_has_one_spelling_and_is_nobody_else(ledger: Ledger, name: str) -> None:
    with pytest.raises(TriageError, match="cannot be a login name"):
        ledger.add_person(name, "Ann", [Role.ADMIN])


def test_a_person_needs_a_printed_name_and_a_role(ledger: Ledger) -> None:
    with pytest.raises(TriageError, match="ann needs a printed name"):
        ledger.add_person("ann", " ", [Role.ADMIN])
    with pytest.raises(TriageError, match="at least one of the roles reader, admin, approver"):
        ledger.add_person("ann", "Ann", [])
    assert ledger.people() == ()


def test_a_name_is_given_once_and_for_ever(ledger: Ledger) -> None:
    key = ledger.add_person("ann", "Ann", [Role.ADMIN])
    ledger.disable_person("ann")
    with pytest.raises(TriageError, match="there is a ann already"):
        ledger.add_person("ann", "Another Ann", [Role.APPROVER])
    assert ledger.person_by_key(key) is None


def test_of_many_who_add_one_name_one_succeeds(ledger: Ledger) -> None:
    def add(number: int) -> str | None:
        try:
            return ledger.add_person("ann", f"Ann {number}", [Role.ADMIN])
        except TriageError:
            return None

    with ThreadPoolExecutor(4) as pool:
        [key] = [key for key in pool.map(add, range(8)) if key]
    [person] = ledger.people()
    assert ledger.person_by_key(key) == person.actor


def test_a_disabled_person_stays_listed_and_the_first_time_counts(ledger: Ledger, clock: Clock) -> None:
    ledger.add_person("bea", "Bea", [Role.READER])
    key = ledger.add_person("ann", "Ann", [Role.ADMIN])
    disabled = clock.now
    ledger.disable_person("ann")
    clock.advance(days=1)
    ledger.disable_person("ann")
    assert [(one.actor.name, one.disabled_at) for one in ledger.people()] == [("ann", disabled), ("bea", None)]
    assert ledger.person_by_key(key) is None
    with pytest.raises(TriageError, match="there is no cyd"):
        ledger.disable_person("cyd")


def test_who_came_and_went_is_audited(ledger: Ledger, engine: Engine) -> None:
    ledger.add_person("ann", "Ann", [Role.ADMIN])
    ledger.disable_person("ann", by="bea")
    ledger.disable_person("ann", by="bea")
    with engine.connect() as connection:
        rows = connection.execute(select(t.audit.c.event, t.audit.c.detail).order_by(t.audit.c.id)).all()
    assert [tuple(row) for row in rows] == [
        ("person-added", {"by": "the command line", "name": "ann", "printed_name": "Ann", "roles": ["admin"]}),
        ("person-disabled", {"by": "bea", "name": "ann"}),
    ]
    assert ledger.verify_audit() is None
