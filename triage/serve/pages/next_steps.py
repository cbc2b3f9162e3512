"""Serve: what can be done with a calibration next, as exact commands. Input: a version, its history. Output: steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from triage.core.governance import Act, CalibrationAct, CalibrationState, CalibrationVersion
from triage.core.governance_rules import replaced

_SIGNED = '--printed-name "YOUR NAME" --meaning "WHAT YOUR SIGNATURE MEANS"'
_ANOTHER = "approver, neither author nor uploader of the data"


@dataclass(frozen=True)
class Step:
    """One act that the rules of governance allow now, to a person with the role."""

    act: Act
    text: str
    role: str
    command: str


_ACTS: dict[CalibrationState, tuple[tuple[Act, str, str], ...]] = {
    CalibrationState.DRAFT: ((Act.EVALUATE, "Find the threshold and its rates.", "admin"),),
    CalibrationState.EVALUATED: ((Act.APPROVE, "Approve it, as somebody who had no part in it.", _ANOTHER),),
    CalibrationState.APPROVED: (
        (Act.SHADOW, "Let it decide beside the version in force, unseen by readers.", "admin or approver"),
    ),
    CalibrationState.SHADOW: ((Act.ACTIVATE, "Put it in force.", "admin or approver"),),
    CalibrationState.ACTIVE: (
        (Act.SUSPEND, "Take it out of force at once; exams are not evaluated from then on.", "admin or approver"),
        (
            Act.ROLL_BACK,
            "Take it back; the version that it replaced is in force again, if there is one without an open incident.",
            "admin or approver",
        ),
    ),
    CalibrationState.SUSPENDED: (
        (Act.REQUEST_REINSTATEMENT, "Ask for it to be put back in force.", "admin or approver"),
    ),
}
_SUSPEND_REPLACED = (
    Act.SUSPEND,
    "Take it out of use for exams of its time that are still to be decided, and keep roll-back from it.",
    "admin or approver",
)
_REINSTATE = (Act.REINSTATE, "Put it back in force, as another person than the one who asked.", _ANOTHER)


def next_steps(
    version: CalibrationVersion, history: Sequence[CalibrationAct], in_force: CalibrationVersion | None
) -> tuple[Step, ...]:
    """The acts that are possible now; empty once a version is out of use for good."""
    acts = _ACTS.get(version.state, ())
    if version.state is CalibrationState.RETIRED and replaced(history):
        acts = (_SUSPEND_REPLACED,)
    if version.state is CalibrationState.SUSPENDED and _reinstatement_is_requested(history):
        acts = (_REINSTATE,)
    return tuple(Step(act, text, role, _command(version, act, in_force)) for act, text, role in acts)


def _reinstatement_is_requested(history: Sequence[CalibrationAct]) -> bool:
    acts = [act.act for act in history if act.act in {Act.SUSPEND, Act.REQUEST_REINSTATEMENT}]
    return bool(acts) and acts[-1] is Act.REQUEST_REINSTATEMENT


def _command(version: CalibrationVersion, act: Act, in_force: CalibrationVersion | None) -> str:
    instead_of = f" --expected-active {in_force.id if in_force else 'none'}" if act is Act.ACTIVATE else ""
    return f"triage calibration {act.value} {version.id}{instead_of} {_SIGNED}"
