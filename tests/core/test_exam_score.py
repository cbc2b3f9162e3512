"""The least score of an exam, which histograms, what-ifs and the exam threshold are about."""

from dataclasses import replace

import pytest
from ledger_samples import finding

from triage.core.finding import ImageFinding, Logits
from triage.core.views import STANDARD_VIEWS


def images(*scores: float | None) -> tuple[ImageFinding, ...]:
    base = finding().images[0]
    return tuple(
        replace(base, sop_instance_uid=f"1.{view}", laterality=view.laterality, view_position=view.view_position,
                logits=Logits(score, score, score))
        for view, score in zip(STANDARD_VIEWS, scores, strict=True)
    )  # fmt: skip


def test_it_is_the_least_of_four() -> None:
    assert finding(images=images(2.0, 0.5, 3.0, 1.0)).exam_score == 0.5


@pytest.mark.parametrize("scores", [(2.0, None, 3.0, 1.0), (None, None, None, None)])
def test_without_a_score_of_every_view_there_is_none(scores: tuple[float | None, ...]) -> None:
    assert finding(images=images(*scores)).exam_score is None


def test_a_missing_view_leaves_none_and_a_set_aside_twin_does_not_matter() -> None:
    whole = images(2.0, 0.5, 3.0, 1.0)
    assert finding(images=whole[:3]).exam_score is None
    twin = replace(whole[0], sop_instance_uid="1.9", eligible=False, logits=None)
    assert finding(images=(*whole, twin)).exam_score == 0.5
