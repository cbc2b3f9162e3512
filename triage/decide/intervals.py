"""Intervals for proportions of images that come in clusters (several images of one patient).

Korn & Graubard (1998): Clopper-Pearson on the effective sample size n / design effect. With no event (or no non-event)
the design effect cannot be estimated and the effective size falls back to the number of clusters.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats


@dataclass(frozen=True)
class Proportion:
    """k of n with its clustered interval. `low`/`high` are NaN-free: [0, 1] when n is 0."""

    k: int
    n: int
    clusters: int
    design_effect: float
    low: float
    high: float
    level: float

    @property
    def value(self) -> float:
        """k / n, or NaN when n is 0."""
        return self.k / self.n if self.n else float("nan")


def clopper_pearson(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval; k and n may be effective (fractional) counts."""
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, k, n - k + 1)) if k > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return low, high


def design_effect(events: npt.NDArray[np.bool_], clusters: npt.NDArray[np.generic]) -> float:
    """Linearised variance of the proportion over its binomial variance; at least 1.

    Args:
        events: shape (n,), True where the event happened.
        clusters: shape (n,), the patient of each image.
    """
    n = events.size
    _, index = np.unique(clusters, return_inverse=True)
    m = int(index.max()) + 1
    p = float(events.mean())
    if m < 2 or p in (0.0, 1.0):
        return max(1.0, n / m)
    residual = np.bincount(index, weights=events - p, minlength=m)
    variance = m / (m - 1) * float(np.sum(residual**2)) / n**2
    return max(1.0, variance / (p * (1 - p) / n))


def proportion(events: npt.NDArray[np.bool_], clusters: npt.NDArray[np.generic], level: float = 0.95) -> Proportion:
    """Korn-Graubard interval of the share of `events`, clustered by `clusters`; both of shape (n,)."""
    n = int(events.size)
    if n == 0:
        return Proportion(0, 0, 0, 1.0, 0.0, 1.0, level)
    k = int(events.sum())
    patients = int(np.unique(clusters).size)
    effect = design_effect(np.asarray(events, dtype=np.bool_), clusters)
    effective = n / effect
    # Degrees of freedom come from the clusters, not from the images (Korn & Graubard, section 3).
    if patients > 1 and n > 1 and 0 < k < n:
        tail = (1 - level) / 2
        effective *= float(stats.t.ppf(tail, n - 1) / stats.t.ppf(tail, patients - 1)) ** 2
    low, high = clopper_pearson(k / n * effective, effective, level)
    return Proportion(k, n, patients, effect, low, high, level)
