"""Accept: rules about how the image was acquired, processed and stored. Input: `Header`."""

import re

from triage.accept.header import Header
from triage.accept.rule import Rule

MAGNIFICATION_LIMIT = 1.35
"""Contact views reach about 1.1 by geometry, magnification views start near 1.5."""
SMALL_FOCAL_SPOT = 0.15
"""Millimetres. Magnification needs the small focus of 0.1; contact views are made with 0.3 (nominal)."""

# PS3.5 annex A: syntaxes that cannot lose information
_LOSSLESS_SYNTAXES = frozenset(
    {
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.4.57",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.4.201",
        "1.2.840.10008.1.2.4.202",
        "1.2.840.10008.1.2.5",
    }
)
# JPEG 2000 and HTJ2K that may hold either kind: believed only with LossyImageCompression 00
_EITHER_SYNTAXES = frozenset({"1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203"})

_CONTRAST_TYPE = re.compile(r"LOW_ENERGY|HIGH_ENERGY|RECOMBINED|SUBTRACT|\bCESM\b|\bCEDM\b|\bCEM\b")
_CONTRAST_DESCRIPTION = re.compile(r"\((?:LE|HE|DES)\)|\bCESM\b|\bCEDM\b|\bCEM\b|CONTRAST|RECOMBINED|SUBTRACT")
# Words of test objects in the name or number of the "patient", never in descriptions, which name protocols and products
_TEST_OBJECT = re.compile(r"\b(?:QC|QA|PHANTOM|PHYSICS|QUALITY|FLAT ?FIELD)\b|^PHY\d")


def _presentation_intent(header: Header) -> str | None:
    intent = header.upper("PresentationIntentType")
    if intent == "FOR PRESENTATION":
        return None
    return f"Only FOR PRESENTATION images are analysed: PresentationIntentType {intent or 'is absent'}."


def _primary(header: Header) -> str | None:
    values = header.texts("ImageType")
    if len(values) >= 2 and values[1].upper() == "PRIMARY":
        return None
    return f"Not known to be an acquired image: ImageType {header.text('ImageType') or 'is absent'}."


def _contrast(header: Header) -> str | None:
    for keyword, pattern in (("ImageType", _CONTRAST_TYPE), ("SeriesDescription", _CONTRAST_DESCRIPTION)):
        if pattern.search(header.upper(keyword)):
            return f"Contrast-enhanced mammogram: {keyword} {header.text(keyword)}."
    if header.text("ContrastBolusAgent"):  # sent empty by some senders of plain views
        return f"Contrast-enhanced mammogram: ContrastBolusAgent {header.text('ContrastBolusAgent')}."
    if header.items("ContrastBolusAgentSequence"):
        return "Contrast-enhanced mammogram: ContrastBolusAgentSequence is present."
    return None


def _magnification(header: Header) -> str | None:
    factor = header.number("EstimatedRadiographicMagnificationFactor")
    source = "EstimatedRadiographicMagnificationFactor"
    if factor is None:
        detector, patient = header.number("DistanceSourceToDetector"), header.number("DistanceSourceToPatient")
        if not detector or not patient:
            return _small_focus(header)
        factor, source = detector / patient, "DistanceSourceToDetector / DistanceSourceToPatient"
    return None if 0 < factor <= MAGNIFICATION_LIMIT else f"Magnified view: {source} is {factor:.3g}."


def _small_focus(header: Header) -> str | None:
    """What the focal spot tells of a view whose magnification is not known; with two values, the smaller."""
    small = [size for size in header.numbers("FocalSpots") if 0 < size <= SMALL_FOCAL_SPOT]
    return f"Magnified view: FocalSpots is {small[0]:.3g} mm, which contact views do not use." if small else None


def _lossy_compression(header: Header) -> str | None:
    declared, syntax = header.text("LossyImageCompression"), header.transfer_syntax_uid
    if declared not in ("", "00"):
        return f"The image was compressed with loss: LossyImageCompression {declared}."
    if syntax in _LOSSLESS_SYNTAXES or (syntax in _EITHER_SYNTAXES and declared == "00"):
        return None
    return f"The image may have been compressed with loss: transfer syntax {syntax or 'not known'}."


def _quality_control(header: Header) -> str | None:
    control = header.upper("QualityControlImage")
    if control not in ("", "NO"):
        return f"Quality-control image: QualityControlImage {control}."
    for keyword in ("PatientName", "PatientID"):
        found = _TEST_OBJECT.search(re.sub(r"[\^=_]+", " ", header.upper(keyword)))
        if found:
            return f"Quality-control image: {keyword} contains {found.group()}."
    status = header.upper("ExposureStatus")
    return None if status in ("", "NORMAL") else f"Not a regular exposure: ExposureStatus {status}."


def _burned_in(header: Header) -> str | None:
    burned_in = header.upper("BurnedInAnnotation")  # type 1 in PS3.3 C.8.11.7: its absence says nothing good
    return None if burned_in == "NO" else f"Text may be burned in: BurnedInAnnotation {burned_in or 'is absent'}."


def _frames(header: Header) -> str | None:
    frames = header.text("NumberOfFrames")
    return None if frames in ("", "1") else f"Image with several frames: NumberOfFrames {frames}."


def _monochrome(header: Header) -> str | None:
    samples, photometric = header.text("SamplesPerPixel"), header.upper("PhotometricInterpretation")
    if samples == "1" and photometric in ("MONOCHROME1", "MONOCHROME2"):
        return None
    return f"Not a greyscale image: SamplesPerPixel {samples or 'absent'}, {photometric or 'no photometry'}."


_NOT_KNOWN_HERE = "optional, type 3: senders of plain views leave it out"

RULES: tuple[Rule[Header], ...] = (
    Rule("not-for-presentation", "PresentationIntentType is FOR PRESENTATION", _presentation_intent),
    Rule("synthetic-2d", "the second value of ImageType is PRIMARY", _primary),
    Rule(
        "contrast-enhanced",
        "ImageType, SeriesDescription and contrast agent elements tell of none",
        _contrast,
        "ImageType refused; the others optional: sent only where contrast agent was given",
    ),
    Rule(
        "magnification",
        f"magnification, if known, is at most {MAGNIFICATION_LIMIT}; else FocalSpots above {SMALL_FOCAL_SPOT} mm",
        _magnification,
        "optional, type 3: a magnification view is also told by its view modifier, and by its size",
    ),
    Rule(
        "lossy-compression",
        "LossyImageCompression and transfer syntax rule out loss",
        _lossy_compression,
        "refused unless the transfer syntax cannot lose anything",
    ),
    Rule(
        "quality-control",
        "QualityControlImage, ExposureStatus and patient name tell of no test",
        _quality_control,
        _NOT_KNOWN_HERE,
    ),
    Rule("burned-in-annotation", "BurnedInAnnotation is NO", _burned_in),
    Rule("multi-frame", "NumberOfFrames is 1 or absent", _frames, "absent in every single-frame image"),
    Rule("not-monochrome", "SamplesPerPixel is 1 and PhotometricInterpretation MONOCHROME1 or 2", _monochrome),
)
