"""Data sets on disk: valid DICOM, manifest, variants."""

import csv
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom3tools import run_validator

from training.phantom.acquisition import LOOKS
from training.phantom.exam import make_exam
from training.phantom.study import LESION_COLUMNS, MANIFEST_COLUMNS, Choices, stored_pixels, write_exam, write_exams
from triage.core.views import STANDARD_VIEWS


def rows_of(path: Path) -> list[dict[str, str]]:
    """A CSV file as dictionaries."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four exams with a suspicious finding each."""
    return write_exams(tmp_path_factory.mktemp("set"), 4, seed=3, choices=Choices(birads=4)).parent


@pytest.mark.parametrize("vendor", LOOKS)
def test_every_look_is_valid_dicom(vendor: str, tmp_path: Path) -> None:
    write_exam(make_exam(21, birads=2, vendor=vendor), tmp_path / "exam")
    files = sorted((tmp_path / "exam").glob("*.dcm"))
    assert len(files) == 4
    assert [run_validator("dciodvfy", file) for file in files] == [""] * 4
    assert run_validator("dcentvfy", *files) == ""


def test_manifest_and_lesions_have_the_agreed_columns(data_set: Path) -> None:
    images, lesions = rows_of(data_set / "manifest.csv"), rows_of(data_set / "lesions.csv")
    assert tuple(images[0]) == MANIFEST_COLUMNS == (
        "file", "patient_id", "study_id", "laterality", "view", "birads", "pathology", "manufacturer", "model",
        "split", "mask",
    )  # fmt: skip
    assert tuple(lesions[0]) == LESION_COLUMNS == ("file", "type", "pathology", "xmin", "ymin", "xmax", "ymax")
    assert len(images) == 16
    assert len({row["patient_id"] for row in images}) == 4


def test_manifest_agrees_with_the_headers(data_set: Path) -> None:
    for row in rows_of(data_set / "manifest.csv"):
        ds = pydicom.dcmread(data_set / row["file"], stop_before_pixels=True)
        assert (ds.ImageLaterality, ds.ViewPosition) == (row["laterality"], row["view"])
        assert (ds.PatientID, ds.StudyInstanceUID) == (row["patient_id"], row["study_id"])
        assert (ds.Manufacturer, ds.ManufacturerModelName) == (row["manufacturer"], row["model"])
        assert ds.SeriesDescription.startswith("Phantom")
        assert 40 <= int(ds.PatientAge[:3]) <= 75


def test_lesion_boxes_are_in_stored_pixels(data_set: Path) -> None:
    """Right breasts are stored with the chest wall at the right: the box must hold what changed there too."""
    boxes = rows_of(data_set / "lesions.csv")
    sides = set()
    for index in range(4):
        exam = make_exam(3_000_000 + index, birads=4)
        for view in STANDARD_VIEWS:
            mine = [box for box in boxes if box["file"] == f"exam{index:05d}/{view}.dcm"]
            sick = stored_pixels(exam, exam.render(view)).astype(int)
            change = np.abs(sick - stored_pixels(exam, exam.render(view, with_lesions=False)))
            assert bool(mine) == bool(change.any())
            inside = np.zeros(change.shape, bool)
            for box in mine:
                inside[int(box["ymin"]) : int(box["ymax"]), int(box["xmin"]) : int(box["xmax"])] = True
                sides.add(view.laterality)
            assert change[inside].sum() >= 0.85 * change.sum()
    assert sides == {"R", "L"}


def test_right_breasts_have_the_chest_wall_on_the_right(data_set: Path) -> None:
    for row in rows_of(data_set / "manifest.csv")[:4]:
        ds = pydicom.dcmread(data_set / row["file"])
        pixels = ds.pixel_array.astype(int)
        pixels = pixels.max() - pixels if ds.PhotometricInterpretation == "MONOCHROME1" else pixels
        quarter = pixels.shape[1] // 4
        brighter_left = pixels[:, :quarter].mean() > pixels[:, -quarter:].mean()
        assert brighter_left == (ds.ImageLaterality == "L")
        assert ds.PatientOrientation[0] == ("A" if ds.ImageLaterality == "L" else "P")


def test_same_seed_same_files_whatever_the_workers(tmp_path: Path) -> None:
    write_exams(tmp_path / "one", 2, seed=5, workers=1)
    write_exams(tmp_path / "two", 2, seed=5, workers=2)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 10
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def write_variant(folder: Path, variant: str) -> list[pydicom.Dataset]:
    """The images of one exam of a variant."""
    write_exams(folder, 1, seed=9, choices=Choices(variant=variant))
    files = sorted(folder.rglob("*.dcm"))
    assert [run_validator("dciodvfy", file) for file in files] == [""] * len(files)
    return [pydicom.dcmread(file) for file in files]


def test_variant_implant(tmp_path: Path) -> None:
    images = write_variant(tmp_path, "implant")
    assert {ds.BreastImplantPresent for ds in images} == {"YES"}
    exam, plain = make_exam(9_000_000, implants=True), make_exam(9_000_000)
    view = STANDARD_VIEWS[0]
    brighter = (exam.render(view).density > 0.8).sum() - (plain.render(view).density > 0.8).sum()
    assert brighter > 0.1 * exam.render(view).mask.sum()


def test_variant_partial_view(tmp_path: Path) -> None:
    assert sorted(ds.PartialView for ds in write_variant(tmp_path, "partial-view")) == ["NO", "NO", "NO", "YES"]


def test_variant_missing_view(tmp_path: Path) -> None:
    assert len(write_variant(tmp_path, "missing-view")) == 3
    assert len(rows_of(tmp_path / "manifest.csv")) == 3


def test_variant_spot(tmp_path: Path) -> None:
    images = write_variant(tmp_path, "spot")
    assert len(images) == 5
    modifiers = [ds.ViewCodeSequence[0].ViewModifierCodeSequence for ds in images]
    assert [items[0].CodeValue for items in modifiers if items] == ["399055006"]
    assert len({ds.SOPInstanceUID for ds in images}) == 5


def test_unknown_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="upside-down"):
        write_exams(tmp_path, 1, seed=1, choices=Choices(variant="upside-down"))
