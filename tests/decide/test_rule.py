"""The rule never flags in doubt."""

from dataclasses import replace

import pytest

from triage.core.finding import ImageFinding, Logits, OperatingPoint, Outcome
from triage.core.reasons import reason
from triage.core.views import STANDARD_VIEWS, View
from triage.decide.rule import judge_exam

POINT = OperatingPoint("id", "image", 1.0)


def image(view: View, fused: float | None = 2.0, **changes: object) -> ImageFinding:
    logits = None if fused is None else Logits(fused, fused, fused)
    finding = ImageFinding(f"1.2.{view}", "1.2.3", "1.2.4", view.laterality, view.view_position, True, logits=logits)
    return replace(finding, **changes)  # type: ignore[arg-type]


def exam(**changes: ImageFinding) -> list[ImageFinding]:
    return [changes.get(view, image(view)) for view in STANDARD_VIEWS]


def test_four_flagged_views_are_confidently_normal() -> None:
    outcome, images, reasons = judge_exam(exam(), (), POINT)
    assert outcome is Outcome.CONFIDENTLY_NORMAL
    assert all(view.flagged for view in images)
    assert not reasons


def test_one_view_below_the_threshold_is_enough() -> None:
    outcome, images, _ = judge_exam(exam(LMLO=image(View.LMLO, 0.9)), (), POINT)
    assert outcome is Outcome.NOT_FLAGGED
    assert [view.flagged for view in images] == [True, True, True, False]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_no_number_is_no_answer(score: float) -> None:
    outcome, images, reasons = judge_exam(exam(RCC=image(View.RCC, score)), (), POINT)
    assert outcome is Outcome.NOT_EVALUATED
    assert [found.code for found in reasons] == ["non-finite-score"]
    assert not any(view.flagged for view in images)


def test_a_refused_image_keeps_no_bad_number() -> None:
    broken = ImageFinding(
        "1.2.9", "1.2.3", "1.2.4", "R", "CC", False, (reason("registration-failed"),), Logits(None, float("nan"), None)
    )
    _, images, reasons = judge_exam(exam(RCC=broken), (), POINT)
    assert images[0].logits is None
    assert {found.code for found in reasons} == {"registration-failed", "non-finite-score"}
    scored = image(View.RCC, 5.0, eligible=False, reasons=(reason("implant"),))
    assert not judge_exam(exam(RCC=scored), (), POINT)[1][0].flagged


def test_absence_refuses() -> None:
    outcome, _, reasons = judge_exam(exam()[:3], (), POINT)
    assert outcome is Outcome.NOT_EVALUATED
    assert reasons[0].text == "LMLO is missing"
    outcome, _, reasons = judge_exam(exam(RMLO=image(View.RMLO, None)), (), POINT)
    assert outcome is Outcome.NOT_EVALUATED
    assert "RMLO" in reasons[0].text
    assert judge_exam([], (), POINT)[0] is Outcome.NOT_EVALUATED


def test_any_reason_refuses_and_takes_the_flags_back() -> None:
    outcome, images, reasons = judge_exam(exam(), (reason("patient-mismatch"),), POINT)
    assert outcome is Outcome.NOT_EVALUATED
    assert not any(view.flagged for view in images)
    assert reasons[0].code == "patient-mismatch"
    refused = image(View.LCC, eligible=False, reasons=(reason("implant"),))
    assert judge_exam(exam(LCC=refused), (), POINT)[0] is Outcome.NOT_EVALUATED


def test_a_repeat_view_must_be_flagged_too() -> None:
    repeat = image(View.RCC, 0.0, sop_instance_uid="1.2.99")
    assert judge_exam([*exam(), repeat], (), POINT)[0] is Outcome.NOT_FLAGGED


def test_close_to_the_threshold_is_not_flagged() -> None:
    outcome, _, reasons = judge_exam(exam(RCC=image(View.RCC, 1.0009)), (), POINT)
    assert outcome is Outcome.NOT_FLAGGED
    assert reasons[0].code == "within-tolerance-of-threshold"


def test_without_a_threshold_nothing_is_flagged() -> None:
    assert judge_exam(exam(), (), replace(POINT, threshold=None))[0] is Outcome.NOT_FLAGGED


def test_the_decision_is_taken_on_the_rounded_number() -> None:
    point = replace(POINT, threshold=1.5)
    assert judge_exam(exam(RCC=image(View.RCC, 1.5019999)), (), point)[1][0].logits.fused == 1.502  # type: ignore[union-attr]


def test_the_kind_says_how_the_threshold_was_found_not_how_it_is_used() -> None:
    point = OperatingPoint("id", "exam_min", 0.5, image_threshold=1.0)
    outcome, images, _ = judge_exam(exam(LMLO=image(View.LMLO, 0.9)), (), point)
    assert outcome is Outcome.CONFIDENTLY_NORMAL
    assert all(view.flagged for view in images)
    outcome, images, _ = judge_exam(exam(LMLO=image(View.LMLO, 0.49)), (), point)
    assert outcome is Outcome.NOT_FLAGGED
    assert [view.flagged for view in images] == [True, True, True, False]


@pytest.mark.parametrize(("score", "outcome"), [(1.001, Outcome.NOT_FLAGGED), (1.0011, Outcome.CONFIDENTLY_NORMAL)])
def test_the_tolerance_is_taken_on_six_decimals(score: float, outcome: Outcome) -> None:
    assert judge_exam(exam(RCC=image(View.RCC, score)), (), POINT)[0] is outcome


def test_without_an_operating_point_nothing_is_evaluated() -> None:
    outcome, images, reasons = judge_exam(exam(), (), None)
    assert outcome is Outcome.NOT_EVALUATED
    assert [found.code for found in reasons] == ["uncalibrated-device"]
    assert not any(view.flagged for view in images)
