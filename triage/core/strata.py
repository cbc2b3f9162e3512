"""For what a threshold was calibrated: place, device, its software, kind of acquisition, models and preprocessing.

De Vries et al. (2023) saw recall triple after a software upgrade of one mammography unit, so nothing in the key may be
guessed, and an unseen key is no reason to take the nearest one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Stratum:
    """One combination for which a threshold holds. Texts as the sender wrote them; absent is empty."""

    site: str
    """InstitutionName (0008,0080)."""
    manufacturer: str
    """Manufacturer (0008,0070)."""
    model: str
    """ManufacturerModelName (0008,1090)."""
    software_version: str
    """SoftwareVersions (0018,1020), several joined by a backslash."""
    acquisition_type: str
    """DetectorType (0018,7004); only digital 2D mammograms come this far."""
    bundle_sha256: str
    preprocessing: str
    """`triage.core.study.PREPROCESSING_VERSION` as text."""

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits that stand for the key in addresses and tables."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def unnamed(self) -> tuple[str, ...]:
        """DICOM keywords that must not be absent and are: two devices that do not say what they are look the same."""
        named = {
            "Manufacturer": self.manufacturer,
            "ManufacturerModelName": self.model,
            "SoftwareVersions": self.software_version,
            "DetectorType": self.acquisition_type,
        }
        return tuple(keyword for keyword, value in named.items() if not value)

    @property
    def device(self) -> str:
        """Manufacturer, model and software version, as people name a device."""
        return " ".join(part for part in (self.manufacturer, self.model, self.software_version) if part) or "unnamed"


def stratum_of(attributes: Mapping[str, Any], bundle_sha256: str, preprocessing: str) -> Stratum:
    """The stratum of an image from its attributes (`InstanceHeader.attributes`, by DICOM keyword)."""

    def text(keyword: str) -> str:
        return str(attributes.get(keyword) or "").strip()

    return Stratum(
        text("InstitutionName"),
        text("Manufacturer"),
        text("ManufacturerModelName"),
        text("SoftwareVersions"),
        text("DetectorType"),
        bundle_sha256,
        preprocessing,
    )
