"""Serve: what an act on a calibration needs to know before it is done. Input: the ledger. Output: reports, refusals.

The rules of who may act when are the ledger's; here the rows of the sets are read and handed to `decide`.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException

from triage.core.errors import ConfigurationError
from triage.core.governance import (
    Act,
    Actor,
    CalibrationState,
    CalibrationVersion,
    Conflict,
    Purpose,
    Refused,
    Signature,
)
from triage.core.governance_rules import permit
from triage.core.strata import Stratum
from triage.decide import approval, evaluation, sample_size
from triage.decide.calibration_rows import Rows
from triage.decide.operating_point import CalibrationSet, Protocol
from triage.serve.bundle import ServedBundle
from triage.store.calibration_records import SetRecord
from triage.store.ledger import Ledger

Compute = Callable[[CalibrationSet, CalibrationSet | None, str, str, Protocol, bool], dict[str, Any]]

_SETS_KEPT = 16
"""Sets of which something is kept at hand; sets never change."""


class Governing:
    """Evaluation and approval over the stored sets."""

    def __init__(self, ledger: Ledger, bundle: ServedBundle) -> None:
        self._ledger = ledger
        self._bundle = bundle
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def version(self, calibration_id: str) -> CalibrationVersion:
        """The calibration, or 404 that names it."""
        found = self._ledger.calibration(calibration_id)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no calibration {calibration_id}.")
        return found

    def require_known(self, calibration_id: str) -> None:
        """404 unless there is such a calibration, be it one that was tampered with: that one must be suspended."""
        if not self._ledger.history(calibration_id):
            raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no calibration {calibration_id}.")

    def set_record(self, set_id: str) -> SetRecord:
        """The set, or 404 that names it."""
        found = self._ledger.calibration_set(set_id)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no calibration set {set_id}.")
        return found

    def rows(self, set_id: str) -> Rows:
        """The rows of a set that exists."""
        return Rows.from_bytes(self._ledger.set_rows(set_id))

    def strata(self, set_id: str) -> dict[str, Stratum]:
        """Every stratum in a set that exists, by its id."""
        return self._at_hand(set_id).strata

    def scores(self, set_id: str) -> CalibrationSet:
        """The rows of a set that exists, as arrays."""
        record = self.set_record(set_id)
        return self.rows(set_id).calibration_set(record.bundle_sha256, record.preprocessing)

    def evaluate(self, calibration_id: str, actor: Actor, signature: Signature) -> CalibrationVersion:
        """Computes threshold and figures of a draft and stores them.

        Errors:
            Forbidden, Conflict: this person may not, or it is no draft. HTTPException: 422, the sets do not suffice.
        """
        permit(Act.EVALUATE, actor, signature)
        version = self.version(calibration_id)
        if version.state is not CalibrationState.DRAFT:  # said before minutes of work
            raise Conflict(f"Calibration {version.id} is {version.state}; only a draft can be evaluated.")
        report = self.report(version)
        return self._ledger.act(calibration_id, Act.EVALUATE, actor, signature, report=report)

    def report(self, version: CalibrationVersion) -> dict[str, Any]:
        """What the evaluation of this version finds. HTTPException: 422, the sets do not suffice."""
        return self._computed(evaluation.evaluate, version)

    def sample_size(self, version: CalibrationVersion) -> dict[str, Any]:
        """What the protocol needs and what the sets lack; of a draft too. Empty for a demonstration calibration."""
        stored = (version.report or {}).get("sample_size")
        if stored or version.calibration_set is None:
            return dict(stored or {})
        return self._computed(sample_size.sample_size, version)

    def _computed(self, compute: Compute, version: CalibrationVersion) -> dict[str, Any]:
        assert version.calibration_set is not None
        measured_on = self.scores(version.evaluation_set) if version.evaluation_set else None
        try:
            return compute(
                self.scores(version.calibration_set),
                measured_on,
                version.stratum.id,
                version.kind,
                Protocol.from_json(version.protocol),
                version.pool_abnormals,
            )
        except ConfigurationError as error:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error

    def approve(self, calibration_id: str, actor: Actor, signature: Signature) -> CalibrationVersion:
        """Approves an evaluated calibration.

        Errors:
            Refused: something speaks against it. Forbidden, Conflict: this person may not, or not now.
        """
        permit(Act.APPROVE, actor, signature)
        version = self.version(calibration_id)
        if version.state is not CalibrationState.EVALUATED:
            raise Conflict(f"Calibration {version.id} is {version.state}; only an evaluated one can be approved.")
        found = self.refusals(version)
        if found:
            raise Refused(found)
        return self._ledger.act(calibration_id, Act.APPROVE, actor, signature)

    def refusals(self, version: CalibrationVersion) -> tuple[tuple[str, str], ...]:
        """Code and sentence of everything that speaks against approving this version."""
        return approval.refusals(version, self._evidence(version))

    def _evidence(self, version: CalibrationVersion) -> approval.Evidence:
        sets = [set_id for set_id in (version.calibration_set, version.evaluation_set) if set_id]
        training = [
            one.id
            for one in self._ledger.sets()
            if one.purpose is Purpose.TRAINING and one.bundle_sha256 == version.stratum.bundle_sha256
        ]
        bundle = self._bundle.known(version.stratum.bundle_sha256)
        return approval.Evidence(
            calibration_patients=self._set_patients(version.calibration_set),
            evaluation_patients=self._set_patients(version.evaluation_set),
            training_patients=frozenset[str]().union(*map(self._set_patients, training)),
            declarations=tuple(self.set_record(set_id).declarations for set_id in sets),
            bounds=bundle.bounds if bundle else None,
        )

    def _set_patients(self, set_id: str | None) -> frozenset[str]:
        return self._at_hand(set_id).patients if set_id else frozenset()

    def _at_hand(self, set_id: str) -> "_Kept":
        """What many acts ask of a set that exists; its rows are decoded once."""
        with self._lock:
            kept = self._kept.get(set_id)
        if kept is not None:
            return kept
        record, rows = self.set_record(set_id), self.rows(set_id)
        scored = record.purpose is not Purpose.TRAINING
        strata = rows.strata(record.bundle_sha256, record.preprocessing) if scored else {}
        found = _Kept(frozenset(rows.patient), strata)
        with self._lock:
            self._kept[set_id] = found
            while len(self._kept) > _SETS_KEPT:
                self._kept.popitem(last=False)
        return found


@dataclass(frozen=True)
class _Kept:
    """What is kept at hand of a set."""

    patients: frozenset[str]
    strata: dict[str, Stratum]
