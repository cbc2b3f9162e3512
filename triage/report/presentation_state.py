"""Report: the result as a banner on the mammograms, a Grayscale Softcopy Presentation State that can be switched off.

Input: a finding, headers, the device. Output: a data set (PS3.3 A.33.1). Pixels stay as they are: the state repeats
each image's own grey scale, shows all of it, and draws a few lines of text at the side away from the chest wall.
"""

import logging
from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation

from triage.core.finding import ImageFinding, StudyFinding
from triage.report.composite import Device
from triage.report.grey_scale import has_identity_modality_lut, is_inverted, size_of, spacing_of, voi_transformation
from triage.report.kinds import BANNER, begin
from triage.report.references import Reference, by_series, instance_item
from triage.report.source import sop_reference, values
from triage.report.summary import banner

log = logging.getLogger(__name__)

_LAYER = "TRIAGE"
_LEFT, _RIGHT = ([0.02, 0.86], [0.48, 0.98]), ([0.52, 0.86], [0.98, 0.98])
"""Top left and bottom right corner of the banner as fractions of the displayed area."""


def presentation_state(finding: StudyFinding, evidence: Sequence[Dataset], device: Device) -> Dataset | None:
    """The banner on every mammogram of the finding whose grey scale can be repeated; None if there is no such image.

    Raises:
        TriageError: no header is given.
    """
    ds, sources = begin(finding, evidence, BANNER, device)
    shown = _shown(finding, sources)
    if not shown:
        return None
    references = [(*sop_reference(header), finding.study_instance_uid) for _, header in shown]
    ds.Laterality = ""  # type 2C, and neither of its values means both breasts
    # Presentation State Identification and Relationship modules, PS3.3 C.11.10 and C.11.11
    ds.ContentLabel, ds.ContentDescription, ds.ContentCreatorName = "TRIAGE", "Triage banner", ""
    ds.PresentationCreationDate, ds.PresentationCreationTime = ds.ContentDate, ds.ContentTime
    ds.ReferencedSeriesSequence = _series(references)
    headers = [header for _, header in shown]
    ds.DisplayedAreaSelectionSequence = [_area(h, one) for h, one in zip(headers, references, strict=True)]
    ds.GraphicAnnotationSequence = [
        _annotation(image, finding, header, one) for (image, header), one in zip(shown, references, strict=True)
    ]
    ds.GraphicLayerSequence = [_layer()]
    if voi := _voi(headers, references):
        ds.SoftcopyVOILUTSequence = voi
    ds.PresentationLUTShape = "INVERSE" if is_inverted(headers[0]) else "IDENTITY"
    del ds.ContentDate, ds.ContentTime  # not of this IOD
    return ds


def _shown(finding: StudyFinding, sources: Sequence[Dataset]) -> list[tuple[ImageFinding, Dataset]]:
    """Images of the finding with headers; of one polarity, because a state has only one."""
    headers = {sop_reference(header)[1]: header for header in sources}
    found = [
        (image, headers[image.sop_instance_uid])
        for image in finding.images
        if image.sop_class_uid == DigitalMammographyXRayImageStorageForPresentation
        and image.sop_instance_uid in headers
        and _repeatable(headers[image.sop_instance_uid])
    ]
    kept = [one for one in found if is_inverted(one[1]) == is_inverted(found[0][1])]
    if len(kept) < len(finding.images):
        log.info("study %s: the banner covers %d objects", finding.study_instance_uid, len(kept))
    return kept


def _repeatable(header: Dataset) -> bool:
    return size_of(header) is not None and has_identity_modality_lut(header) and voi_transformation(header) is not None


def _series(references: Sequence[Reference]) -> list[Dataset]:
    """Presentation State Relationship macro (PS3.3 table C.11.11b-1): its instances have a name of their own."""
    items = by_series(references)
    for item in items:
        item.ReferencedImageSequence = list(item.ReferencedSOPSequence)
        del item.ReferencedSOPSequence
    return items


def _area(header: Dataset, reference: Reference) -> Dataset:
    """The whole image, fitted to the screen (PS3.3 C.10.4)."""
    rows, columns = size_of(header) or (1, 1)
    item = Dataset()
    item.ReferencedImageSequence = [instance_item(reference)]
    item.DisplayedAreaTopLeftHandCorner, item.DisplayedAreaBottomRightHandCorner = [1, 1], [columns, rows]
    item.PresentationSizeMode = "SCALE TO FIT"
    if spacing := spacing_of(header):
        item.PresentationPixelSpacing = spacing
    else:
        item.PresentationPixelAspectRatio = [1, 1]
    return item


def _annotation(image: ImageFinding, finding: StudyFinding, header: Dataset, reference: Reference) -> Dataset:
    """Text in units of the display (PS3.3 C.10.5); the row direction tells on which side the chest wall is."""
    chest_wall_right = (values(header, "PatientOrientation", 2) or [image.laterality or ""])[0][:1] in ("P", "R")
    corners = _LEFT if chest_wall_right else _RIGHT
    text = Dataset()
    text.BoundingBoxAnnotationUnits = "DISPLAY"
    text.BoundingBoxTopLeftHandCorner, text.BoundingBoxBottomRightHandCorner = corners
    text.BoundingBoxTextHorizontalJustification = "LEFT" if chest_wall_right else "RIGHT"
    text.UnformattedTextValue = "\r\n".join(banner(image, finding))
    item = Dataset()
    item.ReferencedImageSequence = [instance_item(reference)]
    item.GraphicLayer, item.TextObjectSequence = _LAYER, [text]
    return item


def _layer() -> Dataset:
    item = Dataset()
    item.GraphicLayer, item.GraphicLayerOrder, item.GraphicLayerDescription = _LAYER, 1, "Triage banner"
    return item


def _voi(headers: Sequence[Dataset], references: Sequence[Reference]) -> list[Dataset]:
    """Each image's own VOI transformation; an image without one has none in the state either."""
    items = []
    for header, reference in zip(headers, references, strict=True):
        item = voi_transformation(header)
        if item:
            item.ReferencedImageSequence = [instance_item(reference)]
            items.append(item)
    return items
