"""From the scores of a calibration set to a threshold: t20, the papers' 20% sensitivity for normals.

Positive is a BI-RADS 1 image. k = floor(0.20 n); t20 is the smallest *observed* score s with #{scores >= s} <= k, so
ties go to the side that flags fewer; if no score qualifies nothing is flagged. Scores are logits rounded to 6 decimals,
and the decision is taken on the rounded number alone.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from triage.core.errors import ConfigurationError
from triage.core.finding import OperatingPoint
from triage.decide.intervals import Proportion, proportion

TARGET_SENSITIVITY = 0.20
SCORE_DECIMALS = 6
CATEGORY_ORDER = (2, 3, 0, 4, 5, 6)
"""BI-RADS categories in the order in which the papers report the abnormal images wrongly screened out."""


@dataclass(frozen=True)
class CalibrationRecord:
    """How a threshold came about, and for which devices it holds. Immutable; `id` is a hash of the rest."""

    id: str
    created: str
    kind: str
    target_sensitivity: float
    threshold: float | None
    bundle_sha256: str
    dataset: str
    demonstration: bool
    devices: tuple[tuple[str, str], ...]
    """(Manufacturer, ManufacturerModelName) pairs; any other device is `uncalibrated-device`."""
    sensitivity: dict[str, Any]
    missed: dict[str, Any]
    missed_by_birads: dict[str, dict[str, Any]]

    @property
    def operating_point(self) -> OperatingPoint:
        """What the rule and the reports need of this record."""
        return OperatingPoint(self.id, self.kind, self.threshold, False, self.demonstration)

    def covers(self, manufacturer: str | None, model: str | None) -> bool:
        """True if this record was calibrated on the device."""
        return (manufacturer or "", model or "") in self.devices


@dataclass(frozen=True)
class CalibrationSet:
    """One entry an image, all of shape (n,): fused logit, BI-RADS 0..6, patient."""

    scores: npt.NDArray[np.float64]
    birads: npt.NDArray[np.int64]
    patients: npt.NDArray[np.str_]

    def __post_init__(self) -> None:
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


def calibrate(
    data: CalibrationSet,
    *,
    bundle_sha256: str,
    dataset: str,
    devices: tuple[tuple[str, str], ...],
    created: str,
    demonstration: bool,
) -> CalibrationRecord:
    """The record of the image-level operating point on a calibration set."""
    scores = np.round(data.scores, SCORE_DECIMALS)
    normal = data.birads == 1
    threshold = t20(scores[normal])
    flagged = np.zeros(scores.shape, np.bool_) if threshold is None else scores >= threshold
    by_category = {
        str(category): asdict(proportion(flagged[data.birads == category], data.patients[data.birads == category]))
        for category in CATEGORY_ORDER
    }
    body: dict[str, Any] = {
        "created": created,
        "kind": "image",
        "target_sensitivity": TARGET_SENSITIVITY,
        "threshold": threshold,
        "bundle_sha256": bundle_sha256,
        "dataset": dataset,
        "demonstration": demonstration,
        "devices": tuple(sorted(devices)),
        "sensitivity": asdict(_of(flagged, data, normal)),
        "missed": asdict(_of(flagged, data, ~normal)),
        "missed_by_birads": by_category,
    }
    return CalibrationRecord(id=_identity(body), **body)


def _of(flagged: npt.NDArray[np.bool_], data: CalibrationSet, where: npt.NDArray[np.bool_]) -> Proportion:
    return proportion(flagged[where], data.patients[where])


def _identity(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def write_record(record: CalibrationRecord, path: Path) -> None:
    """Writes the record as JSON."""
    path.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")


def read_record(path: Path) -> CalibrationRecord:
    """Reads a record and checks that its id still fits its content.

    Raises:
        ConfigurationError: missing, malformed or changed after it was made.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["devices"] = tuple((manufacturer, model) for manufacturer, model in content["devices"])
        record = CalibrationRecord(**content)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(f"{path}: not a calibration record ({error}); restore it from the bundle") from error
    body = asdict(record)
    body.pop("id")
    if _identity(body) != record.id:
        raise ConfigurationError(
            f"{path}: the calibration record was changed after it was made; restore it from the bundle"
        )
    return record
