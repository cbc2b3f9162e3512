"""Report: the summary page as Secondary Capture image, which every PACS and viewer shows.

Input: a finding, headers, the device. Output: a data set with pixels. The page does not name the patient: names of
every script are in the header, where the viewer draws them, and the page can be de-identified like any other image.
"""

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from triage.core.finding import StudyFinding
from triage.report.composite import Device
from triage.report.content import coded
from triage.report.image_library import is_image
from triage.report.kinds import SUMMARY_PAGE, begin
from triage.report.page_image import draw_page
from triage.report.references import Reference, evidence_references, instance_item
from triage.report.summary import summarise


def secondary_capture(finding: StudyFinding, evidence: Sequence[Dataset], device: Device) -> Dataset:
    """The summary page; the same arguments give the same data set.

    Raises:
        TriageError: no header is given.
    """
    ds, sources = begin(finding, evidence, SUMMARY_PAGE, device)
    ds.Laterality = ""  # type 2C, and neither of its values means both breasts
    ds.ConversionType = "WSD"  # PS3.3 C.8.6.1
    ds.DateOfSecondaryCapture, ds.TimeOfSecondaryCapture = ds.ContentDate, ds.ContentTime
    ds.ImageType, ds.PatientOrientation = ["DERIVED", "SECONDARY"], ""
    ds.DerivationDescription = "Page of text about the exam; no pixel of a source image is in it"
    ds.BurnedInAnnotation, ds.RecognizableVisualFeatures, ds.LossyImageCompression = "NO", "NO", "00"
    images = [one for one in evidence_references(finding, sources) if is_image(one[0], one[1])]
    ds.SourceImageSequence = source_items(images)
    _add_pixels(ds, finding, device)
    return ds


def source_items(references: Sequence[Reference]) -> list[Dataset]:
    """Items of Source Image Sequence (0008,2112) and Source Instance Sequence (0042,0013)."""
    items = []
    for reference in references:
        item = instance_item(reference)
        item.PurposeOfReferenceCodeSequence = [coded(codes.DCM.SourceImageForImageProcessingOperation)]
        items.append(item)
    return items


def _add_pixels(ds: Dataset, finding: StudyFinding, device: Device) -> None:
    """Image Pixel and VOI LUT modules (PS3.3 C.7.6.3, C.11.2); the window shows all greys in every viewer."""
    pixels = draw_page(summarise(finding, device))
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.WindowCenter, ds.WindowWidth = "128", "256"
    ds.add_new("PixelData", "OB", pixels.tobytes())
