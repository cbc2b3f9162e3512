"""Report: what stands on the summary page, apart from how it is drawn. Input: a finding. Output: lines and a table.

The secondary capture and the PDF show the same words. None of them names the patient.
"""

from dataclasses import dataclass

from triage.core.finding import ImageFinding, OperatingPoint, Outcome, StudyFinding
from triage.core.reasons import CODE_VALUES, Reason
from triage.report.composite import Device
from triage.report.wording import (
    DEMONSTRATION,
    EVERY_EXAM_IS_READ,
    OUTCOMES,
    SCORE,
    SENSITIVITY,
    image_name,
    image_sentence,
    is_demonstration,
    scored,
    shown,
)

TITLE = "Mammography triage"
COLUMNS = ("View", "Result", "Score", "Threshold", "Note")
_SIDES = {"R": "Right", "L": "Left"}


@dataclass(frozen=True)
class Summary:
    """Everything on the page, in reading order."""

    outcome: str
    sentence: str
    notice: str
    demonstration: str
    """Empty if neither model nor threshold is for demonstration."""
    rows: tuple[tuple[str, ...], ...]
    """One an image, by `COLUMNS`."""
    reasons: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


def summarise(finding: StudyFinding, device: Device) -> Summary:
    """The page of one finding."""
    names = {image.sop_instance_uid: view_name(image) for image in finding.images}
    return Summary(
        outcome=OUTCOMES[finding.outcome],
        sentence=_sentence(finding),
        notice=EVERY_EXAM_IS_READ,
        demonstration=DEMONSTRATION if is_demonstration(finding) else "",
        rows=tuple(_row(image, finding) for image in finding.images),
        reasons=tuple(dict.fromkeys(_reason(found, names) for found in finding.reasons)),
        facts=_facts(finding, device),
        remarks=(SCORE, SENSITIVITY),
    )


def view_name(image: ImageFinding) -> str:
    """`Right MLO`; an object without a view is named by the end of its UID."""
    side = _SIDES.get(image.laterality or "", image.laterality or "")
    name = f"{side} {image.view_position or ''}".strip()
    return name or f"Object ...{image.sop_instance_uid[-8:]}"


def image_result(image: ImageFinding, finding: StudyFinding) -> str:
    """How the image's score stands to the operating point that decides the exam."""
    if not scored(image, finding) or image.logits is None or image.logits.fused is None:
        return "Not evaluated"
    threshold = finding.operating_point.threshold if finding.operating_point else None
    if threshold is None:
        return "No threshold"
    return "At or above threshold" if image.logits.fused >= threshold else "Below threshold"


def _sentence(finding: StudyFinding) -> str:
    """What follows from the outcome; the reasons have a place of their own on the page."""
    why = f", for the {'reason' if len(finding.reasons) == 1 else 'reasons'} below" if finding.reasons else ""
    match finding.outcome:
        case Outcome.CONFIDENTLY_NORMAL:
            return "Every view scored at or above the operating point."
        case Outcome.NOT_FLAGGED:
            below = "at least one view scored below the operating point"
            if finding.operating_point and finding.operating_point.threshold is None:
                below = "nothing is flagged at this operating point"
            return f"Read normally{why or ': ' + below}. This is no sign of disease."
        case Outcome.NOT_EVALUATED:
            return f"Read normally{why}."


def _row(image: ImageFinding, finding: StudyFinding) -> tuple[str, ...]:
    score, threshold = "", ""
    if scored(image, finding) and image.logits is not None and image.logits.fused is not None:
        score = f"{image.logits.fused:.3f}"
        point = finding.operating_point
        threshold = "" if point is None or point.threshold is None else f"{point.threshold:.3f}"
    sentence = image_sentence(image, finding) or ""
    note = sentence.removeprefix("Not evaluated: ").removeprefix("Not evaluated, because the exam is not.")
    return view_name(image), image_result(image, finding), score, threshold, note[:1].upper() + note[1:]


def _reason(found: Reason, names: dict[str, str]) -> str:
    name = names.get(found.sop_instance_uid or "")
    return f"{CODE_VALUES[found.code]}  {name + ': ' if name else ''}{found.text.rstrip('.')}."


def _facts(finding: StudyFinding, device: Device) -> tuple[tuple[str, str], ...]:
    facts = [*_point_facts(finding.operating_point)]
    if finding.operating_point and finding.operating_point.kind != "image" and _scores_count(finding):
        facts.append(("Exam score", f"{finding.exam_score:.3f}, the least of its views"))
    if finding.bundle:
        digest = finding.bundle.sha256[:12]
        facts.append(("Models", f"{finding.bundle.name} {finding.bundle.version}, digest {digest}..."))
    facts.append(("Service", f"{device.name} {device.software_version}, {device.manufacturer}"))
    facts.append(("Decided", f"{finding.decided_at[:19].replace('T', ' ')} UTC, revision {finding.revision}"))
    return tuple(facts)


def _scores_count(finding: StudyFinding) -> bool:
    return finding.exam_score is not None and any(scored(image, finding) for image in finding.images)


def _point_facts(point: OperatingPoint | None) -> list[tuple[str, str]]:
    if point is None:
        return [("Operating point", "none in force")]
    decides = {"image": "every image is held against it", "exam_min": "the least score of the exam is held against it"}
    limited = ", limited by safety" if point.limited_by_safety else ""
    return [
        ("Operating point", f"{point.id}{limited}"),
        ("Threshold", f"{shown(point.threshold)}; {decides.get(point.kind, point.kind)}"),
    ]


def banner(image: ImageFinding, finding: StudyFinding) -> tuple[str, ...]:
    """The short form, for a corner of one image."""
    lines = [f"Triage: exam {OUTCOMES[finding.outcome].lower()}"]
    if scored(image, finding) and image.logits is not None and image.logits.fused is not None:
        lines.append(f"{image_name(image)} score {image.logits.fused:.3f} (higher: more surely normal)")
    elif codes := dict.fromkeys(CODE_VALUES[found.code] for found in (*image.reasons, *finding.reasons)):
        lines.append(f"Reason {', '.join(list(codes)[:4])}")
    lines.append("Preliminary. Read by a radiologist all the same.")
    return (*lines, "Demonstration, not for clinical use") if is_demonstration(finding) else tuple(lines)
