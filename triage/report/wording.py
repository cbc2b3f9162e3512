"""Report: the sentences that a radiologist reads. Input: findings. Output: English text."""

import math
from collections.abc import Iterable
from types import MappingProxyType

from triage.core.finding import ImageFinding, Outcome, StudyFinding
from triage.core.reasons import Reason

EVERY_EXAM_IS_READ = "Every exam is read by a radiologist. This result may change the order of reading, nothing else."
DEMONSTRATION = "Demonstration model, not validated: not for clinical use."
SENSITIVITY = "Sensitivity of the operating point counts normal as positive, the reverse of the usual reading."
LIMITED_BY_SAFETY = "The threshold is limited by safety: it flags fewer exams than was aimed at."
SCORE = "The score is a logit: higher is more surely normal. It is not the chance of anything."
OUTCOMES = MappingProxyType(
    {
        Outcome.CONFIDENTLY_NORMAL: "Confidently normal",
        Outcome.NOT_FLAGGED: "Not flagged",
        Outcome.NOT_EVALUATED: "Not evaluated",
    }
)


def shown(threshold: float | None) -> str:
    """A threshold as text."""
    return "none (nothing is flagged)" if threshold is None else f"{threshold:.6f}"


def exam_sentences(finding: StudyFinding) -> tuple[str, ...]:
    """The exam's answer, what it is good for, and when it was given."""
    sentences = [answer(finding), EVERY_EXAM_IS_READ]
    if is_demonstration(finding):
        sentences.append(DEMONSTRATION)
    return (*sentences, f"Revision {finding.revision}, decided at {finding.decided_at}.")


def image_sentence(image: ImageFinding, finding: StudyFinding) -> str | None:
    """Why an image was not evaluated or not flagged, or None if there is nothing to say."""
    if image.reasons:
        evaluated = scored(image, finding)
        return f"{'Note' if evaluated else 'Not evaluated'}: {_joined(image.reasons, {})}."
    if finding.outcome is Outcome.NOT_EVALUATED:
        return "Not evaluated, because the exam is not."
    return None


def image_name(image: ImageFinding) -> str:
    """`RMLO` for a standard view, what is known for any other, else the SOP Instance UID."""
    return f"{image.laterality or ''}{image.view_position or ''}" or image.sop_instance_uid


def scored(image: ImageFinding, finding: StudyFinding) -> bool:
    """True if the image's score is part of the answer. Beside a refused exam a score would read as a promise."""
    fused = image.logits.fused if image.logits else None
    return finding.outcome is not Outcome.NOT_EVALUATED and fused is not None and math.isfinite(fused)


def is_demonstration(finding: StudyFinding) -> bool:
    """True if the model or the threshold was made for demonstration."""
    return any(part is not None and part.demonstration for part in (finding.bundle, finding.operating_point))


def answer(finding: StudyFinding) -> str:
    """The exam's answer in one sentence, with its reasons."""
    names = {image.sop_instance_uid: image_name(image) for image in finding.images}
    why = _joined(finding.reasons, names)
    match finding.outcome:
        case Outcome.CONFIDENTLY_NORMAL:
            return "Confidently normal: every view scored at or above the operating point."
        case Outcome.NOT_FLAGGED:
            return f"Not flagged: read normally{', because ' + why if why else ''}. This is no sign of disease."
        case Outcome.NOT_EVALUATED:
            return f"Not evaluated: read normally{', because ' + why if why else ''}."


def _joined(reasons: Iterable[Reason], names: dict[str, str]) -> str:
    """Reasons as one clause, each image named, nothing said twice."""
    clauses = []
    for found in reasons:
        name = names.get(found.sop_instance_uid or "")
        text = found.text.rstrip(".")
        clauses.append(f"{name}: {text}" if name else _mid_sentence(text))
    return "; ".join(dict.fromkeys(clauses))


def _mid_sentence(text: str) -> str:
    """Lower case for a first word that is a word; `RMLO` and `FOR` stay."""
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
