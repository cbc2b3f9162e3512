"""The rules of governance: which act leads from which states to which, who may do it, and what else it demands.

Input: a version, its history, who acts and how it is signed. Output: the new state, or an error that names what is
wrong and who may. Nothing here reads a clock or a database, so every rule can be tested by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from triage.core.governance import (
    SYSTEM,
    UNSET,
    Act,
    Actor,
    CalibrationAct,
    CalibrationState,
    CalibrationVersion,
    Conflict,
    Forbidden,
    Role,
    Signature,
    Unset,
)

State = CalibrationState


@dataclass(frozen=True)
class Circumstances:
    """What the rules look at besides the version itself, all of it read in one transaction."""

    now: datetime
    history: tuple[CalibrationAct, ...]
    """Of the version, oldest first."""
    uploaders: frozenset[str]
    """Who uploaded its calibration set and its evaluation set."""
    in_force: str | None
    """Id of the stratum's version in force, expired or not."""
    expected_active: str | None | Unset = UNSET
    """What the actor believes to be in force."""


@dataclass(frozen=True)
class Case:
    """Somebody wants to do something to a version."""

    act: Act
    version: CalibrationVersion
    actor: Actor
    around: Circumstances


Demand = Callable[[Case], None]


@dataclass(frozen=True)
class Rule:
    """When an act is allowed, and where it leads."""

    roles: frozenset[Role]
    from_states: frozenset[State]
    to_state: State
    demands: tuple[Demand, ...] = ()
    system: bool = False
    """The service itself may do it too."""


def _another_person(case: Case) -> None:
    """Two persons: neither who wrote the protocol nor who chose the data may vouch for the result."""
    name = case.actor.name
    if name == case.version.author:
        raise Forbidden(f"{name} is the author of {_named(case)}: another approver has to {case.act}")
    if name in case.around.uploaders:
        raise Forbidden(f"{name} uploaded a set of {_named(case)}: another approver has to {case.act}")


def _approved_by_another(case: Case) -> None:
    """Looked up in the history again, so that a hole in the rule for approvals alone puts nothing in force."""
    involved = case.around.uploaders | {case.version.author}
    if not any(one.act is Act.APPROVE and one.by not in involved for one in case.around.history):
        raise Forbidden(
            f"{_named(case)} was approved by nobody but its author or the uploaders of its sets: it can be retired only"
        )


def _expected_active(case: Case) -> None:
    if case.around.expected_active is UNSET:
        raise Conflict(f"{case.act} of {_named(case)} must say which version it takes the place of (expected_active)")


def _not_expired(case: Case) -> None:
    if case.version.expires_at <= case.around.now:
        raise Conflict(f"{_named(case)} expired on {case.version.expires_at:%Y-%m-%d}: make and evaluate a new one")


def _requested_by_another(case: Case) -> None:
    """Re-activation takes two persons; a request counts only for the suspension that it follows."""
    requester = None
    for one in case.around.history:
        if one.act is Act.SUSPEND:
            requester = None
        elif one.act is Act.REQUEST_REINSTATEMENT:
            requester = one.by
    if requester is None:
        raise Conflict(f"nobody requested the reinstatement of {_named(case)} since it was suspended")
    if requester == case.actor.name:
        raise Forbidden(f"{requester} requested the reinstatement of {_named(case)}: another approver has to decide")


def _none_in_force(case: Case) -> None:
    if case.around.in_force is not None:
        raise Conflict(f"calibration {case.around.in_force} is in force for the stratum of {_named(case)} meanwhile")


def _decides_something(case: Case) -> None:
    if not decides(case.version.state, case.around.history):
        raise Conflict(f"{_named(case)} is retired and was not replaced: it decides no exam any more")


_ADMIN = frozenset({Role.ADMIN})
_APPROVER = frozenset({Role.APPROVER})
_EITHER = _ADMIN | _APPROVER

RULES: Mapping[Act, Rule] = {
    Act.DRAFT: Rule(_ADMIN, frozenset(), State.DRAFT),
    Act.EVALUATE: Rule(_ADMIN, frozenset({State.DRAFT}), State.EVALUATED),
    Act.APPROVE: Rule(_APPROVER, frozenset({State.EVALUATED}), State.APPROVED, (_another_person,)),
    Act.SHADOW: Rule(_EITHER, frozenset({State.APPROVED}), State.SHADOW),
    Act.ACTIVATE: Rule(
        _EITHER, frozenset({State.SHADOW}), State.ACTIVE, (_approved_by_another, _expected_active, _not_expired)
    ),
    # One that was replaced, too: it decides what came in its time, and a roll-back may put it in force again.
    Act.SUSPEND: Rule(
        _EITHER, frozenset({State.ACTIVE, State.RETIRED}), State.SUSPENDED, (_decides_something,), system=True
    ),
    Act.REQUEST_REINSTATEMENT: Rule(_EITHER, frozenset({State.SUSPENDED}), State.SUSPENDED),
    Act.REINSTATE: Rule(
        _APPROVER,
        frozenset({State.SUSPENDED}),
        State.ACTIVE,
        (_another_person, _requested_by_another, _none_in_force, _not_expired),
    ),
    Act.ROLL_BACK: Rule(_EITHER, frozenset({State.ACTIVE}), State.ROLLED_BACK),
    Act.RETIRE: Rule(_ADMIN, frozenset(State) - {State.RETIRED, State.ROLLED_BACK}, State.RETIRED),
}


def replaced(history: Sequence[CalibrationAct]) -> bool:
    """Whether the last thing that happened to a version, oldest act first, is that a newer one took its place."""
    return bool(history) and history[-1].act is Act.ACTIVATE and history[-1].to_state is State.RETIRED


def decides(state: State, history: Sequence[CalibrationAct]) -> bool:
    """Whether a version decides any exam: it is active, or was replaced and decides what was received in its time."""
    return state is State.ACTIVE or (state is State.RETIRED and replaced(history))


def check(
    act: Act, version: CalibrationVersion, actor: Actor, signature: Signature, around: Circumstances
) -> CalibrationState:
    """The state to which the act leads.

    Errors:
        Forbidden: This person may not do this to this version, or the signature is not theirs.
        Conflict: The version, or the one in force, is not what the act needs.
    """
    rule, case = RULES[act], Case(act, version, actor, around)
    permit(act, actor, signature)
    if version.state not in rule.from_states:
        needed = " or ".join(sorted(rule.from_states)) or "one that does not exist yet"
        raise Conflict(f"{_named(case)} is {version.state}; {act} needs {needed}")
    expected = around.expected_active
    if expected is not UNSET and expected != around.in_force:
        raise Conflict(
            f"in force for the stratum of {_named(case)} is {around.in_force or 'no version'}, not"
            f" {expected or 'no version'}: look at it, and decide again"
        )
    for demand in rule.demands:
        demand(case)
    return rule.to_state


def permit(act: Act, actor: Actor, signature: Signature) -> None:
    """The part of `check` that needs no version: role and signature.

    Errors:
        Forbidden: Neither a role of the actor nor being the service allows the act, or the signature is not theirs.
    """
    rule = RULES[act]
    if actor == SYSTEM:
        if not rule.system:
            raise Forbidden(f"the service itself may not {act}: a person with the role {_roles(rule)} has to")
        return
    if not actor.roles & rule.roles:
        mine = ", ".join(sorted(actor.roles)) or "none"
        raise Forbidden(f"{actor.name} may not {act}: it takes the role {_roles(rule)}, and {actor.name} has {mine}")
    if signature.printed_name != actor.printed_name:
        raise Forbidden(
            f"{act} is signed {signature.printed_name!r}, but {actor.name} is {actor.printed_name!r}: sign yourself"
        )
    if not signature.meaning.strip():
        raise Forbidden(f"{act} by {actor.name} is signed without a meaning: say why, or what it stands for")


def _roles(rule: Rule) -> str:
    return " or ".join(sorted(rule.roles))


def _named(case: Case) -> str:
    return f"calibration {case.version.id} (version {case.version.number})"
