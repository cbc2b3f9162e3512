"""Decide: the report of a calibration. Input: a set that sets the threshold, one that measures it. Output: plain JSON.

Positive is normal (BI-RADS 1): sensitivity is the share of normals flagged, missed the share of abnormals flagged. The
threshold is found on the calibration set and only counted on the evaluation set. Every share comes with its counts and
its Korn-Graubard interval over patients; no number is NaN.
"""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from triage.core.errors import ConfigurationError
from triage.decide.auc import auc_interval
from triage.decide.exam_level import KINDS, Units, units
from triage.decide.heterogeneity import heterogeneity
from triage.decide.intervals import proportion
from triage.decide.operating_point import CATEGORY_ORDER, CalibrationSet, Mask, Protocol, Threshold, find_threshold
from triage.decide.sample_size import lacking


def evaluate(  # noqa: PLR0913, everything that a calibration was drafted with
    calibration: CalibrationSet,
    evaluation: CalibrationSet | None,
    stratum_id: str,
    kind: str,
    protocol: Protocol,
    pool_abnormals: bool,
) -> dict[str, Any]:
    """Thresholds of both kinds for a stratum, and what they do on both sets.

    Args:
        calibration: image rows; of other strata only the abnormal ones count, and only with `pool_abnormals`.
        evaluation: image rows of other patients, or None.
        stratum_id: `Stratum.id` that the threshold is for.
        kind: `image` or `exam_min`, by which exams will be decided.
        protocol: fixed before.
        pool_abnormals: whether abnormal rows of other strata stand in for the stratum's own.

    Raises:
        ConfigurationError: an unknown kind, or a set without a row of the stratum.
    """
    if kind not in KINDS:
        raise ConfigurationError(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}")
    for name, given in (("calibration", calibration), ("evaluation", evaluation)):
        if given is not None and not (given.strata == stratum_id).any():
            raise ConfigurationError(
                f"{name} set: no row is of stratum {stratum_id}; add its images or draft for another"
            )
    found = {one: units(calibration, stratum_id, one, pool_abnormals) for one in KINDS}
    measured = {
        one: units(evaluation, stratum_id, one, pool_abnormals) if evaluation is not None else None for one in KINDS
    }
    thresholds = {one: find_threshold(found[one].data, found[one].local, protocol) for one in KINDS}
    chosen = thresholds[kind]
    pooled = _both(found[kind], measured[kind])
    exams = (found["exam_min"], measured["exam_min"])
    return {
        "protocol": protocol.to_json(),
        "kind": kind,
        "threshold": chosen.threshold,
        "image_threshold": thresholds["image"].threshold,
        "limited_by_safety": chosen.limited_by_safety,
        "pool_abnormals": pool_abnormals,
        "heterogeneity": heterogeneity(pooled, flags(pooled, chosen.threshold)) if pool_abnormals else None,
        "sample_size": lacking(found[kind], measured[kind], chosen.t20, protocol),
        "kinds": {one: _kind(one, thresholds[one], (found[one], measured[one]), exams, protocol) for one in KINDS},
    }


def flags(data: CalibrationSet, threshold: float | None) -> Mask:
    """Which rows are at or above the threshold, shape (n,); None flags nothing."""
    return np.zeros(data.scores.shape, np.bool_) if threshold is None else data.scores >= threshold


Sets = tuple[Units, Units | None]


def _both(found: Units, measured: Units | None) -> CalibrationSet:
    """The rows of both sets. Patients are numbered in each set anew, and nobody is in both or approval refuses."""
    if measured is None:
        return found.data
    own, other = found.data, measured.data
    apart = replace(other, patients=other.patients.astype(np.int64) + np.unique(own.patients).size)
    return CalibrationSet(
        *(np.concatenate((getattr(own, one.name), getattr(apart, one.name))) for one in fields(CalibrationSet))
    )


def _kind(kind: str, threshold: Threshold, sets: Sets, exams: Sets, protocol: Protocol) -> dict[str, Any]:
    found, measured = (
        None
        if part is None or by_exam is None
        else rates(kind, part, threshold.threshold, protocol)
        | {"exam_flag_rate": _exam_flag_rate(by_exam, threshold.threshold, protocol)}
        for part, by_exam in zip(sets, exams, strict=True)
    )
    return {
        "t20": threshold.t20,
        "t_safe_abnormal": threshold.t_safe_abnormal,
        "t_safe_severe": threshold.t_safe_severe,
        "t_safe": threshold.t_safe,
        "threshold": threshold.threshold,
        "limited_by_safety": threshold.limited_by_safety,
        "limited_by": threshold.limited_by,
        "exams_left_out": sets[0].exams_left_out,
        "calibration": found,
        "evaluation": measured,
    }


def _exam_flag_rate(exams: Units, threshold: float | None, protocol: Protocol) -> dict[str, Any]:
    """Share of the stratum's whole exams whose images all reach the threshold: what a worklist shows of it."""
    own = exams.data.where(exams.local)
    return proportion(flags(own, threshold), own.patients, protocol.level).to_json()


def rates(kind: str, counted: Units, threshold: float | None, protocol: Protocol) -> dict[str, Any]:
    """What a threshold does to a set.

    Pooled abnormals count wherever abnormals alone are counted, and in the AUC; `missed_local` counts none of them. The
    share of all that is flagged and the false omissions are the stratum's own too, because another stratum's mix of
    cases says nothing about them.
    """
    data, local = counted.data, counted.local
    flagged, normal = flags(data, threshold), data.normal

    def share(of: Mask, rows: Mask) -> dict[str, Any]:
        return proportion(of[rows], data.patients[rows], protocol.level).to_json()

    area = auc_interval(data.scores, normal, data.patients, protocol.level, protocol.bootstraps)
    return {
        "counts": {
            "normal": int(normal.sum()),
            "abnormal": int((~normal).sum()),
            "severe": int(data.severe.sum()),
            "patients": int(np.unique(data.patients).size),
            "exams": int(np.unique(data.exams).size),
        },
        "sensitivity": share(flagged, normal),
        "missed": share(flagged, ~normal),
        "missed_local": share(flagged, ~normal & local),
        "specificity": share(~flagged, ~normal),
        "missed_severe": share(flagged, data.severe),
        "missed_by_birads": {str(one): share(flagged, data.birads == one) for one in CATEGORY_ORDER},
        "flag_rate": share(flagged, local),
        "auc": area.to_json() if area is not None else None,
        "false_omission": _false_omission(data.where(local), flagged[local], protocol) if kind == "exam_min" else None,
    }


def _false_omission(data: CalibrationSet, flagged: Mask, protocol: Protocol) -> dict[str, Any]:
    """Bernstein et al. (2026): cancers among flagged exams; gross all, net those that readers found nevertheless."""
    known = flagged & (data.follow_up != "")
    followed = data.where(known)
    found = followed.follow_up == "screen-detected"
    cancer = found | (followed.follow_up == "interval")
    return {
        "gross": proportion(cancer, followed.patients, protocol.level).to_json(),
        "net": proportion(found, followed.patients, protocol.level).to_json(),
        "unknown_follow_up": int((flagged & ~known).sum()),
    }
