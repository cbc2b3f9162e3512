"""The rule: image logits and reasons in, exam outcome out.

An image is flagged when its stored fused logit is at or above the threshold. An exam is confidently normal only if all
four standard views are eligible and every image is flagged. The kinds of operating point differ in how the threshold
was found, not in how it is used: `image` is the papers', for which one normal image in five is flagged; `exam_min` is
found on the least score of whole exams, for which one normal exam in five is. Whatever is in doubt is `not evaluated`.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from triage.core.finding import ImageFinding, Logits, OperatingPoint, Outcome
from triage.core.reasons import Reason, reason
from triage.core.views import STANDARD_VIEWS
from triage.decide.operating_point import round_score

TOLERANCE = 1e-3
"""Logit distance within which two runtimes may disagree: nothing is flagged there."""


def judge_image(image: ImageFinding, operating_point: OperatingPoint) -> ImageFinding:
    """The image with its logits rounded and its flag set; a missing or non-finite score becomes a reason."""
    if image.logits is None:
        return replace(image, flagged=False)
    scores = (image.logits.dual_view, image.logits.whole_image, image.logits.fused)
    if any(score is not None and not math.isfinite(score) for score in scores):
        found = reason("non-finite-score", sop_instance_uid=image.sop_instance_uid)
        return replace(image, logits=None, flagged=False, reasons=(*image.reasons, found))
    rounded = Logits(*(None if score is None else round_score(score) for score in scores))
    threshold, fused = operating_point.threshold, rounded.fused
    flagged = image.eligible and fused is not None and threshold is not None and fused >= threshold
    return replace(image, logits=rounded, flagged=flagged)


def judge_exam(
    images: Sequence[ImageFinding], exam_reasons: Sequence[Reason], operating_point: OperatingPoint | None
) -> tuple[Outcome, tuple[ImageFinding, ...], tuple[Reason, ...]]:
    """Outcome, judged images and all reasons of one exam.

    Args:
        images: every mammogram that counts, eligible or not.
        exam_reasons: what speaks against evaluating the exam as a whole.
        operating_point: the threshold in force; None if there is none, and then `exam_reasons` say why.
    """
    point = operating_point or OperatingPoint("", "exam_min", None)
    judged = tuple(judge_image(image, point) for image in images)
    reasons = list(exam_reasons)
    if operating_point is None and not reasons:
        reasons.append(reason("uncalibrated-device"))
    reasons += [found for image in judged for found in image.reasons if found not in reasons]
    scored = {image.view for image in judged if image.logits is not None and image.logits.fused is not None}
    missing = [view for view in STANDARD_VIEWS if view not in scored]
    if missing and not reasons:
        reasons.append(
            reason("views-missing", f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
        )
    if reasons:
        # An image's flag would read as a promise beside a refused exam: none is given.
        return Outcome.NOT_EVALUATED, tuple(replace(image, flagged=False) for image in judged), tuple(reasons)
    if not all(image.flagged for image in judged):
        return Outcome.NOT_FLAGGED, judged, ()
    close = [image for image in judged if _too_close(image, point)]
    if close:
        found = tuple(
            reason("within-tolerance-of-threshold", sop_instance_uid=image.sop_instance_uid) for image in close
        )
        return Outcome.NOT_FLAGGED, judged, found
    return Outcome.CONFIDENTLY_NORMAL, judged, ()


def _too_close(image: ImageFinding, operating_point: OperatingPoint) -> bool:
    if image.logits is None or image.logits.fused is None or operating_point.threshold is None:
        return True
    return round_score(abs(image.logits.fused - operating_point.threshold)) <= TOLERANCE
