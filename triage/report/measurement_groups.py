"""Report: what was found, as measurement groups of TID 1501: one for each image, then one for the exam.

Input: the finding. Output: content items. highdicom builds the rows; TEXT rows, which its classes lack, are added here.
"""

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    FindingSite,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from triage.core.finding import ImageFinding, Outcome, StudyFinding
from triage.core.reasons import Reason
from triage.report import codes as triage
from triage.report.composite import Device
from triage.report.identifiers import uid
from triage.report.image_library import is_image
from triage.report.wording import (
    DEMONSTRATION,
    SENSITIVITY,
    exam_sentences,
    image_name,
    image_sentence,
    is_demonstration,
    scored,
    shown,
)

EXAM_CATEGORIES = {
    Outcome.CONFIDENTLY_NORMAL: triage.CONFIDENTLY_NORMAL,
    Outcome.NOT_FLAGGED: triage.NOT_FLAGGED,
    Outcome.NOT_EVALUATED: triage.NOT_EVALUATED,
}


def measurement_groups(finding: StudyFinding, device: Device) -> list[MeasurementsAndQualitativeEvaluations]:
    """Every image in the order of the finding, then the exam. There is always the exam's group."""
    algorithm = _algorithm(finding, device)
    return [*(_image_group(image, finding, algorithm) for image in finding.images), _exam_group(finding, algorithm)]


def _image_group(
    image: ImageFinding, finding: StudyFinding, algorithm: AlgorithmIdentification
) -> MeasurementsAndQualitativeEvaluations:
    side = triage.SIDES.get(image.laterality or "")
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid(image.sop_instance_uid, "tracked image"), image_name(image)),
        finding_sites=[FindingSite(triage.BREAST, laterality=side)],
        algorithm_id=algorithm,
        measurements=_measurements(image, finding),
        qualitative_evaluations=_evaluations(_image_category(image, finding), image.reasons),
    )
    content = group[0].ContentSequence
    if sentence := image_sentence(image, finding):
        content.append(TextContentItem(codes.DCM.Comment, sentence, "CONTAINS"))
    if is_image(image.sop_class_uid, image.sop_instance_uid):
        content.append(SourceImageForMeasurementGroup(image.sop_class_uid, image.sop_instance_uid))
    return group


def _exam_group(finding: StudyFinding, algorithm: AlgorithmIdentification) -> MeasurementsAndQualitativeEvaluations:
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid(finding.study_instance_uid, "tracked exam"), "exam"),
        finding_sites=[FindingSite(triage.BREAST)],
        algorithm_id=algorithm,
        measurements=_exam_measurements(finding),
        qualitative_evaluations=_evaluations(EXAM_CATEGORIES[finding.outcome], finding.reasons),
    )
    for sentence in exam_sentences(finding):
        group[0].ContentSequence.append(TextContentItem(codes.DCM.Comment, sentence, "CONTAINS"))
    return group


def _image_category(image: ImageFinding, finding: StudyFinding) -> Code:
    if not scored(image, finding):
        return triage.NOT_EVALUATED
    return triage.IMAGE_FLAGGED if image.flagged else triage.IMAGE_NOT_FLAGGED


def _measurements(image: ImageFinding, finding: StudyFinding) -> list[Measurement]:
    """Score and threshold, both dimensionless logits, for an image whose score is part of the answer."""
    if not scored(image, finding) or image.logits is None or image.logits.fused is None:
        return []
    measurements = [Measurement(triage.NORMALITY_SCORE, float(image.logits.fused), triage.NO_UNITS)]
    point = finding.operating_point
    if point is not None and point.threshold is not None:
        measurements.append(Measurement(triage.THRESHOLD, float(point.threshold), triage.NO_UNITS))
    return measurements


def _exam_measurements(finding: StudyFinding) -> list[Measurement]:
    """Exam score and threshold, where the threshold was found for exams."""
    point, score = finding.operating_point, finding.exam_score
    if point is None or point.kind == "image" or score is None or finding.outcome is Outcome.NOT_EVALUATED:
        return []
    measurements = [Measurement(triage.EXAM_SCORE, float(score), triage.NO_UNITS)]
    if point.threshold is not None:
        measurements.append(Measurement(triage.THRESHOLD, float(point.threshold), triage.NO_UNITS))
    return measurements


def _evaluations(category: Code, reasons: tuple[Reason, ...]) -> list[QualitativeEvaluation]:
    """The category and each different reason."""
    values = [(triage.TRIAGE_CATEGORY, category)]
    values += [(triage.REASON, triage.REASONS[code]) for code in dict.fromkeys(found.code for found in reasons)]
    return [
        QualitativeEvaluation(CodedConcept.from_code(name), CodedConcept.from_code(value)) for name, value in values
    ]


def _algorithm(finding: StudyFinding, device: Device) -> AlgorithmIdentification:
    """TID 4019: which models at which operating point; the service itself where no model was reached."""
    bundle = finding.bundle
    return AlgorithmIdentification(
        name=bundle.name if bundle else device.name,
        version=bundle.version if bundle else device.software_version,
        parameters=parameters_of(finding),
    )


def parameters_of(finding: StudyFinding) -> list[str]:
    """What the algorithm was run with, one text each."""
    bundle, point = finding.bundle, finding.operating_point
    parameters = [f"bundle sha256={bundle.sha256}"] if bundle else []
    if point:
        parameters += [f"operating point={point.id}", f"kind={point.kind}", f"threshold={shown(point.threshold)}"]
        if point.image_threshold is not None and point.kind != "image":
            parameters.append(f"image threshold for comparison={point.image_threshold:.6f}")
        parameters += [SENSITIVITY]
        parameters += ["threshold limited by safety"] if point.limited_by_safety else []
    return [*parameters, DEMONSTRATION] if is_demonstration(finding) else parameters
