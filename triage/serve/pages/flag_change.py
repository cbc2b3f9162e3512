"""Serve: what a new threshold changes for the same exams. Input: exam scores and two thresholds. Output: counts, rates.

Both kinds of threshold flag an exam by the least score of its views, so one score an exam decides under either.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triage.decide.intervals import Proportion, proportion
from triage.decide.operating_point import CalibrationSet


@dataclass(frozen=True)
class FlagChange:
    """Flags of the same exams under an old and a new threshold."""

    old: Proportion
    new: Proportion
    gained: int
    """Flagged only by the new threshold."""
    lost: int
    """Flagged only by the old one."""
    missed_old: Proportion
    """Abnormal exams that the old threshold flags."""
    missed_new: Proportion


def flag_change(exams: CalibrationSet, old: float | None, new: float | None) -> FlagChange:
    """Compares what two thresholds flag of the same exams, one row each. A threshold of None flags nothing."""
    before, after = _flags(exams.scores, old), _flags(exams.scores, new)
    abnormal, patients = ~exams.normal, exams.patients
    return FlagChange(
        proportion(before, patients),
        proportion(after, patients),
        int((after & ~before).sum()),
        int((before & ~after).sum()),
        proportion(before[abnormal], patients[abnormal]),
        proportion(after[abnormal], patients[abnormal]),
    )


def _flags(scores: npt.NDArray[np.float64], threshold: float | None) -> npt.NDArray[np.bool_]:
    return np.zeros(scores.shape, np.bool_) if threshold is None else scores >= threshold
