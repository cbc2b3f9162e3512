"""Stage: store. Exams as events on the control charts of their calibration; an alarm suspends it.

Input: what was decided of one exam, within the transaction that puts its result in force, and the pure step of a chart
(`triage.decide.drift.step`). Output: chart rows, suspensions, incidents; and the charts and scores for people to see.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, and_, func, select, update

from triage.core.governance import SYSTEM
from triage.store import calibration_tables as c
from triage.store.calibration_acts import DRIFT, suspend_in
from triage.store.database import insert_new, reading
from triage.store.incidents import open_incident_in
from triage.store.monitoring_records import ChartRecord, ChartState, NewIncident, Observation, WeekOfScores, WhatIf
from triage.store.rows import Part

EVENTS = ("flag", "refusal", "ood")


class Step(Protocol):
    """One exam on a chart: the new state, and `up` or `down` if the chart alarms."""

    def __call__(self, state: ChartState, event: bool) -> tuple[ChartState, str | None]:
        """Pure."""


class Observations(Part):
    """The charts and scores of what was observed."""

    def charts(self, calibration_id: str) -> tuple[ChartRecord, ...]:
        """The control charts of a calibration; empty if no exam was decided by it yet."""
        statement = select(c.chart).where(c.chart.c.calibration_id == calibration_id)
        with reading(self._engine) as connection:
            rows = {row["event"]: row for row in connection.execute(statement).mappings()}
        return tuple(
            ChartRecord(ChartState(**{name: rows[event][name] for name in _STATE}), rows[event]["alarm_at"])
            for event in EVENTS
            if event in rows
        )

    def observations(self, stratum_id: str, last: int) -> tuple[Observation, ...]:
        """The newest `last` exams of a stratum, oldest first; each once, as its newest calibration decided it."""
        newest = (
            select(func.max(c.observation.c.id))
            .where(c.observation.c.stratum_id == stratum_id)
            .group_by(c.observation.c.study_instance_uid)
        )
        statement = select(c.observation).where(c.observation.c.id.in_(newest)).order_by(c.observation.c.id.desc())
        with reading(self._engine) as connection:
            rows = connection.execute(statement.limit(last)).mappings().all()
        return tuple(Observation(**{name: row[name] for name in _OBSERVATION}) for row in reversed(rows))

    def what_if(self, stratum_id: str, threshold: float, last: int) -> WhatIf:
        """How many of the newest exams have a score at or above `threshold` of kind `exam_min`; refused ones do not."""
        seen = self.observations(stratum_id, last)
        would = [one for one in seen if not one.refusal and one.exam_score is not None and one.exam_score >= threshold]
        return WhatIf(len(seen), sum(one.flag for one in seen), len(would))

    def histograms(self, stratum_id: str, weeks: int, edges: Sequence[float]) -> tuple[WeekOfScores, ...]:
        """Exam scores of the newest `weeks` weeks, this one included, oldest first; a week without exams is left out.

        Args:
            edges: ascending bin edges; scores outside them are counted too.
        """
        first = _monday(self._now()) - timedelta(weeks=weeks - 1)
        since = datetime(first.year, first.month, first.day, tzinfo=UTC)
        statement = select(c.observation.c.at, c.observation.c.exam_score).where(
            c.observation.c.stratum_id == stratum_id, c.observation.c.at >= since
        )
        found: dict[date, Counter[int | None]] = {}
        with reading(self._engine) as connection:
            for at, score in connection.execute(statement):
                place = None if score is None else bisect_right(edges, score)
                found.setdefault(_monday(at), Counter())[place] += 1
        places = range(len(edges) + 1)
        return tuple(
            WeekOfScores(monday, tuple(counts[place] for place in places), counts[None])
            for monday, counts in sorted(found.items())
        )


_STATE = tuple(ChartState.__dataclass_fields__)
_OBSERVATION = tuple(name for name in Observation.__dataclass_fields__ if name != "baselines")


def start_charts_in(connection: Connection, calibration_id: str, baselines: Mapping[str, float]) -> None:
    """Makes the charts of a calibration that are not there yet, one for each event with a baseline rate."""
    for event in EVENTS:
        if event in baselines:
            numbers = {"baseline": baselines[event], "up": 0.0, "down": 0.0, "exams": 0, "events": 0}
            row = {"calibration_id": calibration_id, "event": event, **numbers}
            insert_new(connection, c.chart, row, c.chart.c.event)


def observe_in(connection: Connection, now: datetime, seen: Observation, step: Step) -> tuple[int, ...]:
    """Counts one exam on the charts of its calibration, once however often it is analysed; the incidents it opened.

    An alarm suspends the calibration if it decides exams, be it only those received before it was replaced; if not
    (suspended already, rolled back), the alarm is only noted on the chart. The exam that alarms keeps its result, like
    those before it that moved the chart as far: it was decided while the calibration held. The incident names it.

    Locks the charts, then what `suspend_in` locks, the audit trail last: call it at the end of a transaction.
    """
    charts = lock_charts_in(connection, seen)
    row = {**{name: getattr(seen, name) for name in _OBSERVATION}, "at": now}
    if insert_new(connection, c.observation, row, c.observation.c.id) is None:
        return ()
    alarms = [alarm for chart in charts if (alarm := _move(connection, now, chart, seen, step))]
    if not alarms or not suspend_in(connection, now, seen.calibration_id, SYSTEM, _why(alarms[0])):
        return ()
    place = (seen.stratum_id, seen.calibration_id, seen.study_instance_uid)
    return tuple(open_incident_in(connection, now, NewIncident(DRIFT, detail, *place)) for detail in alarms)


def lock_charts_in(connection: Connection, seen: Observation) -> list[ChartState]:
    """The charts of an exam's calibration, made if they are new, locked until the transaction ends.

    That comes before the exam is counted, and before the calibration is locked: two exams must not each hold what the
    other waits for.
    """
    start_charts_in(connection, seen.calibration_id, seen.baselines)
    mine = select(c.chart).where(c.chart.c.calibration_id == seen.calibration_id).order_by(c.chart.c.event)
    rows = connection.execute(mine.with_for_update()).mappings()
    return [ChartState(**{name: row[name] for name in _STATE}) for row in rows]


def _move(
    connection: Connection, now: datetime, before: ChartState, seen: Observation, step: Step
) -> dict[str, str | int | float] | None:
    """Moves one chart on; what it has to say if it alarms."""
    if before.event == "flag" and seen.refusal:
        return None  # the flag rate that was calibrated is one of evaluated exams
    after, direction = step(before, bool(getattr(seen, before.event)))
    changes: dict[str, object] = {name: getattr(after, name) for name in ("up", "down", "exams", "events")}
    if direction:
        changes["alarm_at"] = now
    mine = and_(c.chart.c.calibration_id == seen.calibration_id, c.chart.c.event == before.event)
    connection.execute(update(c.chart).where(mine).values(changes))
    if not direction:
        return None
    numbers = {name: getattr(after, name) for name in ("event", "exams", "events", "baseline")}
    return {**numbers, "direction": direction}


def _why(alarm: Mapping[str, str | int | float]) -> str:
    words = {"flag": "flags", "refusal": "refused exams", "ood": "images unlike those of the calibration"}
    change = "more" if alarm["direction"] == "up" else "fewer"
    return (
        f"control chart: {change} {words[str(alarm['event'])]} than the baseline of {float(alarm['baseline']):.2%}"
        f" ({alarm['events']} in {alarm['exams']} exams)"
    )


def _monday(at: datetime) -> date:
    day = at.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())
