"""The side of the chest wall: header, pixels, and what happens where they disagree."""

from typing import Any

import numpy as np
import pytest
from prepare_samples import dataset, drawn_breast

from triage.core.errors import Rejected
from triage.prepare.orientation import CLEAR_EVIDENCE, chest_wall_side, header_side, pixel_evidence

LEFT = drawn_breast(200, 150) > 0
RIGHT = LEFT[:, ::-1]
UNCLEAR = np.ones((200, 150), dtype=np.bool_)


@pytest.mark.parametrize(
    ("value", "side"),
    [
        (["A", "R"], "left"),
        (["A", "FR"], "left"),
        (["AL", "F"], "left"),
        (["P", "L"], "right"),
        (["P", "FL"], "right"),
        (["P", ""], "right"),
        ([], None),
        (["", ""], None),
        (None, None),
    ],
)
def test_header_side(value: Any, side: str | None) -> None:
    assert header_side(dataset(drawn_breast(400, 400), PatientOrientation=value)) == side


@pytest.mark.parametrize("rows", ["R", "L", "F", "HL"])
def test_chest_wall_at_top_or_bottom_is_rejected(rows: str) -> None:
    with pytest.raises(Rejected, match=rows) as caught:
        header_side(dataset(drawn_breast(400, 400), PatientOrientation=[rows, "P"]))
    assert caught.value.reason.code == "orientation-conflict"


def test_field_of_view_flip_is_not_applied_again() -> None:
    ds = dataset(drawn_breast(400, 400), FieldOfViewHorizontalFlip="YES", FieldOfViewRotation=180)
    assert header_side(ds) == "left"


def test_evidence_is_signed_and_survives_a_margin() -> None:
    assert pixel_evidence(LEFT) > CLEAR_EVIDENCE
    assert pixel_evidence(RIGHT) == -pixel_evidence(LEFT)
    assert pixel_evidence(np.pad(LEFT, ((30, 10), (40, 5)))) == pixel_evidence(LEFT)
    assert pixel_evidence(UNCLEAR) == 0


def test_agreement_and_doubt() -> None:
    assert chest_wall_side("left", LEFT) == ("left", "chest wall at the left")
    assert chest_wall_side("right", RIGHT)[0] == "right"
    side, note = chest_wall_side("right", UNCLEAR)
    assert side == "right"
    assert "not clear" in note


def test_silent_header_uses_clear_pixels_and_says_so() -> None:
    side, note = chest_wall_side(None, RIGHT)
    assert side == "right"
    assert "no PatientOrientation" in note


@pytest.mark.parametrize(("stated", "mask"), [("left", RIGHT), ("right", LEFT), (None, UNCLEAR)])
def test_conflicts(stated: Any, mask: Any) -> None:
    with pytest.raises(Rejected) as caught:
        chest_wall_side(stated, mask)
    assert caught.value.reason.code == "orientation-conflict"
