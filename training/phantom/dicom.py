"""Phantom stage 6: DICOM. Input: stored pixels and what is known of them. Output: a valid MG instance.

Digital Mammography X-Ray Image Storage - For Presentation (PS3.3 A.27); type 1 and 2 attributes all present.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
)

from training.phantom.acquisition import Stored, VendorLook, voi_lut
from training.phantom.identity import Identity, uid
from triage.core.views import View

IMPLEMENTATION_CLASS_UID = uid("implementation")
INSTITUTION = "Demonstration screening unit"
"""InstitutionName of every phantom and wrapped exam."""

_VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}
# row direction, column direction of pixels that were not mirrored (PS3.3 C.7.6.1.1.1)
_ORIENTATION = {View.RCC: ("P", "L"), View.LCC: ("A", "R"), View.RMLO: ("P", "FL"), View.LMLO: ("A", "FR")}
_SPOT_COMPRESSION = ("399055006", "Spot Compression")


@dataclass(frozen=True)
class ImageFacts:
    """What the header says of one image besides the unit and the woman."""

    view: View
    number: int
    spacing: float
    """At the detector, mm."""
    series_description: str
    orientation: tuple[str, str] | None = None
    """PatientOrientation; None = as acquired."""
    mirrored: bool = False
    """The stored pixels are a horizontal mirror of the acquired ones."""
    implant: bool = False
    partial: bool = False
    spot: bool = False


def mg_dataset(pixels: Stored, facts: ImageFacts, identity: Identity, look: VendorLook) -> Dataset:
    """A complete instance with file meta information, uncompressed, ready for `save_as`."""
    ds = Dataset()
    for attributes in (
        _patient_study(identity, look),
        _series_equipment(identity, look, facts),
        _image(identity, facts),
        _anatomy(facts),
        _detector(look, facts, pixels.shape),
        _exposure(identity, look),
    ):
        ds.update(attributes)
    _add_pixels(ds, pixels, look)
    ds.file_meta = _file_meta(ds)
    return ds


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _dataset(**attributes: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def _patient_study(identity: Identity, look: VendorLook) -> Dataset:
    day = identity.study_date.strftime("%Y%m%d")
    return _dataset(
        SpecificCharacterSet="ISO_IR 192",
        PatientName=identity.patient_name,
        PatientID=identity.patient_id,
        PatientBirthDate=identity.birth_date.strftime("%Y%m%d"),
        PatientSex="F",
        PatientAge=f"{identity.age:03d}Y",
        StudyInstanceUID=identity.study_instance_uid,
        StudyDate=day,
        StudyTime="093000",
        StudyID="1",
        AccessionNumber=identity.accession_number,
        ReferringPhysicianName="DEMO^REFERRER",
        StudyDescription="Screening mammography, bilateral",
        InstitutionName=INSTITUTION,
        StationName=f"MG{look.manufacturer[-1]}",
    )


def _series_equipment(identity: Identity, look: VendorLook, facts: ImageFacts) -> Dataset:
    return _dataset(
        Modality="MG",
        SeriesInstanceUID=uid(identity.study_key, "series", facts.number),
        SeriesNumber=facts.number,
        SeriesDescription=facts.series_description,
        SeriesDate=identity.study_date.strftime("%Y%m%d"),
        SeriesTime="093000",
        FrameOfReferenceUID=uid(identity.study_key, "frame", facts.number),
        PositionReferenceIndicator="",
        Manufacturer=look.manufacturer,
        ManufacturerModelName=look.model,
        DeviceSerialNumber=f"{look.manufacturer[-1]}-0001",
        SoftwareVersions=look.software,
    )


def _image(identity: Identity, facts: ImageFacts) -> Dataset:
    key = (identity.study_key, facts.view, facts.number)
    source = _dataset(
        ReferencedSOPClassUID=DigitalMammographyXRayImageStorageForProcessing,
        ReferencedSOPInstanceUID=uid(*key, "raw"),
        SpatialLocationsPreserved="YES",
        PurposeOfReferenceCodeSequence=Sequence(
            [_code("121322", "DCM", "Source image for image processing operation")]
        ),
    )
    day = identity.study_date.strftime("%Y%m%d")
    return _dataset(
        SOPClassUID=DigitalMammographyXRayImageStorageForPresentation,
        SOPInstanceUID=uid(*key, "image"),
        InstanceNumber=facts.number,
        ImageType=["DERIVED", "PRIMARY"],
        ContentDate=day,
        ContentTime=f"0930{facts.number:02d}",
        AcquisitionDate=day,
        AcquisitionTime=f"0930{facts.number:02d}",
        PatientOrientation=list(facts.orientation or _ORIENTATION[facts.view]),
        BurnedInAnnotation="NO",
        LossyImageCompression="00",
        PresentationIntentType="FOR PRESENTATION",
        SourceImageSequence=Sequence([source]),
        AcquisitionContextSequence=Sequence([]),
        QualityControlImage="NO",
    )


def _anatomy(facts: ImageFacts) -> Dataset:
    value, meaning = _VIEW_CODES[facts.view.view_position]
    view = _code(value, "SCT", meaning)
    modifiers = [_code(_SPOT_COMPRESSION[0], "SCT", _SPOT_COMPRESSION[1])] if facts.spot else []
    view.ViewModifierCodeSequence = Sequence(modifiers)
    ds = _dataset(
        ImageLaterality=facts.view.laterality,
        BodyPartExamined="BREAST",
        AnatomicRegionSequence=Sequence([_code("76752008", "SCT", "Breast")]),
        ViewCodeSequence=Sequence([view]),
        ViewPosition=facts.view.view_position,
        OrganExposed="BREAST",
        BreastImplantPresent="YES" if facts.implant else "NO",
        PartialView="YES" if facts.partial else "NO",
    )
    if facts.partial:
        ds.PartialViewDescription = "Breast larger than the detector"
    return ds


def _detector(look: VendorLook, facts: ImageFacts, shape: tuple[int, ...]) -> Dataset:
    angle = {"CC": 0, "MLO": -45 if facts.view.laterality == "R" else 45}[facts.view.view_position]
    return _dataset(
        PositionerType="MAMMOGRAPHIC",
        PositionerPrimaryAngle=angle,
        DetectorType=look.detector,
        DetectorConfiguration="AREA",
        DetectorID=f"{look.manufacturer[-1]}DET1",
        ImagerPixelSpacing=[facts.spacing, facts.spacing],
        DistanceSourceToDetector="700",
        DistanceSourceToPatient="670",
        EstimatedRadiographicMagnificationFactor="1.0448",
        FieldOfViewOrigin=["0", "0"],
        FieldOfViewRotation="0",
        FieldOfViewHorizontalFlip="YES" if facts.mirrored else "NO",
        FieldOfViewShape="RECTANGLE",
        FieldOfViewDimensions=[round(shape[0] * facts.spacing), round(shape[1] * facts.spacing)],
    )


def _exposure(identity: Identity, look: VendorLook) -> Dataset:
    rng = np.random.default_rng(int(identity.accession_number[1:]) if identity.accession_number[1:].isdigit() else 0)
    kvp, thickness = int(rng.integers(26, 33)), int(rng.integers(38, 75))
    return _dataset(
        KVP=kvp,
        ExposureTime=800,
        XRayTubeCurrent=100,
        Exposure=80,
        AnodeTargetMaterial=look.target_filter[0],
        FilterMaterial=look.target_filter[1],
        CompressionForce=int(rng.integers(80, 140)),
        BodyPartThickness=thickness,
        OrganDose="0.015",
        EntranceDoseInmGy="5",
    )


def _add_pixels(ds: Dataset, pixels: Stored, look: VendorLook) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME1" if look.monochrome1 else "MONOCHROME2"
    ds.PresentationLUTShape = "INVERSE" if look.monochrome1 else "IDENTITY"
    ds.Rows, ds.Columns = pixels.shape
    allocated = 8 if look.bits <= 8 else 16
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = allocated, look.bits, look.bits - 1, 0
    # bright = dense = little exposure: the sign is that of the stored value, PS3.3 C.8.11.3.1.2
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = 1 if look.monochrome1 else -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    _add_voi(ds, look)
    if look.padding is not None:
        ds.PixelPaddingValue = look.padding
    if allocated == 8:
        data = pixels.astype(np.uint8).tobytes()
        ds.add_new("PixelData", "OB", data + b"\0" * (len(data) % 2))
    else:
        ds.add_new("PixelData", "OW", pixels.astype("<u2").tobytes())


def _add_voi(ds: Dataset, look: VendorLook) -> None:
    """One of window or VOI LUT Sequence is required in a presentation image (PS3.3 C.8.11.3)."""
    if look.voi == "LUT":
        table = voi_lut(look)
        item = _dataset(LUTDescriptor=[len(table), 0, 16], LUTExplanation="NORMAL")
        item["LUTDescriptor"].VR = "US"
        item.add_new("LUTData", "OW", table.astype("<u2").tobytes())
        ds.VOILUTSequence = Sequence([item])
        return
    # the window acts before the inversion of MONOCHROME1, so its centre mirrors with the stored values
    ds.WindowCenter = look.top - look.centre if look.monochrome1 else look.centre
    ds.WindowWidth = look.width
    ds.VOILUTFunction = look.voi
    ds.WindowCenterWidthExplanation = "NORMAL"


def _file_meta(ds: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    return meta
