"""Decide: how many patients it takes to prove that few abnormals are missed, and how many a set still lacks.

Counts are of independent rows: n images of patients with several each weigh n / design effect. With no miss at all the
design effect cannot be estimated, and every patient counts once.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

from triage.decide.exam_level import Units, units
from triage.decide.intervals import Proportion, freedom, proportion
from triage.decide.operating_point import CalibrationSet, Mask, Protocol, t20

HALF_WIDTH = 0.05
"""To how many points the sensitivity should be known: 20% +- 5%."""
ENDLESS = 10**9


def abnormals_needed(misses: float, alpha: float, delta: float = 0.05) -> int:
    """The fewest independent abnormals of which `misses` may be missed and P(true share > alpha) <= delta is proven.

    At most 1e9, for whoever asks for less than that can prove.
    """
    return _least(lambda n: _proves(misses, n, alpha, delta), math.floor(misses)) or ENDLESS


def misses_allowed(n: int, alpha: float, delta: float = 0.05) -> int | None:
    """How many of n independent abnormals may be missed, or None if n proves nothing even without a miss."""
    k = np.arange(int(alpha * n) + 1)
    proven = special.betainc(k + 1, n - k, alpha) >= 1 - delta
    return int(k[proven][-1]) if n and proven.any() else None


def normals_needed(half_width: float, target: float = 0.20, level: float = 0.95, design_effect: float = 1.0) -> int:
    """BI-RADS 1 rows for which the interval of a sensitivity of `target` has this half width (normal approximation)."""
    z = float(special.ndtri(1 - (1 - level) / 2))
    return math.ceil(target * (1 - target) * (z / half_width) ** 2 * design_effect)


def missing_abnormals(missed: Proportion, alpha: float, delta: float = 0.05) -> dict[str, Any]:
    """How many abnormal rows more would prove `alpha`, given what was missed so far.

    `more_without_a_miss` is the least it can take; `more_at_this_share` is what it takes if as many of the new ones are
    missed (None: never, the share missed is not below alpha). Both assume as many rows for each patient as so far.
    """
    weight = _weight(missed, delta)
    k, n = missed.k / weight, missed.n / weight
    proven = _proves(k, n, alpha, delta)
    without = math.ceil(abnormals_needed(k, alpha, delta) * weight) - missed.n
    share = k / n if n else 0.0
    # A share of nothing is nothing missed, however many rows there are: only the patients count then.
    at_share = _least(lambda rows: _proves(share * rows, rows, alpha, delta), 0) if k and share < alpha else None
    again = math.ceil(at_share * weight) - missed.n if at_share else None
    return {
        "n": missed.n,
        "missed": missed.k,
        "patients": missed.clusters,
        "design_effect": missed.design_effect,
        "alpha": alpha,
        "proven": proven,
        "more_without_a_miss": 0 if proven else without,
        "more_at_this_share": 0 if proven else (again if k else without),
    }


def missing_normals(flagged: Proportion, protocol: Protocol) -> dict[str, Any]:
    """How many normal rows more would tell the target sensitivity to +- 5 points."""
    effect = flagged.design_effect if flagged.n else 1.0
    needed = normals_needed(HALF_WIDTH, protocol.target_sensitivity, protocol.level, effect)
    return {
        "n": flagged.n,
        "patients": flagged.clusters,
        "design_effect": effect,
        "half_width": HALF_WIDTH,
        "needed": needed,
        "more": max(0, needed - flagged.n),
    }


def sample_size(  # noqa: PLR0913, the same six as `evaluate`
    calibration: CalibrationSet,
    evaluation: CalibrationSet | None,
    stratum_id: str,
    kind: str,
    protocol: Protocol,
    pool_abnormals: bool,
) -> dict[str, Any]:
    """What the protocol needs and what the sets still lack, at the t20 of the calibration set. Plain JSON."""
    found = units(calibration, stratum_id, kind, pool_abnormals)
    threshold = t20(found.data.scores[found.data.normal & found.local], protocol.target_sensitivity)
    other = units(evaluation, stratum_id, kind, pool_abnormals) if evaluation is not None else None
    return lacking(found, other, threshold, protocol)


def lacking(
    calibration: Units, evaluation: Units | None, threshold: float | None, protocol: Protocol
) -> dict[str, Any]:
    """`sample_size` of sets that were read already; `threshold` is the t20."""
    return {
        "needed": needed(protocol),
        "calibration": _lacking(calibration, threshold, protocol),
        "evaluation": _lacking(evaluation, threshold, protocol) if evaluation is not None else None,
    }


def needed(protocol: Protocol) -> Mapping[str, int]:
    """The fewest independent rows: abnormal and severe if none of them is missed, normal for +- 5 points."""
    return {
        "abnormal": abnormals_needed(0, protocol.alpha, protocol.delta),
        "severe": abnormals_needed(0, protocol.alpha_severe, protocol.delta),
        "normal": normals_needed(HALF_WIDTH, protocol.target_sensitivity, protocol.level),
    }


def _lacking(found: Units, threshold: float | None, protocol: Protocol) -> dict[str, Any]:
    data = found.data
    flagged = np.zeros(data.scores.shape, np.bool_) if threshold is None else data.scores >= threshold

    def rate(rows: Mask) -> Proportion:
        return proportion(flagged[rows], data.patients[rows], protocol.level)

    return {
        "abnormal": missing_abnormals(rate(~data.normal), protocol.alpha, protocol.delta),
        "severe": missing_abnormals(rate(data.severe), protocol.alpha_severe, protocol.delta),
        "normal": missing_normals(rate(data.normal & found.local), protocol),
    }


def _proves(k: float, n: float, alpha: float, delta: float) -> bool:
    """Whether the one-sided Clopper-Pearson bound of k of n independent rows is at most alpha."""
    return bool(n > k and special.betainc(k + 1, n - k, alpha) >= 1 - delta)


def _weight(missed: Proportion, delta: float) -> float:
    """How many of these rows count as one independent row, as in the bound itself."""
    if not 0 < missed.k < missed.n:
        return missed.design_effect
    return missed.design_effect / freedom(missed.n, missed.clusters, delta)


def _least(enough: Callable[[int], bool], above: int) -> int | None:
    """The least number greater than `above` that is enough, if more never is less; None beyond 1e9."""
    low, high = above, max(2 * above, 1)
    while not enough(high):
        low, high = high, 2 * high
        if high > ENDLESS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
