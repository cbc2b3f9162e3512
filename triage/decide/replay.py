"""Decide: a stored finding decided again. Input: the finding and its calibration. Output: the answer, and what differs.

The rule reads nothing but stored numbers and reasons, so a replay gives the same answer to the bit. Anything else means
that the finding, or the threshold it was decided by, was changed afterwards.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from triage.core.finding import ImageFinding, Logits, OperatingPoint, Outcome, StudyFinding
from triage.core.reasons import Reason
from triage.decide.rule import TOLERANCE, judge_exam

RULES_OWN = "within-tolerance-of-threshold"
"""The reason that the rule gives together with an answer; given back to it, it would refuse the exam."""


@dataclass(frozen=True)
class Replayed:
    """What the rule says today."""

    outcome: Outcome
    images: tuple[ImageFinding, ...]
    reasons: tuple[Reason, ...]
    identical: bool
    differences: tuple[str, ...]
    """In words, each naming what is stored and what should be; no patient's data."""


def replay(finding: StudyFinding, point: OperatingPoint | None) -> Replayed:
    """Decides the finding again from its stored logits and reasons.

    Args:
        finding: as it was stored; one that was given up (`attempts-exhausted`) replays to itself.
        point: the calibration that the ledger holds under `finding.operating_point.id`, or None if it holds none.
    """
    exam_reasons = tuple(found for found in finding.reasons if found.code != RULES_OWN)
    counted = [image for image in finding.images if not _set_aside(image, finding.reasons)]
    outcome, judged, reasons = judge_exam(counted, exam_reasons, point or finding.operating_point)
    again = {id(before): after for before, after in zip(counted, judged, strict=True)}
    images = tuple(again.get(id(image), image) for image in finding.images)
    differences = tuple(
        [
            *_point_differences(finding.operating_point, point),
            *_answer_differences(finding, outcome, reasons),
            *_image_differences(finding.images, images),
            *_contradictions(counted),
        ]
    )
    return Replayed(outcome, images, reasons, not differences, differences)


def compare_scores(finding: StudyFinding, rescored: Mapping[str, ImageFinding]) -> tuple[str, ...]:
    """How scores made anew from the pixels differ from the stored ones, and whether the answer would be another.

    Args:
        finding: as it was stored.
        rescored: by SOP Instance UID, every image that counts. Logits may be 1e-3 apart, as on another runtime.
    """
    found = [f"image {image.sop_instance_uid} was not scored again" for image in _scored(finding, rescored, False)]
    fresh = {image.sop_instance_uid: rescored[image.sop_instance_uid] for image in _scored(finding, rescored, True)}
    for image in finding.images:
        if image.sop_instance_uid in fresh:
            again = fresh[image.sop_instance_uid].logits
            found += [f"image {image.sop_instance_uid}: {text}" for text in _logit_differences(image.logits, again)]
    images = tuple(
        replace(image, logits=fresh[image.sop_instance_uid].logits) if image.sop_instance_uid in fresh else image
        for image in finding.images
    )
    answer = replay(replace(finding, images=images), finding.operating_point).outcome
    if answer != finding.outcome:
        found.append(f"outcome {finding.outcome}, from the pixels {answer}")
    return tuple(found)


def _scored(finding: StudyFinding, rescored: Mapping[str, ImageFinding], again: bool) -> list[ImageFinding]:
    return [image for image in finding.images if image.logits and (image.sop_instance_uid in rescored) == again]


def _set_aside(image: ImageFinding, reasons: tuple[Reason, ...]) -> bool:
    """An object that did not count toward the exam: the rule names every reason of one that does."""
    named = [found in reasons for found in image.reasons]
    return image.logits is None and not image.eligible and bool(named) and not any(named)


def _point_differences(stored: OperatingPoint | None, held: OperatingPoint | None) -> Iterator[str]:
    if stored is None:
        if held is not None:
            yield f"decided without a calibration, the ledger says by {held.id}"
        return
    if held is None:
        yield f"decided by calibration {stored.id}, which the ledger does not hold"
        return
    for field in fields(OperatingPoint):
        before, after = getattr(stored, field.name), getattr(held, field.name)
        if before != after:
            yield f"calibration {stored.id}: {field.name} {before}, in the ledger {after}"


def _answer_differences(finding: StudyFinding, outcome: Outcome, reasons: tuple[Reason, ...]) -> Iterator[str]:
    if finding.outcome != outcome:
        yield f"outcome {finding.outcome}, decided again {outcome}"
    if finding.reasons != reasons:
        yield f"reasons {_codes(finding.reasons)}; decided again {_codes(reasons)}"


def _image_differences(stored: tuple[ImageFinding, ...], again: tuple[ImageFinding, ...]) -> Iterator[str]:
    for before, after in zip(stored, again, strict=True):
        for field in fields(ImageFinding):
            one, other = getattr(before, field.name), getattr(after, field.name)
            if one == other:
                continue
            if field.name == "reasons":
                one, other = _codes(one), _codes(other)
            yield f"image {before.sop_instance_uid}: {field.name} {one}, decided again {other}"


def _codes(reasons: tuple[Reason, ...]) -> str:
    """Without their texts: one may name a patient."""
    return ", ".join(found.code for found in reasons) or "none"


def _logit_differences(stored: Logits | None, again: Logits | None) -> Iterator[str]:
    for field in fields(Logits):
        before, after = (getattr(logits, field.name) if logits else None for logits in (stored, again))
        near = before is not None and after is not None and abs(before - after) <= TOLERANCE
        if not near and not (before is None and after is None):
            yield f"{field.name} logit {before}, from the pixels {after}"


def _contradictions(images: Sequence[ImageFinding]) -> Iterator[str]:
    """What no image can be that the service wrote."""
    for image in images:
        codes = {found.code for found in image.reasons}
        if not image.eligible and not codes:
            yield f"image {image.sop_instance_uid} was refused without a reason"
        if image.ood is not None and image.ood > 1 and "out-of-distribution" not in codes:
            yield f"image {image.sop_instance_uid} is out of distribution ({image.ood}) and was not refused for it"
