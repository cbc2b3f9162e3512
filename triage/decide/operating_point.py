"""From the scores of a calibration set to a threshold: the papers' 20% sensitivity for normals, and what is safe.

Positive is a BI-RADS 1 image. k = floor(0.20 n); t20 is the smallest *observed* score s with #{scores >= s} <= k, so
ties go to the side that flags fewer; if no score qualifies nothing is flagged. Scores are logits rounded to 6 decimals,
and the decision is taken on the rounded number alone. The threshold is the larger of t20 and t_safe
(`triage.decide.safety`), which proves that few abnormal images are flagged.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from triage.core.errors import ConfigurationError
from triage.decide.safety import t_safe

TARGET_SENSITIVITY = 0.20
SCORE_DECIMALS = 6
CATEGORY_ORDER = (2, 3, 0, 4, 5, 6)
"""BI-RADS categories in the order in which the papers report the abnormal images wrongly screened out."""
SEVERE = (4, 5, 6)
"""Suspicious, highly suggestive of malignancy, proven."""

Mask = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Protocol:
    """What is fixed before any data is looked at."""

    target_sensitivity: float = TARGET_SENSITIVITY
    alpha: float = 0.025
    """Largest share of abnormals that may be missed."""
    delta: float = 0.05
    """How often that promise may fail."""
    alpha_severe: float = 0.05
    """The same of BI-RADS 4, 5 and 6 alone, of which there are few."""
    level: float = 0.95
    """Of every interval in the report."""
    bootstraps: int = 2000
    """Patient resamples behind the interval of the AUC."""

    def __post_init__(self) -> None:
        for name in ("target_sensitivity", "alpha", "delta", "alpha_severe"):
            if not 0 < getattr(self, name) < 0.5:
                raise ConfigurationError(f"protocol: {name} is {getattr(self, name)}; it must be above 0 and below 0.5")
        if not 0.5 < self.level < 1:
            raise ConfigurationError(f"protocol: level is {self.level}; it must be above 0.5 and below 1, such as 0.95")
        if not 100 <= self.bootstraps <= 100_000:
            raise ConfigurationError(f"protocol: bootstraps is {self.bootstraps}; it must be 100 to 100000")

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Protocol":
        """The protocol of a JSON object; what it leaves out has its default.

        Raises:
            ConfigurationError: an unknown name, a value of another type or out of range.
        """
        known: dict[str, Any] = {one.name: one.default for one in fields(cls)}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ConfigurationError(f"protocol: {', '.join(unknown)} not known; there are {', '.join(known)}")
        values: dict[str, Any] = {}
        for name, value in given.items():
            # A bool is an int in Python, and a threshold of True no number in anybody else's eyes.
            wanted = int if isinstance(known[name], int) else (int, float)
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise ConfigurationError(f"protocol: {name} is {value!r}; it must be a number")
            values[name] = type(known[name])(value)
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Every value by name."""
        return asdict(self)


def _empty() -> Texts:
    return np.array([], np.str_)


@dataclass(frozen=True)
class CalibrationSet:
    """One entry an image (or an exam, see `triage.decide.exam_level`), all of shape (n,)."""

    scores: npt.NDArray[np.float64]
    """Fused logits; rounded to 6 decimals here."""
    birads: npt.NDArray[np.integer]
    """0 to 6."""
    patients: npt.NDArray[np.generic]
    """A key each."""
    exams: npt.NDArray[np.generic] = field(default_factory=_empty)
    """A key each; left out, every image is an exam of its own."""
    follow_up: Texts = field(default_factory=_empty)
    """'' unknown, 'no-cancer', 'screen-detected' or 'interval'; left out, all unknown."""
    strata: Texts = field(default_factory=_empty)
    """`Stratum.id`; left out, one nameless stratum."""

    def __post_init__(self) -> None:
        n = self.scores.size
        bad = np.flatnonzero(~np.isfinite(self.scores))
        if bad.size:
            raise ConfigurationError(
                f"calibration set: score of row {int(bad[0]) + 1} is not a finite number; remove or rescore it"
            )
        wrong = np.flatnonzero((self.birads < 0) | (self.birads > 6))
        if wrong.size:
            row = int(wrong[0])
            raise ConfigurationError(
                f"calibration set: BI-RADS of row {row + 1} is {self.birads[row]}; expected 0 to 6"
            )
        object.__setattr__(self, "scores", np.round(self.scores.astype(np.float64), SCORE_DECIMALS))
        for name, left_out in (("exams", np.arange(n)), ("follow_up", np.full(n, "")), ("strata", np.full(n, ""))):
            if not getattr(self, name).size:
                object.__setattr__(self, name, left_out)
        for one in fields(self):
            if getattr(self, one.name).shape != (n,):
                raise ConfigurationError(f"calibration set: {one.name} has not one value for each of the {n} scores")

    @property
    def normal(self) -> Mask:
        """BI-RADS 1; shape (n,)."""
        return np.asarray(self.birads == 1)

    @property
    def severe(self) -> Mask:
        """BI-RADS 4, 5 or 6; shape (n,)."""
        return np.asarray(self.birads >= SEVERE[0])

    def where(self, mask: Mask) -> "CalibrationSet":
        """The rows for which `mask`, of shape (n,), is True."""
        return CalibrationSet(*(getattr(self, one.name)[mask] for one in fields(self)))


@dataclass(frozen=True)
class Threshold:
    """A threshold and what it comes from. None everywhere means: flag nothing."""

    t20: float | None
    t_safe_abnormal: float | None
    t_safe_severe: float | None
    t_safe: float | None
    """The larger of both; None if either is."""
    threshold: float | None
    limited_by_safety: bool
    """Fewer normals are flagged than the target because safety demands it."""
    limited_by: str
    """`abnormal` or `severe`: which bound raised the threshold; `none`; `no-normals`: too few normals for a t20."""


def round_score(value: float) -> float:
    """A logit as it is stored and decided on."""
    return round(float(value), SCORE_DECIMALS)


def t20(normal_scores: npt.NDArray[np.float64], target: float = TARGET_SENSITIVITY) -> float | None:
    """The threshold for BI-RADS 1 scores of shape (n,), or None if no observed score keeps within the target."""
    scores = np.sort(np.round(normal_scores.astype(np.float64), SCORE_DECIMALS))
    # floor with a guard: 0.20 * 5 must count as 1, not 0.999...
    k = math.floor(target * scores.size + 1e-9)
    candidates = np.unique(scores)
    at_or_above = scores.size - np.searchsorted(scores, candidates, side="left")
    qualifying = candidates[at_or_above <= k]
    return float(qualifying[0]) if qualifying.size else None


def find_threshold(data: CalibrationSet, local: Mask, protocol: Protocol) -> Threshold:
    """The larger of t20 of the stratum's own normals and t_safe of all abnormals given.

    Args:
        data: rows of the stratum, and abnormal rows of other strata if they are pooled.
        local: shape (n,), True for rows of the stratum.
        protocol: target, alpha and delta.
    """
    target = t20(data.scores[data.normal & local], protocol.target_sensitivity)
    candidates = data.scores[local | ~data.normal]

    def safe(rows: Mask, alpha: float) -> float | None:
        return t_safe(data.scores[rows], data.patients[rows], candidates, alpha, protocol.delta)

    abnormal, severe = safe(~data.normal, protocol.alpha), safe(data.severe, protocol.alpha_severe)
    both = None if abnormal is None or severe is None else max(abnormal, severe)
    if target is None:
        return Threshold(None, abnormal, severe, both, None, False, "no-normals")
    if both is not None and both <= target:
        return Threshold(target, abnormal, severe, both, target, False, "none")
    by = "abnormal" if abnormal is None or (severe is not None and abnormal >= severe) else "severe"
    return Threshold(target, abnormal, severe, both, both, True, by)
