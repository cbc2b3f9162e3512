"""Decide: from the scores of abnormal images to the lowest threshold at which few misses are *proven*, t_safe.

Fixed-sequence testing (Bauer 1991; "Learn then Test", Angelopoulos et al. 2021): the candidates are walked down from
the highest score, at each the hypothesis "more than alpha of the abnormal are flagged" is tested, and the walk ends at
the first that cannot be rejected. No correction for many tests is due, because the order is fixed beforehand. The test
is the one-sided Korn-Graubard bound over patients: images of one patient are missed together, and the binomial bound
on images breaks its promise at 5 to 8% of simulated sites instead of 5%.

The bound carries the same correction of the degrees of freedom as `triage.decide.intervals.proportion`. On simulated
sites with 300 to 600 abnormal patients it changes the mean sensitivity by less than 0.02 points and the violations not
at all (4.5 to 5.1% of 12,000 sites at 16 to 21% sensitivity, alpha 2.5%, delta 5%), so it stays for one reason: a
report's interval and the gate must not contradict each other.
"""

import numpy as np
import numpy.typing as npt
from scipy import special

from triage.decide.intervals import freedom

Scores = npt.NDArray[np.float64]


def t_safe(
    abnormal: Scores, patients: npt.NDArray[np.generic], candidates: Scores, alpha: float, delta: float
) -> float | None:
    """The lowest candidate down to which P(true share flagged > alpha) <= delta is proven, or None: flag nothing.

    Args:
        abnormal: shape (n,), rounded scores of abnormal images (or exams); flagged is `>= threshold`.
        patients: shape (n,), the patient of each.
        candidates: any shape, the observed scores that a threshold may take.
        alpha: largest share that may be missed, below one half.
        delta: how often the promise may fail, below one half.
    """
    if not abnormal.size or not candidates.size:
        return None
    index = np.unique(patients, return_inverse=True)[1]
    # Nothing missed proves the least that these patients can prove, and is where every walk starts.
    if 1 - delta ** (1 / (int(index.max()) + 1)) > alpha:
        return None
    safe = candidates[candidates > _first_failure(abnormal, index, alpha, delta)]
    return float(safe.min()) if safe.size else None


def _first_failure(abnormal: Scores, index: npt.NDArray[np.intp], alpha: float, delta: float) -> float:
    """The highest abnormal score at which the bound exceeds alpha; between two abnormal scores it does not change."""
    n, sizes = abnormal.size, np.bincount(index)
    # The bound exceeds alpha wherever the share itself does: the walk ends at the last of these rows if not before.
    order = np.argsort(-abnormal, kind="stable")[: int(alpha * n) + 1]
    scores, patient = abnormal[order], index[order]
    share = np.arange(1, order.size + 1) / n
    effective = n / _design_effects(share, patient, sizes) * freedom(n, sizes.size, delta)
    flagged = share * effective
    # The bound is at most alpha just where the beta distribution it is a quantile of has 1 - delta of its mass below.
    proven = special.betainc(flagged + 1, effective - flagged, alpha) >= 1 - delta
    proven[-1] = False
    # Tied scores are flagged together: only the last of them is a threshold's count.
    last = np.append(scores[1:] != scores[:-1], True)
    return float(scores[np.flatnonzero(last & ~proven)[0]])


def _design_effects(
    share: npt.NDArray[np.float64], patient: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """`triage.decide.intervals.design_effect` with the first 1, 2, 3, ... rows flagged, all at once.

    Args:
        share: shape (k,), 1/n, 2/n, ... of all n rows.
        patient: shape (k,), number of the patient of each flagged row, highest score first.
        sizes: shape (m,), rows of each patient.
    """
    n, m = int(sizes.sum()), sizes.size
    # With c of a patient's s rows flagged, sum (c - p s)^2 = sum c^2 - 2 p sum c s + p^2 sum s^2. One more flagged row
    # of that patient adds 2 c + 1 to the first sum and s to the second.
    squares, products = np.cumsum(2 * _earlier(patient) + 1), np.cumsum(sizes[patient])
    total = squares - 2 * share * products + share**2 * float(np.sum(sizes**2))
    effects = m / (m - 1) * total / n**2 / (share * (1 - share) / (n - 1))
    return np.asarray(np.maximum(1.0, effects))


def _earlier(patient: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """For each entry, how many entries before it are of the same patient."""
    order = np.argsort(patient, kind="stable")
    grouped = patient[order]
    starts = np.flatnonzero(np.append(True, grouped[1:] != grouped[:-1]))
    within = np.arange(patient.size) - np.repeat(starts, np.diff(np.append(starts, patient.size)))
    earlier = np.empty_like(within)
    earlier[order] = within
    return earlier
