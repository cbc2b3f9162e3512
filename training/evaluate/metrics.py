"""The papers' metrics (Cao et al., "Evaluation metrics"). Positive means *normal* throughout, the reverse of what
radiologists expect: sensitivity is the share of normal images screened out, specificity the share of abnormal images
that are not. Every proportion comes with its counts and a Korn-Graubard interval clustered by patient.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from triage.core.errors import TriageError
from triage.decide.intervals import Proportion, proportion
from triage.decide.operating_point import CATEGORY_ORDER, round_score, t20

BOOTSTRAPS = 1000
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """One entry an image, all of shape (n,): logit of normal, label, BI-RADS (-1 unknown), patient."""

    scores: npt.NDArray[np.float64]
    normal: Flags
    birads: npt.NDArray[np.int64]
    patients: npt.NDArray[np.str_]

    def __post_init__(self) -> None:
        if not np.isfinite(self.scores).all():
            raise TriageError("a score is not a finite number; such images are not evaluated, leave them out")
        if self.normal.all() or not self.normal.any():
            raise TriageError("metrics need normal and abnormal images; this set has only one kind")


def auc(scores: npt.NDArray[np.float64], normal: Flags) -> float:
    """Area under the ROC curve by the rank sum (Mann-Whitney); ties count one half."""
    positives, negatives = int(normal.sum()), int((~normal).sum())
    ranks = rankdata(scores)
    return float((ranks[normal].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def bootstrap_auc(scored: Scored, other: npt.NDArray[np.float64] | None = None, seed: int = 0) -> tuple[float, float]:
    """95% percentile interval of the AUC over resampled patients; with `other`, of AUC(scores) - AUC(other)."""
    patients, index = np.unique(scored.patients, return_inverse=True)
    members = np.split(np.argsort(index, kind="stable"), np.cumsum(np.bincount(index))[:-1])
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(BOOTSTRAPS):
        chosen = np.concatenate([members[patient] for patient in generator.integers(patients.size, size=patients.size)])
        normal = scored.normal[chosen]
        if normal.all() or not normal.any():
            continue
        value = auc(scored.scores[chosen], normal)
        values.append(value if other is None else value - auc(other[chosen], normal))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def at_threshold(scored: Scored, threshold: float | None) -> dict[str, Any]:
    """What a threshold does to these images; None flags nothing."""
    scores = np.asarray([round_score(score) for score in scored.scores])
    flagged = np.zeros(scores.shape, np.bool_) if threshold is None else scores >= threshold
    abnormal = ~scored.normal
    return {
        "threshold": threshold,
        "sensitivity": counted(proportion(flagged[scored.normal], scored.patients[scored.normal])),
        "specificity": counted(proportion(~flagged[abnormal], scored.patients[abnormal])),
        "abnormal_screened_out": int(flagged[abnormal].sum()),
        "abnormal_screened_out_by_birads": {
            str(category): {"k": int(flagged[of].sum()), "n": int(of.sum())}
            for category in CATEGORY_ORDER
            for of in [scored.birads == category]
        },
    }


def evaluate(scored: Scored) -> dict[str, Any]:
    """AUC, and specificity at 20% and 80% sensitivity of this very set (not of a threshold frozen elsewhere)."""
    low, high = bootstrap_auc(scored)
    return {
        "positive": "normal",
        "images": {"normal": int(scored.normal.sum()), "abnormal": int((~scored.normal).sum())},
        "patients": int(np.unique(scored.patients).size),
        "auc": {"value": auc(scored.scores, scored.normal), "interval": [low, high], "by": "patient bootstrap"},
        "at_sensitivity_20": at_threshold(scored, t20(scored.scores[scored.normal], 0.20)),
        "at_sensitivity_80": at_threshold(scored, t20(scored.scores[scored.normal], 0.80)),
    }


def counted(found: Proportion) -> dict[str, Any]:
    """A proportion as reports print it."""
    return {
        "value": found.value,
        "k": found.k,
        "n": found.n,
        "interval": [found.low, found.high],
        "patients": found.clusters,
        "design_effect": found.design_effect,
    }
