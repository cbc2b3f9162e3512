"""Whole path of one image: canonical pixels, the traps of mirrored images, maps laid back on the stored image."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from prepare_samples import dataset, drawn_breast
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLosslessSV1

from triage.core.errors import Rejected
from triage.core.study import DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE, PreparedView
from triage.prepare.decode import read, stored_pixels
from triage.prepare.view import prepare, prepare_pixels, preview, to_stored_grid

WINDOW = {"WindowCenter": 1800, "WindowWidth": 3200}
EXAM = ("L-CC", "R-CC", "L-MLO", "R-MLO")


def same(first: PreparedView, second: PreparedView) -> bool:
    return np.array_equal(first.dual_view, second.dual_view) and np.array_equal(first.whole_image, second.whole_image)


def code(call: Any) -> str:
    with pytest.raises(Rejected) as caught:
        call()
    return caught.value.reason.code


def test_canonical_form() -> None:
    view = prepare(dataset(drawn_breast(), **WINDOW))
    assert view.dual_view.shape == view.breast_mask.shape == DUAL_VIEW_SHAPE
    assert view.whole_image.shape == WHOLE_IMAGE_SHAPE
    assert view.dual_view.dtype == view.whole_image.dtype == np.uint16
    assert not view.dual_view[~view.breast_mask].any(), "background is exactly 0"
    assert view.dual_view[view.breast_mask].mean() > 5000
    assert view.breast_mask[:, 0].mean() > 0.5 > view.breast_mask[:, -1].mean()
    assert view.stored_shape == (1100, 800)
    assert not view.flipped


def test_left_and_right_breast_become_the_same_picture() -> None:
    left = prepare(dataset(drawn_breast(), **WINDOW))
    right = prepare(dataset(drawn_breast(chest_wall="right"), PatientOrientation=["P", "L"], **WINDOW))
    assert right.flipped
    np.testing.assert_array_equal(left.breast_mask, right.breast_mask)
    # Weights of the area mean round the other way round: two parts in 65535 at most.
    np.testing.assert_allclose(left.dual_view.astype(int), right.dual_view.astype(int), atol=2)


def test_monochrome1_twin_gives_the_same_bits() -> None:
    stored = drawn_breast(2300, 1700)
    twin_window = {"WindowCenter": 4096 - 1800, "WindowWidth": 3200}
    twin = dataset(
        4095 - stored, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE", **twin_window
    )
    assert same(prepare(dataset(stored, **WINDOW)), prepare(twin))


def test_padding_does_not_change_the_picture() -> None:
    stored = drawn_breast()
    padded = np.where(stored == 0, 4095, stored).astype(np.uint16)
    padded[:, -5:] = 0
    assert same(prepare(dataset(stored, **WINDOW)), prepare(dataset(padded, PixelPaddingValue=4095, **WINDOW)))


def test_transfer_syntax_does_not_change_the_picture() -> None:
    stored = drawn_breast()
    compressed = dataset(stored, **WINDOW)
    compressed.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    frame = imagecodecs.jpeg_encode(stored, lossless=True, predictor=1, bitspersample=12)
    compressed.PixelData = encapsulate([frame])
    assert same(prepare(dataset(stored, **WINDOW)), prepare(compressed))


def test_decoded_pixels_may_be_handed_in() -> None:
    ds = dataset(drawn_breast(), **WINDOW)
    assert same(prepare(ds), prepare(ds, stored_pixels(ds)))
    np.testing.assert_array_equal(preview(ds, 256), preview(ds, 256, stored_pixels(ds)))


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_plain_pixels_and_dicom_agree_to_the_bit(bits: int) -> None:
    stored = drawn_breast(bits=bits)
    stored = stored.astype(np.uint8) if bits == 8 else stored
    assert same(prepare_pixels(stored, "left", bits), prepare(dataset(stored, bits)))


def test_views_are_the_same_from_many_threads() -> None:
    sets = [dataset(drawn_breast(seed=seed), **WINDOW) for seed in range(4)]
    alone = [prepare(ds) for ds in sets]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(prepare, sets * 2))
    assert all(same(one, other) for one, other in zip(alone * 2, together, strict=True))


@pytest.mark.parametrize(
    ("pixels", "wanted"),
    [
        (np.full((500, 500), 77, dtype=np.uint16), "blank-image"),
        (np.where(np.arange(250000).reshape(500, 500) % 997 == 0, 4095, 0).astype(np.uint16), "breast-not-found"),
        (np.where(drawn_breast() > 0, 4095, 0).astype(np.uint16), "clipped-image"),
    ],
)
def test_unusable_pictures(pixels: Any, wanted: str) -> None:
    assert code(lambda: prepare(dataset(pixels))) == wanted


def test_plain_pixels_are_checked() -> None:
    picture = drawn_breast(bits=8)
    assert code(lambda: prepare_pixels(np.zeros((500, 500, 3), dtype=np.uint8), None, 8)) == "not-monochrome"
    assert code(lambda: prepare_pixels(picture[:300], None, 8)) == "size-unexpected"
    assert code(lambda: prepare_pixels(drawn_breast(), None, 8)) == "undecodable"
    assert code(lambda: prepare_pixels(picture.astype(np.float32), None, 8)) == "undecodable"  # type: ignore[arg-type]


def test_preview_is_displayed_as_stored() -> None:
    stored = drawn_breast(chest_wall="right")
    ds = dataset(stored, PatientOrientation=["P", "L"], **WINDOW)
    shown = preview(ds, 275)
    assert shown.shape == (275, 200)
    assert shown.dtype == np.uint8
    assert shown[:, 150:].mean() > shown[:, :50].mean()
    expected = cv2.resize(np.clip((stored - 1799.5) / 3199 + 0.5, 0, 1), (200, 275), interpolation=cv2.INTER_AREA)
    assert np.abs(shown / 255.0 - expected).mean() < 0.01
    twin = dataset(4095 - stored, PhotometricInterpretation="MONOCHROME1", WindowCenter=2296, WindowWidth=3200)
    assert np.abs(preview(twin, 275).astype(int) - shown).max() <= 1


@pytest.mark.parametrize("chest_wall", ["left", "right"])
@pytest.mark.parametrize("cells", [WHOLE_IMAGE_SHAPE, (36, 28)])
def test_map_goes_back_to_where_it_came_from(chest_wall: Any, cells: tuple[int, int]) -> None:
    """A spot at a known stored pixel, seen in the canonical picture, comes back to that pixel."""
    stored = drawn_breast(2200, 1600, chest_wall)
    spot_row, spot_column = 800, 300 if chest_wall == "left" else 1300
    stored[spot_row - 40 : spot_row + 40, spot_column - 40 : spot_column + 40] = 4095
    view = prepare_pixels(stored, chest_wall, 12)
    spot = (view.whole_image == 65535).astype(np.float32)
    on_cells = cv2.resize(spot, (cells[1], cells[0]), interpolation=cv2.INTER_AREA)
    back = to_stored_grid(on_cells, view, (550, 400))
    assert back.dtype == np.float32
    rows, columns = np.mgrid[0:550, 0:400]
    tolerance = 5 if cells == WHOLE_IMAGE_SHAPE else 12  # a cell of 36 x 28 is about 50 stored pixels wide
    assert (back * rows).sum() / back.sum() * 4 == pytest.approx(spot_row, abs=tolerance)
    assert (back * columns).sum() / back.sum() * 4 == pytest.approx(spot_column, abs=tolerance)


def test_whole_picture_laid_back_is_the_stored_picture() -> None:
    stored = drawn_breast(2200, 1600, "right")
    view = prepare_pixels(stored, "right", 12)
    back = to_stored_grid(view.whole_image, view, (550, 400)) / 65535.0
    expected = cv2.resize(stored, (400, 550), interpolation=cv2.INTER_AREA) / 4095.0
    assert np.corrcoef(back.ravel(), expected.ravel())[0, 1] > 0.99
    top, bottom, left, right = view.crop
    outside = np.ones((550, 400), dtype=np.bool_)
    outside[top // 4 : -(-bottom // 4), left // 4 : -(-right // 4)] = False
    assert not back[outside].any()


def wrapped_exam_view(data_dir: Path, name: str, orientation: str) -> tuple[Any, Any]:
    """A view of the real exam as an 8-bit data set, and its pixels. The right views are stored mirrored."""
    pixels = cv2.imread(str(data_dir / "exam-4view-8bit" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
    return dataset(pixels, 8, PatientOrientation=[orientation, "F"], ImageLaterality=name[0]), pixels


@pytest.mark.parametrize("name", EXAM)
def test_mirrored_image_with_truthful_header_is_not_flipped_again(data_dir: Path, name: str) -> None:
    ds, pixels = wrapped_exam_view(data_dir, name, "A")
    view = prepare(ds)
    assert not view.flipped
    top, bottom, left, right = view.crop
    small = cv2.resize(pixels[top:bottom, left:right], (80, 100), interpolation=cv2.INTER_AREA).ravel()
    rows = np.flatnonzero(view.breast_mask.any(axis=1))
    columns = np.flatnonzero(view.breast_mask.any(axis=0))
    seen = view.dual_view[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    seen = cv2.resize(seen, (80, 100), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small, seen.ravel())[0, 1] > 0.98
    assert np.corrcoef(small, seen[:, ::-1].ravel())[0, 1] < 0.7


@pytest.mark.parametrize("name", EXAM)
def test_false_header_is_a_conflict(data_dir: Path, name: str) -> None:
    ds, _ = wrapped_exam_view(data_dir, name, "P")
    assert code(lambda: prepare(ds)) == "orientation-conflict"


@pytest.mark.parametrize("name", EXAM)
def test_silent_header_leaves_it_to_the_pixels(data_dir: Path, name: str) -> None:
    ds, _ = wrapped_exam_view(data_dir, name, "A")
    stated = prepare(ds)
    del ds.PatientOrientation
    if name.startswith("R"):
        assert code(lambda: prepare(ds)) == "orientation-conflict", "a mirrored image, or a left one called right"
        del ds.ImageLaterality
    silent = prepare(ds)
    assert same(stated, silent)
    assert any("no PatientOrientation" in note for note in silent.notes)


def test_genuine_ge_image(data_dir: Path) -> None:
    view = prepare(read(data_dir / "dicom-mg" / "ge_senographe_rmlo_jpegll_GH133.dcm"))
    assert view.flipped
    assert view.stored_shape == (3062, 2394)
    assert view.crop[3] == 2394, "the chest wall stays at the edge of the stored image"
    assert "VOI LUT NORMAL" in view.notes
    assert 0.25 < view.breast_mask.mean() < 0.6
    assert 0.1 < view.dual_view[view.breast_mask].mean() / 65535 < 0.7


def test_genuine_siemens_stereo_view_is_refused(data_dir: Path) -> None:
    ds = read(data_dir / "dicom-mg" / "siemens_inspiration_stereo_OutOfBoundsOverlay.dcm")
    assert code(lambda: prepare(ds)) == "orientation-conflict"


def test_films_find_their_chest_wall_and_their_breast(data_dir: Path) -> None:
    """Odd file numbers have it at the right. The hand-made masks are compared on the stored grid."""
    for number in (1, 2, 26, 51, 109, 110, 135, 136, 158, 244):
        name = f"mdb{number:03d}.png"
        film = cv2.imread(str(data_dir / "mini-mias" / "images" / name), cv2.IMREAD_GRAYSCALE)
        view = prepare_pixels(film, None, 8)
        assert view.flipped == (number % 2 == 1)
        drawn = cv2.imread(str(data_dir / "mini-mias" / "breast_masks" / name), cv2.IMREAD_GRAYSCALE)[::4, ::4] > 0
        found = to_stored_grid((view.whole_image > 0).astype(np.float32), view, drawn.shape) > 0.5
        overlap = 2 * (found & drawn).sum() / (found.sum() + drawn.sum())
        assert overlap > 0.93, f"{name}: {overlap:.3f}"
