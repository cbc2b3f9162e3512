"""Gross guards: what they let through and what they stop."""

from dataclasses import replace

import numpy as np
import pytest
from register_samples import drawn_view

from triage.core.errors import Rejected
from triage.register.guards import check_view, dice, plausible

VIEW = drawn_view()


def test_good_view_passes() -> None:
    check_view(VIEW)


@pytest.mark.parametrize(
    "view",
    [
        replace(VIEW, dual_view=np.full(VIEW.dual_view.shape, np.nan)),
        replace(VIEW, dual_view=VIEW.dual_view.astype(np.float32)),
        replace(VIEW, dual_view=VIEW.dual_view[::2, ::2]),
        replace(VIEW, breast_mask=VIEW.breast_mask.astype(np.uint8)),
        replace(VIEW, breast_mask=VIEW.breast_mask[:500]),
    ],
)
def test_other_types_and_shapes_are_refused(view: object) -> None:
    with pytest.raises(Rejected) as caught:
        check_view(view)  # type: ignore[arg-type]
    assert caught.value.reason.code == "registration-failed"


@pytest.mark.parametrize(
    ("matrix", "wanted"),
    [
        ([[1, 0, 0], [0, 1, 0]], True),
        ([[0.9, 0.1, 30], [-0.1, 1.1, -60]], True),
        ([[-1, 0, 800], [0, 1, 0]], False),
        ([[0.6, 0, 0], [0, 0.6, 0]], False),
        ([[2, 0, 0], [0, 2, 0]], False),
        ([[np.nan, 0, 0], [0, 1, 0]], False),
        ([[1, 0, np.inf], [0, 1, 0]], False),
    ],
)
def test_plausible(matrix: list[list[float]], wanted: bool) -> None:
    assert plausible(np.array(matrix, dtype=np.float64)) is wanted


def test_dice() -> None:
    first, second = np.zeros((4, 4), dtype=np.bool_), np.zeros((4, 4), dtype=np.bool_)
    assert dice(first, second) == 0
    first[:2], second[1:3] = True, True
    assert dice(first, second) == 0.5
    assert dice(first, first) == 1
