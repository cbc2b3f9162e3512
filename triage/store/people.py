"""Stage: store. People who may act: their roles, and the digest of the key that each one signs in with.

A key has 256 random bits, so its plain SHA-256 can be undone by nobody, and looking it up tells nothing of its digits.
"""

import hashlib
import re
import secrets
from collections.abc import Collection

from sqlalchemy import RowMapping, select, update

from triage.core.errors import TriageError
from triage.core.governance import BUNDLE, SYSTEM, Actor, Role
from triage.store import calibration_tables as c
from triage.store.audit import append
from triage.store.calibration_records import PersonRecord
from triage.store.database import insert_new, reading, writing
from triage.store.rows import Part

KEY_PREFIX = "tri_"
_KEY_BYTES = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # one spelling: whoever acts under two names could approve their own
_RESERVED = {SYSTEM.name, BUNDLE.name}
_PERSON = c.person.c


class People(Part):
    """Adding, looking up and disabling. Nobody is removed: their name stands under acts."""

    def add_person(self, name: str, printed_name: str, roles: Collection[Role], by: str = "the command line") -> str:
        """Adds a person, and returns the key: it is shown this once, and only its digest is kept.

        Errors:
            TriageError: The name is taken or malformed, the printed name is empty, or there is no role.
        """
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise TriageError(f"{name!r} cannot be a login name: up to 64 of a-z 0-9 . _ - are, not {_reserved()}")
        if not printed_name.strip():
            raise TriageError(f"{name} needs a printed name: it stands under everything that is signed")
        if not roles:
            raise TriageError(f"{name} needs at least one of the roles {', '.join(Role)}")
        key = KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
        now = self._now()
        told = {"name": name, "printed_name": printed_name.strip(), "roles": sorted({role.value for role in roles})}
        row = {**told, "key_sha256": _digest(key), "created_at": now}
        with writing(self._engine) as connection:
            if insert_new(connection, c.person, row, _PERSON.name) is None:
                raise TriageError(f"there is a {name} already; a name is never given to another person")
            append(connection, now, "person-added", None, {"by": by, **told})
        return key

    def person_by_key(self, key: str) -> Actor | None:
        """Who signs in with this key; None if nobody does, or not any more."""
        statement = select(c.person).where(_PERSON.key_sha256 == _digest(key), _PERSON.disabled_at.is_(None))
        with reading(self._engine) as connection:
            row = connection.execute(statement).mappings().one_or_none()
        return _actor(row) if row else None

    def people(self) -> tuple[PersonRecord, ...]:
        """Everybody, disabled or not, by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(c.person).order_by(_PERSON.name)).mappings()
            return tuple(PersonRecord(_actor(row), row["created_at"], row["disabled_at"]) for row in rows)

    def disable_person(self, name: str, by: str = "the command line") -> None:
        """From now on the person's key opens nothing; doing it twice changes nothing.

        Errors:
            TriageError: There is no such person.
        """
        now = self._now()
        with writing(self._engine) as connection:
            if connection.execute(select(_PERSON.name).where(_PERSON.name == name)).first() is None:
                raise TriageError(f"there is no {name}; `triage user list` shows everybody")
            enabled = update(c.person).where(_PERSON.name == name, _PERSON.disabled_at.is_(None))
            if connection.execute(enabled.values(disabled_at=now).returning(_PERSON.name)).first() is not None:
                append(connection, now, "person-disabled", None, {"by": by, "name": name})


def _actor(row: RowMapping) -> Actor:
    return Actor(row["name"], row["printed_name"], frozenset(Role(role) for role in row["roles"]))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _reserved() -> str:
    return " or ".join(sorted(_RESERVED))
