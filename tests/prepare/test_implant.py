"""An implant that the header does not tell of is seen in the pixels, and nothing else is taken for one."""

from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from prepare_samples import dataset

from training.phantom.study import Choices, write_exams
from triage.core.errors import Rejected
from triage.core.study import DUAL_VIEW_SHAPE, BoolImage, UInt16Image
from triage.prepare.decode import read
from triage.prepare.implant import check_implant
from triage.prepare.view import prepare, prepare_pixels


def suspected(ds: pydicom.Dataset) -> bool:
    try:
        prepare(ds)
    except Rejected as rejected:
        if rejected.reason.code != "implant-suspected":
            raise
        return True
    return False


@pytest.fixture(scope="module")
def implanted(tmp_path_factory: pytest.TempPathFactory) -> list[pydicom.Dataset]:
    folder = write_exams(tmp_path_factory.mktemp("implants"), 2, seed=11, choices=Choices(variant="implant")).parent
    return [read(file) for file in sorted(folder.rglob("*.dcm"))]


@pytest.mark.parametrize("value", [None, ""], ids=["absent", "empty"])
def test_a_silent_header_leaves_it_to_the_pixels(value: str | None, implanted: list[pydicom.Dataset]) -> None:
    for ds in implanted:
        ds.BreastImplantPresent = value
        if value is None:
            del ds.BreastImplantPresent
    assert [suspected(ds) for ds in implanted] == [True] * 8


def test_a_header_that_says_no_is_not_believed_against_the_pixels(implanted: list[pydicom.Dataset]) -> None:
    for ds in implanted:
        ds.BreastImplantPresent = "NO"
    assert all(suspected(ds) for ds in implanted)


def test_phantoms_without_implant_pass(tmp_path: Path) -> None:
    for file in write_exams(tmp_path, 2, seed=12).parent.rglob("*.dcm"):
        ds = read(file)
        del ds.BreastImplantPresent
        assert not suspected(ds), file.name


def breast(centre_row: int, texture: float = 0.0) -> tuple[UInt16Image, BoolImage]:
    """Dark tissue with a bright half disc of radius 250 at the chest wall."""
    y, x = np.mgrid[: DUAL_VIEW_SHAPE[0], : DUAL_VIEW_SHAPE[1]]
    mask = (x / 700) ** 2 + ((y - 504) / 500) ** 2 < 1
    plateau = x**2 + (y - centre_row) ** 2 < 250**2
    waves = 1 + texture * np.sin(y / 15) * np.sin(x / 15)
    image = np.where(plateau, 50000 * waves, 15000 + 3000 * np.sin(x / 40)) * mask
    return image.clip(0, 65535).astype(np.uint16), mask


def test_a_plateau_counts_unless_it_is_textured_or_the_pectoral_muscle() -> None:
    with pytest.raises(Rejected, match=r"covers 1\d% of the breast"):
        check_implant(*breast(504))
    check_implant(*breast(504, texture=0.25))
    check_implant(*breast(100))
    check_implant(np.zeros(DUAL_VIEW_SHAPE, np.uint16), np.zeros(DUAL_VIEW_SHAPE, np.bool_))


def test_real_digital_images_pass(data_dir: Path) -> None:
    assert not suspected(read(data_dir / "dicom-mg" / "ge_senographe_rmlo_jpegll_GH133.dcm"))
    for file in sorted((data_dir / "exam-4view-8bit").glob("*.png")):
        pixels = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        assert not suspected(dataset(pixels, 8, PatientOrientation=["A", "F"])), file.name


def test_real_films_seldom_look_like_implants(data_dir: Path) -> None:
    """At most one of every tenth film and mdb289, the one known false alarm."""
    files = sorted((data_dir / "mini-mias" / "images").glob("*.png"))[::10]
    alarms = 0
    for file in [*files, data_dir / "mini-mias" / "images" / "mdb289.png"]:
        try:
            view = prepare_pixels(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), None, 8)
        except Rejected:
            continue
        try:
            check_implant(view.dual_view, view.breast_mask)
        except Rejected:
            alarms += 1
    assert alarms <= 1
