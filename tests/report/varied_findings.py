"""Studies of every sort to make result objects of: outcomes, operating points, names of many scripts, poor headers."""

from dataclasses import replace
from functools import cache

from mg_headers import four_views, mg_header
from pydicom.dataset import Dataset
from report_findings import CASES, NORMAL, POINT, SUSPICIOUS, case, decided

from triage.core.finding import OperatingPoint, Outcome, StudyFinding
from triage.core.reasons import CODE_VALUES, reason

Study = tuple[StudyFinding, list[Dataset]]
EXAM_POINT = OperatingPoint("op-exam", "exam_min", 0.5, demonstration=False, image_threshold=1.25)
NAMES = {
    "greek": "Διονυσιος",
    "arabic": "قباني^لنزار",
    "korean": "Hong^Gildong=洪^吉洞=홍^길동",
    "chinese": "Zhang^XiaoDong=张^小东",
    "thai": "สมหญิง^ใจดี",
    "long": "N" * 64,
}
OPTIONAL = ("IssuerOfPatientID", "PatientAge", "StudyDescription", "StudyID", "ReferringPhysicianName", "StationName")


def voi_lut() -> Dataset:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4096, 0, 12])
    table.LUTExplanation = "NORMAL"
    table.add_new("LUTData", "US", [4095 * n * n // 4095**2 for n in range(4096)])
    return table


def windowed(**changes: object) -> list[Dataset]:
    return four_views(**({"WindowCenter": ["2000", "1500"], "WindowWidth": ["1000", "3000"]} | changes))


def exam_point(scores: list[float], outcome: Outcome) -> Study:
    datasets = windowed()
    finding = decided(datasets, scores, operating_point=EXAM_POINT, outcome=outcome, reasons=())
    images = tuple(replace(one, flagged=(one.logits.fused or 0.0) >= 0.5) for one in finding.images if one.logits)
    return replace(finding, images=images), datasets


def undecided(**changes: object) -> Study:
    fields = {"outcome": Outcome.NOT_EVALUATED, "reasons": (reason("uncalibrated-device"),)} | changes
    return decided(four_views(), [NORMAL] * 4, **fields), four_views()


def scored(datasets: list[Dataset], scores: list[float] | None = None, point: OperatingPoint = POINT) -> Study:
    return decided(datasets, scores or [NORMAL] * 4, operating_point=point), datasets


@cache
def studies() -> dict[str, Study]:
    """More than twenty studies by name. They are shared: whoever changes one copies it first."""
    all_reasons = tuple(reason(code, sop_instance_uid=f"{one}") for code in CODE_VALUES for one in range(3))
    none = OperatingPoint("op-none", "image", None)
    found = {name: case(name) for name in CASES if name not in ("ge", "siemens")}
    found |= {name: scored(four_views(PatientName=value)) for name, value in NAMES.items()}
    found |= {f"without-{keyword}": scored(four_views(**{keyword: None})) for keyword in OPTIONAL[:3]}
    return found | {
        "exam-normal": exam_point([1.0, NORMAL, NORMAL, NORMAL], Outcome.CONFIDENTLY_NORMAL),
        "exam-not-flagged": exam_point([SUSPICIOUS, NORMAL, NORMAL, NORMAL], Outcome.NOT_FLAGGED),
        "no-threshold": (
            decided(four_views(), None, operating_point=none, outcome=Outcome.NOT_FLAGGED, reasons=()),
            four_views(),
        ),
        "no-bundle": undecided(bundle=None, operating_point=None),
        "every-reason": undecided(reasons=all_reasons),
        "uncalibrated": undecided(),
        "no-optional": scored(four_views(**dict.fromkeys(OPTIONAL))),
        "time-zone": scored(four_views(TimezoneOffsetFromUTC="+0530")),
        "windows": scored(windowed()),
        "sigmoid": scored(windowed(VOILUTFunction="SIGMOID")),
        "voi-lut": scored(four_views(VOILUTSequence=[voi_lut()])),
        "monochrome1": scored(windowed(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")),
        "repeat": scored([*four_views(), mg_header("RCC", SOPInstanceUID="1.2.840.99.1")], [NORMAL] * 5),
        "no-spacing": scored(four_views(ImagerPixelSpacing=None, PatientOrientation=None)),
        "validated-point": scored(four_views(), point=replace(POINT, demonstration=False)),
    }
