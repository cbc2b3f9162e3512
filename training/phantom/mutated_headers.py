"""Studies with a defect in their headers: every header rule with its elements wrong, then deleted."""

from collections.abc import Sequence

from pydicom.dataset import Dataset

from training.phantom.mutations import Change, Mutation, Rng, Study, chosen, code_item, elements, on_all, on_one


def _view(value: str) -> list[Dataset]:
    item = code_item(value)
    item.ViewModifierCodeSequence = []
    return [item]


def _modified(value: str) -> Change:
    def change(study: Study, rng: Rng) -> None:
        for ds in chosen(study, rng):
            ds.ViewCodeSequence[0].ViewModifierCodeSequence = [code_item(value)]

    return change


def _other_orientation(study: Study, rng: Rng) -> None:
    """The orientation of the same view of the other breast."""
    ds = study[int(rng.integers(len(study)))]
    ds.PatientOrientation = ["A" if ds.ImageLaterality == "R" else "P", ds.PatientOrientation[1]]


def _other_laterality(study: Study, rng: Rng) -> None:
    ds = study[int(rng.integers(len(study)))]
    ds.ImageLaterality = "L" if ds.ImageLaterality == "R" else "R"


def _contradicting_laterality(study: Study, rng: Rng) -> None:
    ds = study[int(rng.integers(len(study)))]
    ds.Laterality = "L" if ds.ImageLaterality == "R" else "R"


def _contradicting_view(study: Study, rng: Rng) -> None:
    ds = study[int(rng.integers(len(study)))]
    ds.ViewPosition = "MLO" if ds.ViewPosition == "CC" else "CC"


_NO_MAGNIFICATION = {
    "EstimatedRadiographicMagnificationFactor": None,
    "DistanceSourceToDetector": None,
    "DistanceSourceToPatient": None,
}
_MG = "1.2.840.10008.5.1.4.1.1"
_ASIDE = ("views-missing",)
NOT_SCREENING = (
    "Palpable lump left breast", "Diagnostic mammography", "s/p lumpectomy 2019", "history of breast cancer",
    "Nachsorge Mammakarzinom", "Knoten rechts", "kurative Mammographie", "pijn links", "borstsparende operatie",
    "cancer du sein 2018", "douleur", "bulto en mama izquierda", "No lump, but nipple discharge", "recall",
)  # fmt: skip
_TOLD_IN = ("StudyDescription", "ReasonForStudy", "AdditionalPatientHistory", "AdmittingDiagnosesDescription")
_TYPES = (
    ["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D"],
    ["DERIVED", "SECONDARY"],
    ["ORIGINAL", "PRIMARY", "TOMO_2D"],
)

_WRONG: Sequence[tuple[str, Sequence[str], Change]] = (
    ("Modality wrong", ("modality-not-mg",), elements({"Modality": "CR"}, {"Modality": "DX"}, {"Modality": "OT"})),
    (
        "BodyPartExamined wrong",
        ("modality-not-mg",),
        elements({"BodyPartExamined": "CHEST"}, {"BodyPartExamined": "HAND"}),
    ),
    ("SOPClassUID of another modality", ("modality-not-mg", *_ASIDE), elements({"SOPClassUID": f"{_MG}.1.1"})),
    ("SOPClassUID For Processing", ("not-for-presentation", *_ASIDE), elements({"SOPClassUID": f"{_MG}.1.2.1"})),
    (
        "SOPClassUID tomosynthesis",
        ("tomosynthesis", *_ASIDE),
        elements({"SOPClassUID": f"{_MG}.13.1.3", "NumberOfFrames": 50}, {"SOPClassUID": f"{_MG}.13.1.4"}),
    ),
    (
        "PresentationIntentType wrong",
        ("not-for-presentation",),
        elements({"PresentationIntentType": "FOR PROCESSING"}, {"PresentationIntentType": ""}),
    ),
    (
        "ImageType of a biopsy",
        ("stereotactic",),
        elements({"ImageType": ["DERIVED", "PRIMARY", "STEREO", "LEFT"]}, {"ProtocolName": "Biopsy R"}),
    ),
    (
        "specimen",
        ("specimen",),
        elements(
            {"SeriesDescription": "Specimen"},
            {"ViewCodeSequence": _view("127457009")},
            {"SpecimenDescriptionSequence": [Dataset()]},
        ),
    ),
    (
        "synthetic 2D",
        ("synthetic-2d", *_ASIDE),
        elements(
            *({"ImageType": values} for values in _TYPES),
            {"SeriesDescription": "C-View"},
            {"SeriesDescription": "Insight 2D"},
        ),
    ),
    (
        "contrast",
        ("contrast-enhanced",),
        elements(
            {"ContrastBolusAgent": "Iohexol"},
            {"SeriesDescription": "R CC (LE)"},
            {"ImageType": ["DERIVED", "PRIMARY", "LOW_ENERGY"]},
            {"SeriesDescription": "CEM"},
        ),
    ),
    (
        "ViewCodeSequence wrong",
        ("view-unknown",),
        elements(
            {"ViewCodeSequence": _view("1234")},
            {"ViewCodeSequence": []},
            {"ViewCodeSequence": [code_item("399162004"), code_item("399368009")]},
        ),
    ),
    ("ViewPosition contradicts", ("view-unknown",), _contradicting_view),
    (
        "view not standard",
        ("view-not-standard", "view-unknown", *_ASIDE),
        elements(
            *(
                {"ViewCodeSequence": _view(value), "ViewPosition": None}
                for value in ("399260004", "399352003", "399192008", "399196006", "399188001")
            )
        ),
    ),
    ("spot compression", ("view-modifier",), _modified("399055006")),
    ("magnification modifier", ("view-modifier",), _modified("399163009")),
    ("implant displaced", ("view-modifier",), _modified("399209000")),
    ("rolled", ("view-modifier",), _modified("399197002")),
    ("modifier not known", ("view-modifier",), _modified("99999")),
    (
        "ImageLaterality wrong",
        ("laterality-unknown", "laterality-conflict"),
        elements({"ImageLaterality": "B"}, {"ImageLaterality": ""}, {"ImageLaterality": "U"}),
    ),
    ("ImageLaterality of the other breast", ("laterality-conflict",), _other_laterality),
    ("Laterality contradicts", ("laterality-conflict",), _contradicting_laterality),
    ("PatientOrientation mirrored", ("orientation-conflict",), _other_orientation),
    (
        "PatientOrientation rotated",
        ("orientation-conflict", "view-unknown"),
        elements({"PatientOrientation": ["F", "P"]}, {"PatientOrientation": ["L", "A"]}),
    ),
    (
        "partial view",
        ("partial-view",),
        elements({"PartialView": "YES"}, {"PartialViewCodeSequence": [code_item("1")]}),
    ),
    (
        "implant in the header",
        ("implant",),
        elements({"BreastImplantPresent": "YES"}, {"BreastImplantPresent": "UNKNOWN"}),
    ),
    (
        "magnification factor",
        ("magnification",),
        elements(
            {"EstimatedRadiographicMagnificationFactor": "1.8"},
            {"EstimatedRadiographicMagnificationFactor": "1.5"},
            {
                "EstimatedRadiographicMagnificationFactor": None,
                "DistanceSourceToDetector": "660",
                "DistanceSourceToPatient": "370",
            },
        ),
    ),
    (
        "small focal spot",
        ("magnification",),
        elements(_NO_MAGNIFICATION | {"FocalSpots": "0.1"}, _NO_MAGNIFICATION | {"FocalSpots": ["0.1", "0.3"]}),
    ),
    ("LossyImageCompression", ("lossy-compression",), elements({"LossyImageCompression": "01"})),
    ("quality control", ("quality-control",), elements({"QualityControlImage": "YES"}, {"ExposureStatus": "ABORTED"})),
    (
        "PatientName of a phantom",
        ("quality-control",),
        on_all({"PatientName": "QC^Weekly"}, {"PatientID": "PHANTOM_2"}),
    ),
    (
        "BurnedInAnnotation YES",
        ("burned-in-annotation",),
        elements({"BurnedInAnnotation": "YES"}, {"BurnedInAnnotation": ""}),
    ),
    ("several frames", ("multi-frame",), elements({"NumberOfFrames": 2})),
    (
        "colour",
        ("not-monochrome",),
        elements(
            {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, {"PhotometricInterpretation": "PALETTE COLOR"}
        ),
    ),
    (
        "grey scale wrong",
        ("undecodable",),
        elements({"VOILUTSequence": None, "WindowCenter": 100, "WindowWidth": 0}, {"BitsStored": 0}, {"HighBit": 3}),
    ),
    ("Rows 0", ("size-unexpected", "undecodable"), elements({"Rows": 0}, {"Columns": 0})),
    ("sex", ("sex-not-female",), elements({"PatientSex": "M"}, {"PatientSex": "O"}, {"PatientSex": ""})),
    (
        "age",
        ("age-out-of-range",),
        on_all(
            {"PatientBirthDate": "20100101"},
            {"PatientBirthDate": "19000101"},
            {"PatientBirthDate": "00000000", "PatientAge": "000Y"},
        ),
    ),
    ("request", ("not-screening",), elements(*({keyword: text} for keyword in _TOLD_IN for text in NOT_SCREENING))),
)

# Elements without which nothing can be told, and what their absence gives
_DELETED: Sequence[tuple[Sequence[str], Sequence[str]]] = (
    (("Modality",), ("modality-not-mg",)),
    (("ImageType",), ("synthetic-2d",)),
    (("PresentationIntentType",), ("not-for-presentation",)),
    (("ImageLaterality",), ("laterality-unknown",)),
    (("ViewCodeSequence",), ("view-unknown",)),
    (("BurnedInAnnotation",), ("burned-in-annotation",)),
    (("SamplesPerPixel",), ("not-monochrome",)),
    (("PhotometricInterpretation",), ("not-monochrome",)),
    (("Rows",), ("undecodable",)),
    (("Columns",), ("undecodable",)),
    (("BitsStored",), ("undecodable",)),
    (("BitsAllocated",), ("undecodable",)),
    (("PixelData",), ("truncated",)),
    (("PatientID",), ("patient-mismatch",)),
    (("PatientSex",), ("sex-not-female",)),
    (("StudyDate",), ("different-acquisition", "age-out-of-range")),
    (("PatientBirthDate", "PatientAge"), ("age-out-of-range", "patient-mismatch")),
)
# The same of the identifiers, of one image only: a study whose images all lack them cannot be named, nor reported
_UNNAMED: Sequence[tuple[str, Sequence[str]]] = (
    ("SOPClassUID", ("modality-not-mg", *_ASIDE)),
    ("SOPInstanceUID", ("undecodable",)),
    ("StudyInstanceUID", ("undecodable", *_ASIDE)),
    ("SeriesInstanceUID", ("undecodable",)),
)


def header_mutations() -> tuple[Mutation, ...]:
    """Every header rule with its elements wrong, then deleted."""
    wrong = tuple(Mutation(name, "header", frozenset(codes), change) for name, codes, change in _WRONG)
    deleted = tuple(
        Mutation(f"{' and '.join(keywords)} deleted", "header", frozenset(codes), elements(dict.fromkeys(keywords)))
        for keywords, codes in _DELETED
    )
    unnamed = tuple(
        Mutation(f"{keyword} deleted", "header", frozenset(codes), on_one({keyword: None}), sendable=False)
        for keyword, codes in _UNNAMED
    )
    return wrong + deleted + unnamed
