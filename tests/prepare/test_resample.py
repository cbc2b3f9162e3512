"""Sizes, places and grey values of the resized crop."""

import numpy as np
import pytest
from prepare_samples import drawn_breast

from triage.core.study import DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE
from triage.prepare.resample import block_mean, fit, fit_mask, on_canvas, placement


@pytest.mark.parametrize("canvas", [DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE])
@pytest.mark.parametrize("size", [(2700, 1300), (900, 1500), (500, 500), (8192, 400)])
def test_placement_keeps_the_aspect_and_touches_the_canvas(canvas: tuple[int, int], size: tuple[int, int]) -> None:
    place = placement(*size, canvas)
    assert place.rows == canvas[0] or place.columns == canvas[1]
    assert place.rows <= canvas[0]
    assert place.columns <= canvas[1]
    assert abs(place.rows / size[0] - place.columns / size[1]) <= 1 / min(size)
    assert abs(place.top - (canvas[0] - place.rows - place.top)) <= 1


def test_block_mean_averages_and_leaves_out_the_rest() -> None:
    image = np.arange(7 * 9, dtype=np.uint16).reshape(7, 9) * 16
    expected = image[:6, :8].reshape(3, 2, 4, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(block_mean(image, 2), expected)
    assert block_mean(image, 1) is image


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_fit_keeps_the_mean_grey_and_the_place_of_the_lesion(scale: int) -> None:
    full = drawn_breast(800 * scale, 700 * scale, bits=16)
    box = (60 * scale, 740 * scale, 0, 500 * scale)
    fitted = fit(full, block_mean(full, 2), box, DUAL_VIEW_SHAPE)
    crop = full[box[0] : box[1], box[2] : box[3]]
    assert fitted.dtype == np.uint16
    assert fitted.mean() == pytest.approx(crop.mean(), rel=0.004)
    # The same relative position holds the brightest neighbourhood.
    quarters = [np.array_split(part, 4, axis=1) for part in np.array_split(fitted, 4)]
    wanted = [np.array_split(part, 4, axis=1) for part in np.array_split(crop, 4)]
    assert np.allclose([[q.mean() for q in r] for r in quarters], [[q.mean() for q in r] for r in wanted], rtol=0.02)


def test_mask_is_resized_without_holes() -> None:
    place = placement(100, 60, DUAL_VIEW_SHAPE)
    mask = np.zeros((100, 60), dtype=np.bool_)
    mask[:, :30] = True
    fitted = fit_mask(mask, place)
    assert fitted.shape == (place.rows, place.columns)
    assert fitted.mean() == pytest.approx(0.5, abs=0.01)


def test_canvas_pads_with_zeros_chest_wall_at_the_left() -> None:
    padded = on_canvas(np.full((4, 3), 9, dtype=np.uint16), (10, 8))
    assert padded[3:7, :3].min() == 9
    assert padded.sum() == 4 * 3 * 9
