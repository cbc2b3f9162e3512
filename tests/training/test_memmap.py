"""The cache holds, to the byte, what serving reads, and boxes lie on their lesions."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data.images import part
from training.data.manifest import LESIONS, LesionRow, Manifest, read_manifest, write_lesions, write_manifest
from training.data.memmap import build
from training.data.pixels import prepare_file
from training.phantom.study import Choices, write_exams
from triage.core.errors import TriageError
from triage.core.study import model_input
from triage.register.affine import register_pair


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """One abnormal phantom exam and one unreadable file of another patient."""
    folder = tmp_path_factory.mktemp("phantom")
    write_exams(folder, 1, 4, choices=Choices(birads=2))
    (folder / "broken.dcm").write_bytes(b"not DICOM")
    found = read_manifest(folder / "manifest.csv")
    broken = found.rows[0].model_copy(update={"file": "broken.dcm", "patient_id": "other", "study_id": "other"})
    rows = [row.model_copy(update={"split": "train"}) for row in (*found.rows, broken)]
    write_manifest(folder / "split.csv", rows)
    return read_manifest(folder / "split.csv")


@pytest.fixture(scope="module")
def cache(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cache")
    assert build(manifest, out, workers=1) == {
        "images": 5,
        "rejected": 1,
        "without registered contralateral view": 1,
    }
    return out


def test_pixels_are_those_of_the_service(manifest: Manifest, cache: Path) -> None:
    images = part(cache, "train", paired=True)
    assert len(images) == 4
    views = [prepare_file(manifest.path(row)) for row in manifest.rows[:4]]
    for number, view in enumerate(views):
        assert np.array_equal(images.pixels("dual_view", number), view.dual_view)
        assert np.array_equal(images.pixels("whole_image", number), view.whole_image)
    read = images.images("dual_view", np.asarray([2])).numpy()
    assert read.tobytes() == model_input(views[2].dual_view).tobytes()
    rows = manifest.rows[:4]
    other = next(k for k, row in enumerate(rows) if row.view == rows[0].view and row.laterality != rows[0].laterality)
    assert np.array_equal(images.pixels("moving", 0), register_pair(views[0], views[other]).moving)


def test_a_second_build_does_nothing_and_another_manifest_is_refused(manifest: Manifest, cache: Path) -> None:
    before = (cache / "index.csv").read_bytes()
    build(manifest, cache, workers=1)
    assert (cache / "index.csv").read_bytes() == before
    with pytest.raises(TriageError, match="another manifest"):
        build(Manifest(manifest.folder, manifest.rows[:2]), cache)


@pytest.mark.parametrize("wall", ["left", "right"])
def test_boxes_lie_on_their_lesions(wall: str, tmp_path: Path) -> None:
    image = np.zeros((1400, 1100), np.uint16)
    cv2.ellipse(image, (0, 700), (600, 500), 0, 0, 360, 9000, -1)
    image += np.random.default_rng(0).integers(0, 300, image.shape, dtype=np.uint16) * (image > 0)
    image[600:640, 200:260] = 60000
    box = (200, 260) if wall == "left" else (840, 900)
    cv2.imwrite(str(tmp_path / "a.png"), image if wall == "left" else image[:, ::-1])
    (tmp_path / "m.csv").write_text(
        "file,patient_id,study_id,laterality,view,birads,split\na.png,p,s,L,CC,2,train\n", encoding="utf-8"
    )
    lesion = LesionRow(
        file="a.png", type="round-mass", pathology="benign", xmin=box[0], xmax=box[1], ymin=600, ymax=640
    )
    write_lesions(tmp_path / LESIONS, [lesion])
    build(read_manifest(tmp_path / "m.csv"), tmp_path / "cache", workers=1)
    images = part(tmp_path / "cache", "train", paired=False)
    found = images.boxes[0]
    bright = np.argwhere(images.pixels("dual_view", 0) > 45000)
    (top, left), (bottom, right) = bright.min(axis=0), bright.max(axis=0) + 1
    assert np.abs(np.asarray([found.top, found.bottom, found.left, found.right]) - [top, bottom, left, right]).max() < 3
