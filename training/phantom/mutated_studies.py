"""Studies with a defect that no image shows alone: views, patients, days, devices; and changes that harm nothing."""

from copy import deepcopy

from pydicom.dataset import Dataset

from training.phantom.mutations import Change, Mutation, Rng, Study, code_item, on_all, on_one

_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
_NIPPLE_IN_PROFILE = "442581004"
_VIEWS = ("399260004", "399192008", "399352003")  # ML, XCCL, LM


def _copied(ds: Dataset) -> Dataset:
    """The same image once more, under a UID of its own."""
    made = deepcopy(ds)
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"{ds.SOPInstanceUID}.9"
    return made


def _missing(count: int) -> Change:
    def change(study: Study, rng: Rng) -> None:
        for _ in range(count):
            del study[int(rng.integers(len(study)))]

    return change


def _extra_view(study: Study, rng: Rng) -> None:
    ds = _copied(study[int(rng.integers(len(study)))])
    item = code_item(_VIEWS[int(rng.integers(len(_VIEWS)))])
    item.ViewModifierCodeSequence = []
    ds.ViewCodeSequence = [item]
    del ds.ViewPosition
    study.append(ds)


def _extra_spot(study: Study, rng: Rng) -> None:
    ds = _copied(study[int(rng.integers(len(study)))])
    item = deepcopy(ds.ViewCodeSequence[0])
    item.ViewModifierCodeSequence = [code_item("399055006")]
    ds.ViewCodeSequence = [item]
    study.append(ds)


def _repeat_of_another_patient(study: Study, rng: Rng) -> None:
    ds = _copied(study[int(rng.integers(len(study)))])
    ds.PatientID = f"{ds.PatientID}-OTHER"
    study.append(ds)


def _swapped(keywords: tuple[str, ...], first: int, second: int) -> Change:
    """Exchange elements between two images, in the order RCC, LCC, RMLO, LMLO."""

    def change(study: Study, rng: Rng) -> None:
        one, other = study[first], study[second]
        for keyword in keywords:
            mine, theirs = one[keyword].value, other[keyword].value
            setattr(one, keyword, theirs)
            setattr(other, keyword, mine)

    return change


def _views_of_both_swapped(study: Study, rng: Rng) -> None:
    for first, second in ((0, 2), (1, 3)):
        _swapped(("ViewCodeSequence", "ViewPosition"), first, second)(study, rng)


def _raw_twin(study: Study, rng: Rng) -> None:
    ds = _copied(study[int(rng.integers(len(study)))])
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = _PROCESSING
    ds.PresentationIntentType = "FOR PROCESSING"
    study.append(ds)


def _repeat(study: Study, rng: Rng) -> None:
    study.append(_copied(study[int(rng.integers(len(study)))]))


def _nipple_in_profile(study: Study, rng: Rng) -> None:
    item = study[0].ViewCodeSequence[0]
    item.ViewModifierCodeSequence = [code_item(_NIPPLE_IN_PROFILE)]


def _mutation(name: str, codes: tuple[str, ...], change: Change, group: str = "study") -> Mutation:
    return Mutation(name, group, frozenset(codes), change)


STUDY_MUTATIONS = (
    _mutation("one view missing", ("views-missing",), _missing(1)),
    _mutation("two views missing", ("views-missing",), _missing(2)),
    _mutation("three views missing", ("views-missing",), _missing(3)),
    _mutation("an extra diagnostic view", ("views-extra",), _extra_view),
    _mutation("an extra spot view", ("view-modifier",), _extra_spot),
    _mutation("a repeat under another PatientID", ("patient-mismatch",), _repeat_of_another_patient),
    _mutation("ImageLaterality of CC swapped", ("laterality-conflict",), _swapped(("ImageLaterality",), 0, 1)),
    _mutation("ImageLaterality of MLO swapped", ("laterality-conflict",), _swapped(("ImageLaterality",), 2, 3)),
    _mutation(
        "laterality and orientation swapped",
        ("orientation-conflict", "laterality-conflict"),
        _swapped(("ImageLaterality", "PatientOrientation"), 0, 1),
    ),
    _mutation("views of one breast swapped", ("view-unknown",), _swapped(("ViewCodeSequence", "ViewPosition"), 0, 2)),
    _mutation("views of both breasts swapped", ("view-unknown",), _views_of_both_swapped),
    _mutation("one image of another PatientID", ("patient-mismatch",), on_one({"PatientID": "OTHER-1"})),
    _mutation("one image of another PatientName", ("patient-mismatch",), on_one({"PatientName": "OTHER^NAME"})),
    _mutation("one image without PatientName", ("patient-mismatch",), on_one({"PatientName": None})),
    _mutation("one image of another birth date", ("patient-mismatch",), on_one({"PatientBirthDate": "19610101"})),
    _mutation("one image of another issuer", ("patient-mismatch",), on_one({"IssuerOfPatientID": "ELSEWHERE"})),
    _mutation("one image of another StudyDate", ("different-acquisition",), on_one({"StudyDate": "20230105"})),
    _mutation("one image of another day", ("different-acquisition",), on_one({"AcquisitionDate": "20230105"})),
    _mutation("one image of another model", ("different-acquisition",), on_one({"ManufacturerModelName": "Other"})),
    _mutation("one image of another machine", ("different-acquisition",), on_one({"DeviceSerialNumber": "X-9"})),
    _mutation("one image of other software", ("different-acquisition",), on_one({"SoftwareVersions": "Z9"})),
    _mutation("one image of another site", ("different-acquisition",), on_one({"InstitutionName": "Elsewhere"})),
    _mutation("one image without Manufacturer", ("uncalibrated-device",), on_one({"Manufacturer": None})),
    _mutation("one image without software version", ("uncalibrated-device",), on_one({"SoftwareVersions": None})),
)
"""View sets, patients and acquisitions that do not fit together."""

_DEVICE = ("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "InstitutionName", "DetectorType")
DEVICE_MUTATIONS = tuple(
    mutation
    for keyword in _DEVICE
    for mutation in (
        _mutation(f"{keyword} never seen", ("uncalibrated-device",), on_all({keyword: "NEVER SEEN"}), "device"),
        _mutation(f"{keyword} deleted in all", ("uncalibrated-device",), on_all({keyword: None}), "device"),
    )
)
"""Devices, sites and software for which nothing was calibrated."""

_OPTIONAL = (
    "BreastImplantPresent", "PartialView", "QualityControlImage", "EstimatedRadiographicMagnificationFactor",
    "DistanceSourceToDetector", "DistanceSourceToPatient", "BodyPartExamined", "PatientOrientation", "ViewPosition",
    "SeriesDescription", "StudyDescription", "PatientName", "PatientAge", "AccessionNumber", "ImagerPixelSpacing",
    "AcquisitionDate", "DeviceSerialNumber",
)  # fmt: skip
_ROUTINE = (
    "Screening mammography, bilateral", "Encounter for screening mammogram for malignant neoplasm of breast",
    "No history of surgery", "no lump or pain", "Keine Beschwerden", "Geen klachten", "Dépistage du cancer du sein",
)  # fmt: skip
HARMLESS = (
    *(_mutation(f"{keyword} deleted in all", (), on_all({keyword: None}), "harmless") for keyword in _OPTIONAL),
    _mutation("focal spot 0.3", (), on_all({"FocalSpots": "0.3"}), "harmless"),
    _mutation("routine request", (), on_all(*({"ReasonForStudy": text} for text in _ROUTINE)), "harmless"),
    _mutation("nipple in profile", (), _nipple_in_profile, "harmless"),
    _mutation("a raw twin", (), _raw_twin, "harmless"),
    _mutation("a repeat", (), _repeat, "harmless"),
)
"""Legal and common: none of it may cost the exam its answer."""
