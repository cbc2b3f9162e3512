"""Stored findings decided again: to the bit, and every edit is found."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from triage.core.finding import BundleIdentity, ImageFinding, Logits, OperatingPoint, Outcome, StudyFinding
from triage.core.reasons import reason
from triage.core.views import STANDARD_VIEWS, View
from triage.decide.replay import compare_scores, replay
from triage.decide.rule import judge_exam
from triage.store.codec import finding_from_json, finding_to_json

POINTS = (
    OperatingPoint("image", "image", 1.0, image_threshold=1.0),
    OperatingPoint("exam", "exam_min", 0.5, image_threshold=1.0),
    OperatingPoint("nothing", "exam_min", None, image_threshold=None),
)


def image(view: View, fused: float | None, **changes: object) -> ImageFinding:
    logits = None if fused is None else Logits(fused, fused / 3, fused)
    made = ImageFinding(f"1.2.{view}", "1.2.3", "1.2.4", view.laterality, view.view_position, True, logits=logits)
    return replace(made, **changes)  # type: ignore[arg-type]


def exam(fused: float | None = 2.0, **changes: ImageFinding) -> list[ImageFinding]:
    return [changes.get(view, image(view, fused)) for view in STANDARD_VIEWS]


REFUSED = reason("implant", sop_instance_uid="1.2.RCC")
BLANK = reason("blank-image", sop_instance_uid="1.2.LCC")
RAW = image(View.RCC, None, sop_instance_uid="1.2.99", eligible=False, reasons=(reason("not-for-presentation"),))
EXAMS: dict[str, tuple[list[ImageFinding], tuple[object, ...]]] = {
    "normal": (exam(), ()),
    "below": (exam(RMLO=image(View.RMLO, 0.1)), ()),
    "close": (exam(1.0005, RMLO=image(View.RMLO, 0.5005)), ()),
    "missing": (exam()[:3], ()),
    "missing, said by the exam rules": (exam()[:3], (reason("views-missing", "LMLO is missing"),)),
    "refused": (exam(RCC=image(View.RCC, None, eligible=False, reasons=(REFUSED,))), (reason("implant"), REFUSED)),
    "refused by its pixels": (exam(LCC=image(View.LCC, None, eligible=False, reasons=(BLANK,))), ()),
    "no number": (exam(LCC=image(View.LCC, float("nan"))), ()),
    "uncalibrated": (exam(), (reason("uncalibrated-device"),)),
    "repeat": ([*exam(), image(View.RCC, 0.7, sop_instance_uid="1.2.9")], ()),
    "nothing": ([], ()),
}


def stored(name: str, point: OperatingPoint | None, *set_aside: ImageFinding) -> StudyFinding:
    """As the pipeline decides it and the ledger gives it back."""
    images, reasons = EXAMS[name]
    outcome, judged, found = judge_exam(images, reasons, point)  # type: ignore[arg-type]
    bundle = BundleIdentity("tiny", "1", "ab" * 32, True)
    all_images = (*judged, *set_aside)
    made = StudyFinding("1.2", 1, outcome, found, all_images, point, bundle, None, "r", "2026-11-21T08:00:05+00:00")
    return finding_from_json(finding_to_json(made))


@pytest.mark.parametrize(("name", "point", "aside"), list(product(EXAMS, (*POINTS, None), ((), (RAW,)))))
def test_what_was_decided_is_decided_again(
    name: str, point: OperatingPoint | None, aside: tuple[ImageFinding, ...]
) -> None:
    finding = stored(name, point, *aside)
    again = replay(finding, point)
    assert again.differences == ()
    assert again.identical
    assert (again.outcome, again.images, again.reasons) == (finding.outcome, finding.images, finding.reasons)


def test_the_cases_cover_every_answer() -> None:
    outcomes = {stored(name, point).outcome for name, point in product(EXAMS, POINTS)}
    assert outcomes == set(Outcome)
    codes = {found.code for name, point in product(EXAMS, POINTS) for found in stored(name, point).reasons}
    assert {"within-tolerance-of-threshold", "views-missing", "non-finite-score", "blank-image"} <= codes


def test_thousands_of_random_exams_replay_identically() -> None:
    rng = np.random.default_rng(5)
    for _ in range(2000):
        scores = rng.normal(0.8, 0.4, 4)
        point = OperatingPoint("p", "exam_min", float(np.round(rng.normal(0.3, 0.3), 6)), image_threshold=0.9)
        images = [image(view, float(score)) for view, score in zip(STANDARD_VIEWS, scores, strict=True)]
        outcome, judged, found = judge_exam(images, (), point)
        finding = StudyFinding("1.2", 1, outcome, found, judged, point, None, None, "r", "")
        assert replay(finding_from_json(finding_to_json(finding)), point).identical


def test_a_study_that_was_given_up_replays_to_itself() -> None:
    images = (image(View.RCC, None), image(View.LCC, None, eligible=False, reasons=(BLANK,)))
    given_up = (reason("attempts-exhausted", "Analysis failed 5 times and was given up."),)
    finding = StudyFinding("1.2", 1, Outcome.NOT_EVALUATED, given_up, images, None, None, None, "r", "")
    assert replay(finding, None).identical


def edited_image(finding: StudyFinding, **changes: object) -> StudyFinding:
    return replace(finding, images=(replace(finding.images[0], **changes), *finding.images[1:]))  # type: ignore[arg-type]


EDITS: dict[str, tuple[str, Callable[[StudyFinding], StudyFinding], str]] = {
    "outcome": ("below", lambda one: replace(one, outcome=Outcome.CONFIDENTLY_NORMAL), "outcome"),
    "a score": ("below", lambda one: edited_image(one, logits=Logits(0.0, 0.0, 0.4)), "flagged True"),
    "a flag": ("below", lambda one: edited_image(one, flagged=False), "flagged False, decided again True"),
    "a reason gone": ("refused", lambda one: replace(one, reasons=()), "reasons none"),
    "reason and outcome": (
        "uncalibrated",
        lambda one: replace(one, reasons=(), outcome=Outcome.CONFIDENTLY_NORMAL),
        "flagged False, decided again True",
    ),
    "tolerance": ("close", lambda one: replace(one, reasons=(), outcome=Outcome.CONFIDENTLY_NORMAL), "outcome"),
    "an image gone": ("normal", lambda one: replace(one, images=one.images[:3]), "views-missing"),
    "an image's reason": ("refused by its pixels", lambda one: edited_image(one, reasons=(REFUSED,)), "implant"),
    "refusal": ("normal", lambda one: edited_image(one, eligible=False), "without a reason"),
    "unlike all": ("normal", lambda one: edited_image(one, ood=1.5), "out of distribution"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_found_and_named(name: str) -> None:
    source, edit, expected = EDITS[name]
    finding = stored(source, POINTS[0])
    again = replay(edit(finding), POINTS[0])
    assert not again.identical
    assert expected in " ".join(again.differences)


def test_an_edited_threshold_is_found_from_either_side() -> None:
    finding, point = stored("below", POINTS[0]), POINTS[0]
    lowered = replace(point, threshold=0.05)
    again = replay(replace(finding, operating_point=lowered), point)
    assert again.differences == ("calibration image: threshold 0.05, in the ledger 1.0",)
    again = replay(finding, lowered)
    assert again.outcome is Outcome.CONFIDENTLY_NORMAL, "decided by what the ledger holds"
    assert "outcome not_flagged, decided again confidently_normal" in again.differences
    assert replay(finding, None).differences == ("decided by calibration image, which the ledger does not hold",)
    assert not replay(replace(finding, operating_point=None), point).identical


def test_differences_name_no_patient() -> None:
    named = reason("patient-mismatch", "PatientName Doe^Jane and Roe^Ann", "1.2.RCC")
    finding = replace(edited_image(stored("normal", POINTS[0]), reasons=(named,)), reasons=(reason("implant"),))
    assert "Doe" not in " ".join(replay(finding, POINTS[0]).differences)


def test_scores_from_the_pixels() -> None:
    finding = stored("normal", POINTS[0], RAW)
    rescored = {one.sop_instance_uid: one for one in finding.images[:4]}
    assert compare_scores(finding, rescored) == ()
    near = replace(finding.images[0], logits=Logits(2.0004, 2 / 3, 1.9996))
    assert compare_scores(finding, rescored | {"1.2.RCC": near}) == ()
    far = replace(finding.images[0], logits=Logits(2.0, 2 / 3, 0.9))
    assert compare_scores(finding, rescored | {"1.2.RCC": far}) == (
        "image 1.2.RCC: fused logit 2.0, from the pixels 0.9",
        "outcome confidently_normal, from the pixels not_flagged",
    )
    assert "dual_view logit 2.0, from the pixels None" in " ".join(
        compare_scores(finding, rescored | {"1.2.RCC": replace(far, logits=None)})
    )
    del rescored["1.2.LCC"]
    assert compare_scores(finding, rescored) == ("image 1.2.LCC was not scored again",)
