"""Report: what every result object shares: patient and study copied from a source image, series, equipment, encoding.

Input: the header of a source image, of any quality. Output: a data set in UTF-8 with all type 1 and type 2 attributes
of the Patient, General Study, General Series, Enhanced General Equipment and SOP Common modules (PS3.3 C.7.1.1,
C.7.2.1, C.7.3.1, C.7.5.2, C.12.1).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from triage.report.conformance import conforming, offset

# Type 2: sent empty where the source has none
_ALWAYS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
# Type 3: without these a PACS that pools several hospitals cannot file the object
_IF_PRESENT = ("IssuerOfPatientID", "PatientAge", "StudyDescription", "TimezoneOffsetFromUTC")
_SEQUENCES_IF_PRESENT = ("IssuerOfPatientIDQualifiersSequence", "IssuerOfAccessionNumberSequence")
_ISSUER = ("LocalNamespaceEntityID", "UniversalEntityID", "UniversalEntityIDType", "IdentifierTypeCode")


@dataclass(frozen=True)
class Device:
    """The service as DICOM equipment and as observer of its reports. Every attribute is type 1 (PS3.3 C.7.5.2)."""

    name: str
    manufacturer: str
    model_name: str
    software_version: str
    serial_number: str


@dataclass(frozen=True)
class ObjectIdentity:
    """What makes a result object and its series."""

    study_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    modality: str
    series_number: int
    instance_number: int
    series_description: str


def composite_header(source: Dataset, identity: ObjectIdentity, device: Device, decided_at: str) -> Dataset:
    """A new data set for a result about the study of `source`.

    Args:
        source: header of one image of the study; what is absent, unreadable or invalid becomes empty.
        identity: UIDs, numbers and description of the object and its series.
        device: the service.
        decided_at: ISO 8601 with offset; becomes content date and time, in the time zone that the source declares.
    """
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _ALWAYS:
        setattr(ds, keyword, conforming(source, keyword))
    for keyword in _IF_PRESENT:
        if value := conforming(source, keyword):
            setattr(ds, keyword, value)
    for keyword in _SEQUENCES_IF_PRESENT:
        if items := _issuers(source, keyword):
            setattr(ds, keyword, items)
    ds.SOPClassUID, ds.SOPInstanceUID = identity.sop_class_uid, identity.sop_instance_uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = identity.study_instance_uid, identity.series_instance_uid
    ds.Modality, ds.SeriesDescription = identity.modality, identity.series_description
    ds.SeriesNumber, ds.InstanceNumber = identity.series_number, identity.instance_number
    ds.Manufacturer, ds.ManufacturerModelName = device.manufacturer, device.model_name
    ds.SoftwareVersions, ds.DeviceSerialNumber = device.software_version, device.serial_number
    decided = _local(decided_at, str(ds.get("TimezoneOffsetFromUTC", "")))
    ds.ContentDate = ds.InstanceCreationDate = ds.SeriesDate = decided.strftime("%Y%m%d")
    ds.ContentTime = ds.InstanceCreationTime = ds.SeriesTime = decided.strftime("%H%M%S")
    return ds


def write(ds: Dataset) -> bytes:
    """The data set as a Part 10 file in Explicit VR Little Endian; the same data set gives the same bytes."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta = meta
    buffer = BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def _issuers(source: Dataset, keyword: str) -> list[Dataset]:
    """The items of an issuer sequence, rebuilt from their text, which also re-encodes them."""
    try:
        items = source[keyword].value if keyword in source else []
    except Exception:  # as in triage.report.source
        return []
    copies = []
    for item in items if isinstance(items, Sequence) else []:
        copy = Dataset()
        for name in _ISSUER:
            if value := conforming(item, name):
                setattr(copy, name, value)
        copies.append(copy)
    return [copy for copy in copies if copy]


def _local(decided_at: str, zone: str) -> datetime:
    """TimezoneOffsetFromUTC (0008,0201) holds for every date and time of an object, so the content follows it."""
    decided = datetime.fromisoformat(decided_at)
    decided = decided if decided.tzinfo else decided.replace(tzinfo=UTC)
    return decided.astimezone(timezone(offset(zone) or timedelta(0)))
