"""The operating points that ship with a bundle: `calibrations.json` in, versions that the ledger adopts out.

They are demonstrations: found on phantoms, for the devices that phantoms have. The file holds its own digest and that
of the bundle's manifest, so that a threshold can neither be edited nor moved to other models unnoticed.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from triage.core.errors import BundleError
from triage.core.governance import ShippedCalibration
from triage.core.strata import Stratum
from triage.core.study import PREPROCESSING_VERSION


@dataclass(frozen=True)
class Shipped:
    """The content of the file."""

    dataset: str
    created: str
    bounds: dict[str, tuple[float, float]]
    """By kind: between which a threshold of this bundle must lie, declared before any site calibrates it."""
    pooled: dict[str, float | None]
    """By kind: the threshold over all devices, for evaluations of data from none of them."""
    calibrations: tuple[ShippedCalibration, ...]


def write(path: Path, content: dict[str, Any], bundle_sha256: str) -> None:
    """Writes the file; `content` has dataset, created, expires, bounds, pooled and calibrations."""
    body = content | {"bundle_sha256": bundle_sha256}
    path.write_text(json.dumps(body | {"digest": _digest(body)}, indent=1) + "\n", encoding="utf-8")


def read(path: Path, bundle_sha256: str) -> Shipped:
    """The operating points of a bundle.

    Raises:
        BundleError: malformed, changed after it was made, or made for another bundle.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        digest = body.pop("digest")
        calibrations = tuple(_calibration(one, body, bundle_sha256) for one in body["calibrations"])
        bounds = {kind: (float(low), float(high)) for kind, (low, high) in body["bounds"].items()}
        shipped = Shipped(body["dataset"], body["created"], bounds, body["pooled"], calibrations)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleError(f"{path}: not a file of operating points ({error}); restore it from the bundle") from error
    if _digest(body) != digest:
        raise BundleError(f"{path}: was changed after it was made; restore it from the bundle")
    if body["bundle_sha256"] != bundle_sha256:
        raise BundleError(f"{path}: was calibrated for another bundle; calibrate again")
    return shipped


def _calibration(one: dict[str, Any], body: dict[str, Any], bundle_sha256: str) -> ShippedCalibration:
    return ShippedCalibration(
        stratum=Stratum(**one["stratum"], bundle_sha256=bundle_sha256, preprocessing=str(PREPROCESSING_VERSION)),
        kind=one["kind"],
        threshold=one["threshold"],
        image_threshold=one["image_threshold"],
        limited_by_safety=one["limited_by_safety"],
        protocol=one["protocol"],
        report=one["report"],
        created_at=datetime.fromisoformat(body["created"]),
        expires_at=datetime.fromisoformat(body["expires"]),
    )


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
