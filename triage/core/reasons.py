"""Every reason for which an image or an exam is not evaluated: a stable code, a coded value for DICOM, a sentence.

Codes are never reused for another meaning. The sentence is written for radiologists; a rule may replace it by one that
names the offending value.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True)
class Reason:
    """Why something was not evaluated."""

    code: str
    text: str
    sop_instance_uid: str | None = None

    def on(self, sop_instance_uid: str) -> "Reason":
        """The same reason, said of one image."""
        return replace(self, sop_instance_uid=sop_instance_uid)


# code: (value in the private coding scheme 99MTRIAGE, sentence)
_CATALOGUE: dict[str, tuple[str, str]] = {
    # header
    "modality-not-mg": ("TRI-201", "Not a mammography image."),
    "not-for-presentation": ("TRI-202", "Raw image (FOR PROCESSING); only FOR PRESENTATION images are analysed."),
    "stereotactic": ("TRI-203", "Stereotactic biopsy view, not a screening view."),
    "specimen": ("TRI-204", "Specimen radiograph, not a breast view."),
    "tomosynthesis": ("TRI-205", "Tomosynthesis image; only full-field digital mammograms are analysed."),
    "synthetic-2d": ("TRI-206", "Synthetic 2D image made from tomosynthesis; not validated."),
    "contrast-enhanced": ("TRI-207", "Contrast-enhanced mammogram; not validated."),
    "view-unknown": ("TRI-208", "The header does not say which view this is."),
    "view-not-standard": ("TRI-209", "Not a CC or MLO view."),
    "view-modifier": ("TRI-210", "The view has a modifier (spot, magnified, rolled, implant displaced or similar)."),
    "laterality-unknown": ("TRI-211", "The header does not say which breast this is."),
    "laterality-conflict": ("TRI-212", "The header contradicts itself about which breast this is."),
    "partial-view": ("TRI-213", "Partial view: the breast is spread over several images."),
    "implant": ("TRI-214", "Breast implant present."),
    "magnification": ("TRI-215", "Magnified view."),
    "lossy-compression": ("TRI-216", "The image was compressed with loss."),
    "quality-control": ("TRI-217", "Quality-control or phantom image."),
    "burned-in-annotation": ("TRI-218", "Text may be burned into the image."),
    "multi-frame": ("TRI-219", "Image with several frames."),
    "not-monochrome": ("TRI-220", "Not a greyscale image."),
    "patient-mismatch": ("TRI-221", "The images of this study name different patients."),
    "sex-not-female": ("TRI-222", "Patient sex is not recorded as female."),
    "age-out-of-range": ("TRI-223", "Patient age is unknown or outside the validated range."),
    "views-missing": ("TRI-224", "At least one of the four standard views is missing."),
    "views-extra": ("TRI-225", "The exam holds views beyond the four standard ones."),
    "different-acquisition": ("TRI-226", "The images come from different days or devices."),
    "uncalibrated-device": ("TRI-227", "The operating point was not calibrated for this device."),
    "not-screening": (
        "TRI-228",
        "Not a screening exam: the request tells of symptoms, findings or an earlier disease.",
    ),
    # pixels
    "undecodable": ("TRI-301", "The file or its pixel data cannot be read."),
    "truncated": ("TRI-302", "The pixel data is shorter than the header says."),
    "size-unexpected": ("TRI-303", "The image size is outside the accepted range."),
    "blank-image": ("TRI-304", "The image is blank."),
    "clipped-image": ("TRI-305", "Too much of the breast is saturated."),
    "breast-not-found": ("TRI-306", "No breast was found in the image."),
    "orientation-conflict": ("TRI-307", "The header and the pixels disagree about the side of the chest wall."),
    "implant-suspected": ("TRI-308", "The pixels look like an implant."),
    "registration-failed": ("TRI-309", "The two breasts could not be aligned."),
    "out-of-distribution": ("TRI-310", "The image is unlike those that the model was made with."),
    "foreign-object-suspected": ("TRI-311", "The pixels show something like metal: a clip, wire, marker or pacemaker."),
    # run
    "non-finite-score": ("TRI-401", "The model returned no valid number."),
    "model-failed": ("TRI-402", "The model could not be run on this image."),
    "attempts-exhausted": ("TRI-403", "Analysis failed repeatedly and was given up."),
    "within-tolerance-of-threshold": ("TRI-404", "The score lies too close to the threshold to be flagged."),
    "calibration-suspended": ("TRI-405", "The calibration in use is suspended."),
    "calibration-expired": ("TRI-406", "The calibration in use has expired."),
}

SENTENCES = MappingProxyType({code: sentence for code, (_, sentence) in _CATALOGUE.items()})
CODE_VALUES = MappingProxyType({code: value for code, (value, _) in _CATALOGUE.items()})


def reason(code: str, text: str | None = None, sop_instance_uid: str | None = None) -> Reason:
    """A reason of the catalogue; `text` replaces the catalogue's sentence. An unknown code raises KeyError."""
    return Reason(code, text or SENTENCES[code], sop_instance_uid)


def is_of_header(found: Reason) -> bool:
    """True for what headers tell (TRI-2xx), before anybody looked at pixels or ran a model."""
    return CODE_VALUES[found.code].startswith("TRI-2")
