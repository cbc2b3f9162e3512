"""Report: the Image Library of TID 1500. Input: headers of the source images. Output: one container (TID 1600 to 1603).

highdicom's own library demands attributes that damaged and set-aside images lack; here an entry tells what it can.
"""

from collections.abc import Iterator, Sequence

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    ImageContentItem,
    NumContentItem,
    TextContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID

from triage.report.codes import BREASTS, SOURCE
from triage.report.source import is_uid, numbers, sop_reference, text, values

_MODALITIES = {"MG": Code("MG", "DCM", "Mammography")}  # CID 29; other objects are listed without
_PIXELS = Code("{pixels}", "UCUM", "Pixels")
_ACQUISITION = "HAS ACQ CONTEXT"


def is_image(sop_class_uid: str, sop_instance_uid: str) -> bool:
    """True for an instance that an IMAGE content item may reference: of an image storage class, with a proper UID."""
    return "Image Storage" in UID(sop_class_uid).name and is_uid(sop_instance_uid)


def image_library(evidence: Sequence[Dataset]) -> ContainerContentItem:
    """Library > one group > every image of the evidence with its descriptors."""
    group = ContainerContentItem(codes.DCM.ImageLibraryGroup, relationship_type="CONTAINS")
    references = [(header, *sop_reference(header)[:2]) for header in evidence]
    group.ContentSequence = ContentSequence(
        [
            _entry(header, sop_class, instance)
            for header, sop_class, instance in references
            if is_image(sop_class, instance)
        ]
    )
    library = ContainerContentItem(codes.DCM.ImageLibrary, relationship_type="CONTAINS")
    if group.ContentSequence:
        library.ContentSequence = ContentSequence([group])
    return library


def _entry(header: Dataset, sop_class_uid: str, sop_instance_uid: str) -> ImageContentItem:
    entry = ImageContentItem(SOURCE, sop_class_uid, sop_instance_uid, relationship_type="CONTAINS")
    descriptors = list(_descriptors(header))
    if descriptors:
        entry.ContentSequence = ContentSequence(descriptors)
    return entry


def _descriptors(header: Dataset) -> Iterator[ContentItem]:
    """Rows of TID 1602 (modality, size) and TID 1603 (laterality, orientation, spacing in mm)."""
    if modality := _MODALITIES.get(text(header, "Modality")):
        yield CodeContentItem(codes.DCM.Modality, modality, _ACQUISITION)
    for keyword, name in (("Rows", codes.DCM.PixelDataRows), ("Columns", codes.DCM.PixelDataColumns)):
        if size := numbers(header, keyword, 1):
            yield NumContentItem(name, int(size[0]), _PIXELS, relationship_type=_ACQUISITION)
    if breast := BREASTS.get(text(header, "ImageLaterality")):
        yield CodeContentItem(codes.DCM.ImageLaterality, breast, _ACQUISITION)
    orientation = values(header, "PatientOrientation", 2)
    if all(orientation):
        names = (codes.DCM.PatientOrientationRow, codes.DCM.PatientOrientationColumn)
        for name, direction in zip(names, orientation, strict=False):
            yield TextContentItem(name, direction, _ACQUISITION)
    if spacing := numbers(header, "ImagerPixelSpacing", 2):
        for name, millimetres in (
            (codes.DCM.HorizontalPixelSpacing, spacing[1]),
            (codes.DCM.VerticalPixelSpacing, spacing[0]),
        ):
            yield NumContentItem(name, millimetres, codes.UCUM.Millimeter, relationship_type=_ACQUISITION)
