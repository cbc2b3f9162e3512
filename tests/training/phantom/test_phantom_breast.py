"""Anatomy: determinism, likeness of the two breasts, the texture's power spectrum."""

import cv2
import numpy as np
import pytest

from training.phantom.acquisition import LOOKS
from training.phantom.breast import BreastImage, outline_of, render_breast
from training.phantom.texture import Grid, Streams, correlated_field
from training.phantom.woman import Woman, draw_woman

GRID = LOOKS["PHANTOM-A"].grid("small")
COARSE = GRID.coarser(2)


def large_scale(image: BreastImage) -> np.ndarray:
    """Density smoothed over 4 mm on a coarse grid, standardised inside the breast."""
    smooth = cv2.GaussianBlur(image.density, (0, 0), 4 / COARSE.spacing)
    return np.asarray(cv2.resize(smooth, (64, 84), interpolation=cv2.INTER_AREA))


def correlation(a: BreastImage, b: BreastImage) -> float:
    """Pearson correlation of the large-scale density where both breasts are."""
    both = cv2.resize((a.mask & b.mask).astype(np.float32), (64, 84), interpolation=cv2.INTER_AREA) > 0.999
    both = cv2.erode(both.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    return float(np.corrcoef(large_scale(a)[both], large_scale(b)[both])[0, 1])


def spectral_exponent(density: np.ndarray, mask: np.ndarray, spacing: float) -> float:
    """Slope of the radially averaged power spectrum, 0.1-1 cycles/mm, over Hann windows inside the breast."""
    size = 256
    window = np.outer(np.hanning(size), np.hanning(size))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size, spacing), np.fft.fftfreq(size, spacing)))
    power = np.zeros((size, size))
    for top in range(0, density.shape[0] - size, size // 2):
        for left in range(0, density.shape[1] - size, size // 2):
            cell = np.s_[top : top + size, left : left + size]
            if mask[cell].all():
                power += np.abs(np.fft.fft2((density[cell] - density[cell].mean()) * window)) ** 2
    edges = np.geomspace(0.1, 1.0, 13)
    rings = [(frequency >= low) & (frequency < high) for low, high in zip(edges, edges[1:], strict=False)]
    points = [(np.log(frequency[ring].mean()), np.log(power[ring].mean())) for ring in rings if ring.any()]
    return -float(np.polyfit(*zip(*points, strict=True), 1)[0])


def test_same_seed_same_pixels() -> None:
    first, second = (render_breast(draw_woman(5), "L", "MLO", GRID).density for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_other_seed_other_pixels() -> None:
    first, second = (render_breast(draw_woman(seed), "L", "MLO", GRID).density for seed in (5, 6))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("view_position", ["CC", "MLO"])
def test_the_two_breasts_of_a_woman_are_alike_and_those_of_two_women_are_not(view_position: str) -> None:
    women = [draw_woman(seed) for seed in range(30, 38)]
    pairs = [[render_breast(woman, side, view_position, COARSE) for side in "RL"] for woman in women]
    own = [correlation(right, left) for right, left in pairs]
    other = [correlation(pairs[i][0], pairs[(i + 1) % 8][1]) for i in range(8)]
    assert np.mean(own) > 0.75
    assert np.mean(own) > np.mean(other) + 0.15


def test_fine_texture_of_the_two_breasts_is_independent() -> None:
    right, left = (render_breast(draw_woman(31), side, "CC", GRID) for side in "RL")
    inside = cv2.erode((right.mask & left.mask).astype(np.uint8), np.ones((91, 91), np.uint8)) > 0
    fine = [image.density - cv2.GaussianBlur(image.density, (0, 0), 3) for image in (right, left)]
    assert abs(np.corrcoef(fine[0][inside], fine[1][inside])[0, 1]) < 0.1


def test_breasts_of_a_woman_have_the_same_size_within_a_jitter() -> None:
    areas = [
        [render_breast(draw_woman(seed), side, "CC", GRID).mask.sum() for side in "RL"] for seed in (40, 41, 42)
    ]  # fmt: skip
    for right, left in areas:
        assert abs(right - left) / max(right, left) < 0.2


def test_spectral_exponent_is_that_of_breast_tissue() -> None:
    exponents = []
    for seed in range(20, 26):
        image = render_breast(draw_woman(seed), "L", "CC", GRID)
        inner = cv2.erode(image.mask.astype(np.uint8), np.ones((91, 91), np.uint8)) > 0
        exponents.append(spectral_exponent(image.density, inner, GRID.spacing))
    assert 2.6 <= np.mean(exponents) <= 3.4
    assert all(2.4 <= exponent <= 3.6 for exponent in exponents)


def test_denser_classes_are_denser() -> None:
    found: dict[str, list[float]] = {}
    for seed in range(60, 84):
        woman = draw_woman(seed)
        image = render_breast(woman, "R", "CC", Grid(333, 256, 0.7))
        found.setdefault(woman.density, []).append(float(image.density[image.mask].mean()))
    means = [np.mean(found[name]) for name in sorted(found)]
    assert len(means) >= 3
    assert means == sorted(means)


def test_field_has_the_asked_exponent_and_unit_variance() -> None:
    streams = Streams(*(np.random.default_rng(number) for number in (1, 2, 3)))
    grid = Grid(600, 500, 0.2)
    field = correlated_field(grid, streams, 3.0, shared_above_mm=20.0)
    assert field.std() == pytest.approx(1, abs=1e-3)
    assert spectral_exponent(field, np.ones(grid.shape, bool), 0.2) == pytest.approx(3.0, abs=0.25)


def test_cc_and_mlo_see_a_point_at_the_same_depth() -> None:
    woman: Woman = draw_woman(3)
    point = np.array([40.0, 20.0, 10.0], np.float32)
    cc, mlo = (outline_of(woman, "R", view_position, GRID) for view_position in ("CC", "MLO"))
    assert cc.project(point)[1] == mlo.project(point)[1] == 40.0
    assert cc.nipple_y - cc.project(point)[0] == pytest.approx(20.0, abs=1e-3)
    assert mlo.nipple_y - mlo.project(point)[0] == pytest.approx(30 / np.sqrt(2), abs=1e-2)
