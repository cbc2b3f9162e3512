"""The numbers that describe how an image looks."""

import cv2
import numpy as np
import pytest

from triage.prepare.statistics import NAMES, pixel_statistics

SHAPE = (1008, 800)


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    drawn = np.zeros(SHAPE, np.uint8)
    cv2.ellipse(drawn, (0, 504), (600, 450), 0, 0, 360, 1, cv2.FILLED)
    return drawn > 0


@pytest.fixture(scope="module")
def breast(mask: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 1, SHAPE).astype(np.float32)
    texture = cv2.GaussianBlur(noise, (0, 0), 6) * 8 + noise * 0.2
    return np.where(mask, np.clip(20000 + 3000 * texture, 0, 65000), 0).astype(np.uint16)


def named(image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, pixel_statistics(image, mask).tolist(), strict=True))


def test_grey_levels_are_those_of_the_breast(breast: np.ndarray, mask: np.ndarray) -> None:
    found, values = named(breast, mask), breast[mask] / 65535
    for percentile in (5, 50, 95):
        exact = np.percentile(values, percentile)
        assert found[f"grey level, percentile {percentile}"] == pytest.approx(exact, abs=0.003)
    assert found["grey level, standard deviation"] == pytest.approx(values.std(), rel=0.02)
    assert found["breast, share of the canvas"] == pytest.approx(mask.mean())
    assert found["breast, rows over columns"] == pytest.approx(901 / 601, rel=0.01)
    assert found["saturated share"] == 0.0


def test_what_surrounds_the_breast_does_not_count(breast: np.ndarray, mask: np.ndarray) -> None:
    around = np.where(mask, breast, 40000).astype(np.uint16)
    assert named(around, mask)["grey level, percentile 99"] == named(breast, mask)["grey level, percentile 99"]


@pytest.mark.parametrize(
    ("change", "name", "direction"),
    [
        (lambda image: cv2.GaussianBlur(image, (0, 0), 2), "noise (mean second difference)", -1),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 2), "sharpness, fine", -1),
        (lambda image: np.clip(image.astype(np.int64) * 2, 0, 65535).astype(np.uint16), "grey level, percentile 50", 1),
        (lambda image: (65535 * (image / 65535) ** 0.5).astype(np.uint16), "grey level, percentile 5", 1),
        (lambda image: np.clip(image.astype(np.int64) * 4, 0, 65535).astype(np.uint16), "saturated share", 1),
    ],
)
def test_changes_of_the_image_show(breast: np.ndarray, mask: np.ndarray, change, name: str, direction: int) -> None:  # type: ignore[no-untyped-def]
    before, after = named(breast, mask)[name], named(np.where(mask, change(breast), 0).astype(np.uint16), mask)[name]
    assert (after - before) * direction > 0.05


def test_a_mask_of_one_pixel_and_an_even_image_give_numbers(mask: np.ndarray) -> None:
    one = np.zeros(SHAPE, np.bool_)
    one[501, 400] = True
    for where in (one, mask):
        found = pixel_statistics(np.where(where, 30000, 0).astype(np.uint16), where)
        assert found.shape == (len(NAMES),)
        assert np.isfinite(found).all()
