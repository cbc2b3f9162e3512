"""Serve: the figures of drift of one stratum. Input: ledger, its calibration's set. Output: `Drift`.

The charts count and suspend by themselves where results are put in force; here they are only shown, beside weekly
histograms whose distances (PSI, Kolmogorov-Smirnov) are for looking at.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from triage.core.governance import CalibrationState, CalibrationVersion
from triage.decide import drift
from triage.decide.exam_level import exam_level
from triage.serve.api.governing import Governing
from triage.serve.api.monitoring_models import ChartModel, Drift, Spread, WeekModel
from triage.store.ledger import Ledger
from triage.store.monitoring_records import ChartRecord, WeekOfScores

Floats = npt.NDArray[np.float64]

WEEKS = 26
NEWEST_EXAMS = 500
BINS = 10
_WATCHED = (CalibrationState.ACTIVE, CalibrationState.SUSPENDED)


def drift_of(ledger: Ledger, governing: Governing, stratum_id: str) -> Drift:
    """Charts and weeks of a stratum; empty where nothing was decided yet."""
    version = watched(ledger, stratum_id)
    reference, name = _reference(governing, version)
    edges = _edges(reference)
    weeks = ledger.histograms(stratum_id, WEEKS, edges)
    newest = [one.exam_score for one in ledger.observations(stratum_id, NEWEST_EXAMS) if one.exam_score is not None]
    return Drift(
        stratum_id=stratum_id,
        calibration_id=version.id if version else None,
        charts=[_chart(one) for one in ledger.charts(version.id)] if version else [],
        reference=name,
        edges=edges,
        weeks=[_week(one, reference, edges) for one in weeks],
        ks=_spread(reference, np.asarray(newest, np.float64)),
    )


def watched(ledger: Ledger, stratum_id: str) -> CalibrationVersion | None:
    """The version in force, or else the newest one that was suspended."""
    versions = ledger.calibrations(stratum_id)
    return next((one for state in _WATCHED for one in versions if one.state is state), None)


def _reference(governing: Governing, version: CalibrationVersion | None) -> tuple[Floats, str]:
    """Exam scores of the stratum in the set that the figures of the version were measured on."""
    if version is None:
        return np.empty(0, np.float64), "nothing"
    for name, set_id in (("evaluation set", version.evaluation_set), ("calibration set", version.calibration_set)):
        if set_id is not None:
            data = governing.scores(set_id)
            exams, _ = exam_level(data.where(data.strata == version.stratum.id))
            if exams.scores.size:
                return exams.scores, name
    return np.empty(0, np.float64), "nothing"


def _edges(reference: Floats) -> list[float]:
    """Tenths of the reference, so that each bin expects as many exams; ties make fewer bins."""
    if not reference.size:
        return []
    return [float(edge) for edge in np.unique(np.quantile(reference, np.arange(1, BINS) / BINS))]


def _week(week: WeekOfScores, reference: Floats, edges: list[float]) -> WeekModel:
    psi = None
    if reference.size and sum(week.counts):
        places = np.searchsorted(edges, reference, side="right")
        psi = drift.psi(np.bincount(places, minlength=len(edges) + 1).tolist(), week.counts)
    return WeekModel(monday=week.monday, counts=list(week.counts), without_score=week.without_score, psi=psi)


def _spread(reference: Floats, newest: Floats) -> Spread | None:
    if not (reference.size and newest.size):
        return None
    statistic, p = drift.ks(reference, newest)
    return Spread(statistic=statistic, p=p, exams=int(newest.size))


def _chart(record: ChartRecord) -> ChartModel:
    state: dict[str, Any] = dict(vars(record.state))
    return ChartModel(**state, interval=drift.Chart(record.state.baseline).interval, alarm_at=record.alarm_at)
