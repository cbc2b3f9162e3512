"""Real exams that exist only as PNG, wrapped as DICOM. Input: R-CC.png, L-CC.png, R-MLO.png, L-MLO.png. Output: four MG
instances that say of themselves that they are wrapped.

The pixels are kept as they are, so PatientOrientation says what they show: where the right views were mirrored (chest
wall at the left), they run toward anterior like the left ones, and FieldOfViewHorizontalFlip is YES.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from training.phantom.acquisition import Stored, VendorLook
from training.phantom.dicom import ImageFacts, mg_dataset
from training.phantom.identity import identity_of
from triage.core.views import STANDARD_VIEWS, View

# unmirrored and mirrored first value of PatientOrientation, by side (PS3.3 C.7.6.1.1.1)
_COLUMN_DIRECTION = {View.RCC: "L", View.LCC: "R", View.RMLO: "FL", View.LMLO: "FR"}
_SPACING = 0.1
"""A PNG says nothing of its pixel spacing; 0.1 mm makes 2600 x 2000 pixels a usual detector of 26 x 20 cm."""


def wrap_png_exam(folder: Path, out: Path, manufacturer: str = "PNG-WRAPPER") -> list[Path]:
    """Wrap the four 8-bit PNG views of one exam.

    Args:
        folder: holds R-CC.png, L-CC.png, R-MLO.png and L-MLO.png.
        out: folder for RCC.dcm, LCC.dcm, RMLO.dcm, LMLO.dcm; made if absent.
        manufacturer: Manufacturer (0008,0070) to write, so that the wrapped exams form a stratum of their own.

    Raises:
        FileNotFoundError: a view is missing.
        ValueError: a file is not an 8-bit greyscale image.
    """
    images = {view: _read(folder / f"{view.laterality}-{view.view_position}.png") for view in STANDARD_VIEWS}
    digest = hashlib.sha256(b"".join(image.tobytes() for image in images.values())).hexdigest()
    identity = replace(identity_of(int(digest[:8], 16) % 10**9, "WRAPPED"), study_key=f"wrapped/{digest}")
    look = VendorLook(manufacturer, "8-bit PNG", "1", (0, 0, _SPACING), 8, "LINEAR", 128, 256, 1.0, 0.0, 0.0)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for number, (view, pixels) in enumerate(images.items(), 1):
        dataset = mg_dataset(pixels, _facts(view, number, pixels), identity, look)
        dataset.save_as(out / f"{view}.dcm", enforce_file_format=True)
        written.append(out / f"{view}.dcm")
    return written


def _read(path: Path) -> Stored:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: a wrapped exam needs all four views")
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint8 or image.ndim != 2:
        raise ValueError(f"{path} is not an 8-bit greyscale image")
    return np.asarray(image, np.uint16)


def _facts(view: View, number: int, pixels: Stored) -> ImageFacts:
    wall_left = chest_wall_at_left(pixels)
    return ImageFacts(
        view, number, _SPACING, f"Wrapped 8-bit PNG {view.laterality}-{view.view_position}",
        orientation=("A" if wall_left else "P", _COLUMN_DIRECTION[view]),
        mirrored=wall_left != (view.laterality == "L"),
    )  # fmt: skip


def chest_wall_at_left(pixels: Stored) -> bool:
    """Whether the breast lies against the left border: the outer fifth with more bright pixels is the chest wall."""
    fifth = pixels.shape[1] // 5
    bright = pixels > 20  # 8-bit; above film base and scanner noise
    return bool(bright[:, :fifth].mean() >= bright[:, -fifth:].mean())
