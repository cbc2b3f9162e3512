"""The breast is found, labels are left out, and what is no breast is refused by name."""

import numpy as np
import pytest
from prepare_samples import drawn_breast

from triage.core.errors import Rejected
from triage.prepare.breast import check_clipping, find_breast

SHAPE = (1100, 800)
BREAST = drawn_breast(*SHAPE, bits=16)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * int((first & second).sum()) / int(first.sum() + second.sum())


def code(image: np.ndarray) -> str:
    with pytest.raises(Rejected) as caught:
        find_breast(image, 1, image.shape)
    return caught.value.reason.code


def test_mask_and_box() -> None:
    found = find_breast(BREAST, 1, SHAPE)
    assert overlap(found.mask, BREAST > 0) > 0.98
    rows, columns = np.nonzero(BREAST)
    np.testing.assert_allclose(found.box, (rows.min(), rows.max() + 1, 0, columns.max() + 1), atol=12)


def test_box_counts_in_pixels_of_the_image_and_reaches_its_edges() -> None:
    odd = BREAST[:1099, :799][:, ::-1]
    coarse = np.ascontiguousarray(odd[:1096:4, :796:4])
    found = find_breast(coarse, 4, odd.shape)
    top, bottom, left, right = found.box
    assert right == 799
    assert top % 4 == bottom % 4 == left % 4 == 0
    assert found.mask_in_box.any(axis=0).all()
    assert found.mask_in_box.any(axis=1).all()


def test_bright_label_and_film_border_are_left_out() -> None:
    marked = BREAST.copy()
    marked[40:120, 660:780] = 65535
    marked[:, 792:] = 60000
    found = find_breast(marked, 1, SHAPE).mask
    assert not found[:, 600:].any()
    assert overlap(found, BREAST > 0) > 0.98


def test_noisy_film_background() -> None:
    film = np.random.default_rng(1).normal(4000, 400, SHAPE)
    film = np.where(BREAST > 0, BREAST, film).clip(0, 65535).astype(np.uint16)
    assert overlap(find_breast(film, 1, SHAPE).mask, BREAST > 0) > 0.97


def test_holes_are_filled() -> None:
    dark_cyst = BREAST.copy()
    dark_cyst[500:580, 200:280] = 0
    assert find_breast(dark_cyst, 1, SHAPE).mask[500:580, 200:280].all()


@pytest.mark.parametrize("value", [0, 700, 65535])
def test_constant_image_is_blank(value: int) -> None:
    assert code(np.full(SHAPE, value, dtype=np.uint16)) == "blank-image"


def test_a_speck_on_an_empty_image_is_blank() -> None:
    speck = np.full(SHAPE, 100, dtype=np.uint16)
    speck[:10, :10] = 200
    assert code(speck) == "blank-image"


def test_label_on_black_is_no_breast() -> None:
    label = np.zeros(SHAPE, dtype=np.uint16)
    label[20:80, 600:700] = 65535
    assert code(label) == "breast-not-found"


def test_scattered_dots_are_no_breast() -> None:
    dots = np.zeros(SHAPE, dtype=np.uint16)
    dots[::9, ::9] = 65535
    assert code(dots) == "breast-not-found"


@pytest.mark.parametrize("shade", [0, 65535])
def test_clipping(shade: int) -> None:
    mask = BREAST > 0
    check_clipping(BREAST, mask)
    clipped = BREAST.copy()
    clipped[: SHAPE[0] // 2] = shade
    with pytest.raises(Rejected, match="white") as caught:
        check_clipping(clipped, mask)
    assert caught.value.reason.code == "clipped-image"
