"""A second reading of what was put in force, straight from the tables: it shares no code with the service or its tests.

An activation is legal if it began by an act of somebody with the role for it, at the same moment, on a calibration that
an approver other than its author and the uploaders of its sets had approved before; if a reinstatement was asked for by
another person since the suspension; and if nothing else was in force in the stratum.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from typing import Any

import sqlalchemy as sa

ADMIN, APPROVER = "admin", "approver"
INTO_FORCE = {"activate": {ADMIN, APPROVER}, "roll-back": {ADMIN, APPROVER}, "reinstate": {APPROVER}}
MAKERS = """
SELECT c.id, c.author, a.uploaded_by AS first, b.uploaded_by AS second FROM calibration c
LEFT JOIN calibration_set a ON a.id = c.calibration_set LEFT JOIN calibration_set b ON b.id = c.evaluation_set
"""


def judge(engine: sa.Engine, roles: Mapping[str, Set[str]]) -> tuple[int, list[str]]:
    """The number of activations, and a sentence for each that is illegal; `roles` by login name."""
    with engine.connect() as connection:
        makers = {row.id: {row.author, row.first, row.second} for row in connection.execute(sa.text(MAKERS))}
        acts: dict[str, list[Any]] = defaultdict(list)
        for row in connection.execute(sa.text("SELECT * FROM calibration_act ORDER BY id")):
            acts[row.calibration_id].append(row)
        activations = connection.execute(sa.text("SELECT * FROM activation ORDER BY stratum_id, id")).all()
    wrong = [
        f"activations {one.id} and {two.id} overlap"
        for one, two in zip(activations, activations[1:], strict=False)
        if one.stratum_id == two.stratum_id and (one.until_at is None or one.until_at > two.from_at)
    ]
    begun: dict[str, int] = defaultdict(int)
    for one in activations:
        mine = acts[one.calibration_id]
        places = [place for place, act in enumerate(mine) if act.to_state == "active"]
        number = begun[one.calibration_id]
        begun[one.calibration_id] += 1
        if number >= len(places):
            wrong.append(f"activation {one.id} of {one.calibration_id} was begun by no act")
            continue
        problems = _problems(one, mine[: places[number] + 1], makers[one.calibration_id], roles)
        wrong += [f"activation {one.id} of {one.calibration_id} {problem}" for problem in problems]
    return len(activations), wrong


def _problems(activation: Any, acts: list[Any], makers: Set[str], roles: Mapping[str, Set[str]]) -> Iterator[str]:
    """What is wrong with an activation; `acts` ends with the one that began it."""
    *before, last = acts
    if not INTO_FORCE.get(last.act, set()) & roles.get(last.by, set()):
        yield f"was begun by {last.act} of {last.by}, who may not"
    if last.at != activation.from_at:
        yield f"began at another time than {last.act}"
    approvers = {act.by for act in before if act.act == "approve"}
    if not any(APPROVER in roles.get(name, set()) for name in approvers - makers):
        yield "was approved by nobody but who made it"
    if last.act == "reinstate":
        suspended = max(place for place, act in enumerate(before) if act.act == "suspend")
        asked = [act.by for act in before[suspended:] if act.act == "request-reinstatement"]
        if not asked or asked[-1] == last.by or last.by in makers:
            yield f"was reinstated by {last.by}, asked for by {asked}"
