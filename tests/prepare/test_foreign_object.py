"""Metal in or on the breast is seen in the pixels; calcifications, markers at the nipple and real images pass."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from prepare_samples import dataset

from training.phantom.acquisition import LOOKS
from training.phantom.dicom import ImageFacts, mg_dataset
from training.phantom.exam import make_exam
from training.phantom.identity import identity_of
from training.phantom.study import stored_pixels
from triage.core.errors import Rejected
from triage.core.study import DUAL_VIEW_SHAPE, BoolImage, UInt16Image
from triage.core.views import View
from triage.prepare.decode import read
from triage.prepare.foreign_object import check_foreign_object
from triage.prepare.view import prepare, prepare_pixels

REFUSED = ("clip", "wire", "skin-marker", "pacemaker")


def phantom(kind: str | None, seed: int, vendor: str, birads: int = 1, view: View = View.LMLO) -> set[str]:
    """Codes by which one view of a phantom is refused."""
    exam = replace(make_exam(seed, birads, vendor=vendor), metal=kind)
    rendered = exam.render(view)
    facts = ImageFacts(view, 1, rendered.grid.spacing, "Phantom")
    try:
        prepare(mg_dataset(stored_pixels(exam, rendered), facts, identity_of(seed), exam.look))
    except Rejected as rejected:
        return {rejected.reason.code}
    return set()


@pytest.mark.parametrize("vendor", LOOKS)
@pytest.mark.parametrize("kind", REFUSED)
def test_metal_is_seen_under_every_look(kind: str, vendor: str) -> None:
    assert phantom(kind, 8101, vendor) == {"foreign-object-suspected"}


@pytest.mark.parametrize("vendor", LOOKS)
def test_findings_with_calcifications_are_no_metal(vendor: str) -> None:
    assert phantom(None, 8102, vendor, birads=2, view=View.RMLO) == set()
    assert phantom(None, 8103, vendor, birads=6, view=View.LCC) == set()


def test_a_bead_at_the_nipple_is_no_reason() -> None:
    assert phantom("nipple-marker", 8104, "PHANTOM-A", view=View.LCC) == set()


def breast() -> tuple[UInt16Image, BoolImage]:
    """Even tissue on the canvas."""
    y, x = np.mgrid[: DUAL_VIEW_SHAPE[0], : DUAL_VIEW_SHAPE[1]]
    mask = (x / 700) ** 2 + ((y - 504) / 500) ** 2 < 1
    return np.where(mask, 30000, 0).astype(np.uint16), mask


def refused(image: UInt16Image, mask: BoolImage) -> bool:
    try:
        check_foreign_object(np.where(mask, image, 0).astype(np.uint16), mask)
    except Rejected:
        return True
    return False


def test_white_and_sharp_makes_metal() -> None:
    def disc(radius: int, blur: float, level: int = 65535, at: tuple[int, int] = (300, 504)) -> bool:
        image, mask = breast()
        spot = cv2.circle(np.zeros(image.shape, np.float32), at, radius, 1.0, cv2.FILLED)
        spot = cv2.GaussianBlur(spot, (0, 0), blur) if blur else spot
        return refused((image + spot * (level - 30000.0)).astype(np.uint16), mask)

    assert disc(4, 0.0)
    assert disc(60, 0.4)
    assert not disc(4, 0.0, level=60000), "tissue reaches that"
    assert not disc(12, 4.0), "a calcification or a mass is soft"
    assert not disc(1, 0.0), "a speck"
    assert not disc(4, 0.0, at=(790, 20)), "outside the breast"
    assert not disc(4, 0.0, at=(680, 504)), "a bead at the nipple"
    assert disc(4, 0.0, at=(400, 100)), "a bead elsewhere on the skin"
    assert not refused(*breast())
    assert not refused(np.zeros(DUAL_VIEW_SHAPE, np.uint16), np.zeros(DUAL_VIEW_SHAPE, np.bool_))


def test_real_digital_images_pass(data_dir: Path) -> None:
    prepare(read(data_dir / "dicom-mg" / "ge_senographe_rmlo_jpegll_GH133.dcm"))
    for file in sorted((data_dir / "exam-4view-8bit").glob("*.png")):
        prepare(dataset(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), 8, PatientOrientation=["A", "F"]))


def test_real_metal_is_seen_where_it_is_not_exempt(data_dir: Path) -> None:
    """The CC views of the real exam show a marker each, at the nipple; were the breast larger it would count."""
    for name in ("L-CC", "R-CC"):
        pixels = cv2.imread(str(data_dir / "exam-4view-8bit" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        view = prepare_pixels(pixels, "left", 8)
        check_foreign_object(view.dual_view, view.breast_mask)
        around = np.where(view.breast_mask, view.dual_view, 20000).astype(np.uint16)
        assert refused(around, np.ones(DUAL_VIEW_SHAPE, np.bool_)), name


@pytest.mark.parametrize(("folder", "suffix", "step"), [("cc-digital", "jpg", 8), ("mini-mias", "png", 24)])
def test_other_real_images_pass(folder: str, suffix: str, step: int, data_dir: Path) -> None:
    seen = 0
    for file in sorted((data_dir / folder / "images").glob(f"*.{suffix}"))[::step]:
        try:
            view = prepare_pixels(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), None, 8)
        except Rejected:
            continue
        seen += 1
        check_foreign_object(view.dual_view, view.breast_mask)
    assert seen >= 8
