"""Wrapped PNG exams: valid, the pixels untouched, the orientation true."""

from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from dicom3tools import run_validator
from typer.testing import CliRunner

from training.phantom.commands import app
from training.phantom.wrapper import wrap_png_exam
from triage.core.views import STANDARD_VIEWS


def write_pngs(folder: Path, mirrored_right: bool) -> None:
    """Four bright half discs, chest wall at the left, or at the right for right breasts that were not mirrored."""
    y, x = np.mgrid[:300, :240]
    breast = np.where((x / 150) ** 2 + ((y - 150) / 120) ** 2 < 1, 120, 0).astype(np.uint8)
    for side in "RL":
        for position in ("CC", "MLO"):
            image = breast if side == "L" or mirrored_right else breast[:, ::-1]
            cv2.imwrite(str(folder / f"{side}-{position}.png"), image)


def test_real_exam_is_valid_and_says_what_its_pixels_show(data_dir: Path, tmp_path: Path) -> None:
    source = data_dir / "exam-4view-8bit"
    files = wrap_png_exam(source, tmp_path)
    for view, file in zip(STANDARD_VIEWS, files, strict=True):
        assert run_validator("dciodvfy", file) == ""
        ds = pydicom.dcmread(file)
        png = cv2.imread(str(source / f"{view.laterality}-{view.view_position}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(ds.pixel_array, png)
        assert (ds.ImageLaterality, ds.ViewPosition) == (view.laterality, view.view_position)
        assert ds.PatientOrientation[0] == "A"
        assert ds.FieldOfViewHorizontalFlip == ("YES" if view.laterality == "R" else "NO")
        assert "PNG" in ds.SeriesDescription
    assert run_validator("dcentvfy", *files) == ""


@pytest.mark.parametrize("mirrored_right", [True, False])
def test_orientation_follows_the_pixels(mirrored_right: bool, tmp_path: Path) -> None:
    write_pngs(tmp_path, mirrored_right)
    rcc, lcc, *_ = (pydicom.dcmread(file) for file in wrap_png_exam(tmp_path, tmp_path / "out"))
    assert list(lcc.PatientOrientation) == ["A", "R"]
    assert list(rcc.PatientOrientation) == (["A", "L"] if mirrored_right else ["P", "L"])
    assert rcc.FieldOfViewHorizontalFlip == ("YES" if mirrored_right else "NO")


def test_wrapping_twice_gives_the_same_uids(tmp_path: Path) -> None:
    write_pngs(tmp_path, True)
    first, second = (wrap_png_exam(tmp_path, tmp_path / name)[0] for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_command_names_the_missing_view(tmp_path: Path) -> None:
    write_pngs(tmp_path, True)
    (tmp_path / "L-MLO.png").unlink()
    result = CliRunner().invoke(app, ["wrap", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "L-MLO.png" in result.output


def test_commands_write_exams(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["phantom", "--out", str(tmp_path), "--exams", "1", "--variant", "missing-view"])
    assert result.exit_code == 0
    assert (tmp_path / "manifest.csv").is_file()
    assert len(list(tmp_path.rglob("*.dcm"))) == 3
