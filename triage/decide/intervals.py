"""Intervals for proportions of images that come in clusters (several images of one patient).

Korn & Graubard (1998): Clopper-Pearson on the effective sample size n / design effect. With no event (or no non-event)
the design effect cannot be estimated and the effective size falls back to the number of clusters.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special


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

    def to_json(self) -> dict[str, Any]:
        """As reports keep it; `value` is None when n is 0, because JSON has no NaN."""
        return {
            "value": self.value if self.n else None,
            "k": self.k,
            "n": self.n,
            "clusters": self.clusters,
            "design_effect": self.design_effect,
            "low": self.low,
            "high": self.high,
            "level": self.level,
        }


def clopper_pearson(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval; k and n may be effective (fractional) counts."""
    tail = (1 - level) / 2
    low = float(special.betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(special.betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high


def design_effect(events: npt.NDArray[np.bool_], clusters: npt.NDArray[np.generic]) -> float:
    """Linearised variance of the proportion over its binomial variance; at least 1.

    Args:
        events: shape (n,), True where the event happened.
        clusters: shape (n,), the patient of each image.
    """
    return _design_effect(events, np.unique(clusters, return_inverse=True)[1])


def _design_effect(events: npt.NDArray[np.bool_], index: npt.NDArray[np.intp]) -> float:
    """`design_effect` for clusters that are numbered 0, 1, ... without a gap."""
    n = events.size
    m = int(index.max()) + 1
    p = float(events.mean())
    if m < 2 or p in (0.0, 1.0):
        return max(1.0, n / m)
    residual = np.bincount(index, weights=events - p, minlength=m)
    variance = m / (m - 1) * float(np.sum(residual**2)) / n**2
    # n - 1 as in the clusters' variance: rows without clusters have an effect of exactly 1.
    return max(1.0, variance / (p * (1 - p) / (n - 1)))


def freedom(n: int, clusters: int, tail: float) -> float:
    """What the effective size is multiplied by because the degrees of freedom come from the clusters, not the images.

    Korn & Graubard, section 3: the squared ratio of the t quantiles with n - 1 and with clusters - 1.
    """
    if clusters < 2 or n < 2 or clusters == n:
        return 1.0
    return float(special.stdtrit(n - 1, tail) / special.stdtrit(clusters - 1, tail)) ** 2


def proportion(events: npt.NDArray[np.bool_], clusters: npt.NDArray[np.generic], level: float = 0.95) -> Proportion:
    """Korn-Graubard interval of the share of `events`, clustered by `clusters`; both of shape (n,)."""
    n = int(events.size)
    if n == 0:
        return Proportion(0, 0, 0, 1.0, 0.0, 1.0, level)
    k = int(events.sum())
    index = np.unique(clusters, return_inverse=True)[1]
    patients = int(index.max()) + 1
    effect = _design_effect(np.asarray(events, dtype=np.bool_), index)
    effective = n / effect
    if 0 < k < n:
        effective *= freedom(n, patients, (1 - level) / 2)
    low, high = clopper_pearson(k / n * effective, effective, level)
    return Proportion(k, n, patients, effect, low, high, level)


def upper_bound(events: npt.NDArray[np.bool_], clusters: npt.NDArray[np.generic], delta: float = 0.05) -> float:
    """One-sided Korn-Graubard bound: the true share is above it with probability `delta` at most. Never 0."""
    return proportion(events, clusters, level=1 - 2 * delta).high
