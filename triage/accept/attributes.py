"""Accept: the attributes that worklist, strata and reports need. Output: plain JSON values by DICOM keyword."""

from pydicom.dataset import Dataset

from triage.accept.header import Header
from triage.accept.identity import ViewIdentity

_TEXT = (
    # patient
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    # study
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "ReferringPhysicianName",
    # equipment
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "DeviceSerialNumber",
    "InstitutionName",
    "StationName",
    "DetectorType",
    # series and image
    "SeriesNumber",
    "SeriesDescription",
    "InstanceNumber",
    "AcquisitionDate",
    "AcquisitionTime",
    "ContentDate",
    "ContentTime",
    "PatientOrientation",
    "ImageType",
    "ImagerPixelSpacing",
    "PixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
    "BreastImplantPresent",
    "SpecificCharacterSet",
)
_WHOLE_NUMBERS = ("Rows", "Columns")
STRATUM = ("InstitutionName", "Manufacturer", "ManufacturerModelName", "SoftwareVersions", "DetectorType")
"""Those that make the key of a threshold (`triage.core.strata`)."""


def attributes(ds: Dataset, laterality_source: str, view: ViewIdentity) -> dict[str, str | int]:
    """Every listed attribute, several values joined by a backslash, empty where absent or unreadable.

    Three entries are no DICOM keywords: `LateralitySource` and `ViewSource` (the element that was believed) and
    `ViewModifiers`.
    """
    header = Header(ds)  # a reader of its own: damage to what neither a rule nor a key reads is no reason to refuse
    found: dict[str, str | int] = {keyword: header.text(keyword) for keyword in _TEXT}
    for keyword in _WHOLE_NUMBERS:
        number = header.number(keyword)
        found[keyword] = "" if number is None else int(number)
    return found | {
        "LateralitySource": laterality_source,
        "ViewSource": view.source,
        "ViewModifiers": ", ".join(view.modifiers),
    }
