"""Stage: store. Rows of the database as records, and the base of the ledger's parts."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, select

from triage.core.study import InstanceHeader
from triage.store import tables as t
from triage.store.codec import reasons_from_json
from triage.store.records import Delivery, StoredInstance, utc_now


class Part:
    """One group of the ledger's operations: the engine of `open_database`, and a clock that gives aware times."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._now = now


def stored_instance(row: RowMapping) -> StoredInstance:
    """A row of `instance`."""
    header = InstanceHeader(
        sop_instance_uid=row["sop_instance_uid"],
        sop_class_uid=row["sop_class_uid"],
        study_instance_uid=row["study_instance_uid"],
        series_instance_uid=row["series_instance_uid"],
        transfer_syntax_uid=row["transfer_syntax_uid"],
        laterality=row["laterality"],
        view_position=row["view_position"],
        analysable=row["analysable"],
        reasons=reasons_from_json(row["reasons"]),
        attributes=row["attributes"],
    )
    return StoredInstance(row["id"], header, row["sha256"], row["path"], row["received_at"], row["prepared_at"])


def current_instances(connection: Connection, study_instance_uid: str) -> tuple[StoredInstance, ...]:
    """The newest version of each instance of a study, in order of arrival."""
    statement = (
        select(t.instance)
        .where(t.instance.c.study_instance_uid == study_instance_uid, ~t.instance.c.superseded)
        .order_by(t.instance.c.id)
    )
    return tuple(stored_instance(row) for row in connection.execute(statement).mappings())


def delivery_record(row: RowMapping) -> Delivery:
    """A row of `delivery`."""
    return Delivery(**row)


def deliveries_where(connection: Connection, *conditions: ColumnElement[Any]) -> tuple[Delivery, ...]:
    """Entries of the outbox, oldest first."""
    statement = select(t.delivery).where(*conditions).order_by(t.delivery.c.id)
    return tuple(delivery_record(row) for row in connection.execute(statement).mappings())


def is_open() -> ColumnElement[bool]:
    """Studies with `rev > done_rev` that are not dead, said by their state, which has an index."""
    return t.study.c.state.in_(("receiving", "analysing"))
