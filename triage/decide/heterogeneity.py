"""Decide: do strata whose abnormals are pooled miss the same share? Input: abnormal rows and flags. Output: a p-value.

A permutation test over patients: a chi-square test on images would take the images of one patient for independent and
cry wolf, and with as few misses as there should be, its distribution is wrong besides.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from triage.decide.operating_point import CalibrationSet, Mask

PERMUTATIONS = 999
SEED = 20_1346


def heterogeneity(data: CalibrationSet, flagged: Mask) -> dict[str, Any] | None:
    """Test, p, number of strata and counts of each, or None if all abnormal rows are of one stratum.

    Args:
        data: images or exams; only the abnormal count.
        flagged: shape (n,), True where the row is at or above the threshold.
    """
    rows = ~data.normal
    names, stratum = np.unique(data.strata[rows], return_inverse=True)
    if names.size < 2:
        return None
    missed = flagged[rows]
    k, n = np.bincount(stratum, missed, names.size), np.bincount(stratum, minlength=names.size)
    return {
        "test": f"permutation of patients among strata, {PERMUTATIONS} draws",
        "p": _p_value(missed, stratum, np.unique(data.patients[rows], return_inverse=True)[1]),
        "strata": int(names.size),
        "counts": [
            {"stratum_id": str(name), "k": int(misses), "n": int(size)}
            for name, misses, size in zip(names, k, n, strict=True)
        ],
    }


def _p_value(missed: Mask, stratum: npt.NDArray[np.intp], patient: npt.NDArray[np.intp]) -> float:
    """How often strata drawn by lot differ as much. The statistic: sum over strata of (sum of residuals)^2 / units."""
    # A patient seen on two devices is one unit on each.
    pairs, index = np.unique(np.stack((stratum, patient)), axis=1, return_inverse=True)
    labels = pairs[0]
    residual = np.bincount(index.ravel(), missed - missed.mean())
    size = np.bincount(labels)

    def statistic(of: npt.NDArray[np.intp]) -> float:
        return float((np.bincount(of, residual, size.size) ** 2 / size).sum())

    observed, generator = statistic(labels), np.random.default_rng(SEED)
    # The same partition adds up to the same sum but for the order of additions.
    reached = sum(statistic(generator.permutation(labels)) >= observed * (1 - 1e-9) for _ in range(PERMUTATIONS))
    return (1 + reached) / (1 + PERMUTATIONS)
