"""Serve: everything that the record of a change is written from. Input: the ledger. Output: `ChangeMaterial`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triage.core.governance import CalibrationAct, CalibrationState, CalibrationVersion
from triage.decide.exam_level import units
from triage.serve.api.governing import Governing
from triage.serve.pages.flag_change import FlagChange, flag_change
from triage.store.calibration_records import SetRecord
from triage.store.ledger import Ledger

DataSet = SetRecord


@dataclass(frozen=True)
class ChangeMaterial:
    """One version, and what is known around it."""

    version: CalibrationVersion
    history: tuple[CalibrationAct, ...]
    """Oldest first."""
    predecessor: CalibrationVersion | None = None
    """What was in force before it, or is in force while it is not."""
    calibration_set: DataSet | None = None
    evaluation_set: DataSet | None = None
    refusals: tuple[tuple[str, str], ...] | None = None
    """What speaks against approval; None if it cannot be determined."""
    flags: FlagChange | None = None
    """Against the predecessor, on the evaluation set."""


def gather(ledger: Ledger, governing: Governing, version: CalibrationVersion) -> ChangeMaterial:
    """Reads what belongs to a version; the rows of its sets too."""
    history = tuple(ledger.history(version.id))
    old = predecessor(ledger, version, history)
    return ChangeMaterial(
        version,
        history,
        old,
        calibration_set=ledger.calibration_set(version.calibration_set) if version.calibration_set else None,
        evaluation_set=ledger.calibration_set(version.evaluation_set) if version.evaluation_set else None,
        refusals=refusals_of(governing, version),
        flags=_flags(governing, version, old) if old else None,
    )


def refusals_of(governing: Governing, version: CalibrationVersion) -> tuple[tuple[str, str], ...] | None:
    """What speaks against approving a version; None without sets to look at."""
    return governing.refusals(version) if version.calibration_set else None


def predecessor(
    ledger: Ledger, version: CalibrationVersion, history: Sequence[CalibrationAct]
) -> CalibrationVersion | None:
    """The version of the stratum that came into force last before this one did, or last of all while it has not."""
    own = _activated(history)
    before: list[tuple[datetime, int, CalibrationVersion]] = []
    for other in ledger.calibrations(version.stratum.id):
        times = _activated(ledger.history(other.id)) if other.id != version.id else []
        before += [
            (at, other.number, other) for at in times if not own or (at, other.number) < (own[0], version.number)
        ]
    return max(before, key=lambda one: one[:2])[2] if before else None


def _activated(history: Sequence[CalibrationAct]) -> list[datetime]:
    return [act.at for act in history if act.to_state is CalibrationState.ACTIVE]


def _flags(governing: Governing, version: CalibrationVersion, old: CalibrationVersion) -> FlagChange | None:
    if version.evaluation_set is None or version.report is None:
        return None
    exams = units(governing.scores(version.evaluation_set), version.stratum.id, "exam_min", False).data
    return flag_change(exams, old.threshold, version.threshold)
