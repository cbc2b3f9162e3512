"""One image file to the service's canonical pixels: DICOM as the service reads it, PNG or PGM by the same steps."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import cv2

from training.data.manifest import ImageRow
from triage.core.errors import Rejected
from triage.core.reasons import reason
from triage.core.study import DUAL_VIEW_SHAPE, PreparedView
from triage.prepare.decode import read
from triage.prepare.resample import placement
from triage.prepare.view import prepare, prepare_pixels

_PLAIN = {".png", ".pgm"}


def prepare_file(path: Path) -> PreparedView:
    """The prepared view of one file.

    Raises:
        Rejected: undecodable, blank, or no breast found.
    """
    if path.suffix.lower() not in _PLAIN:
        return prepare(read(path))
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 2:
        raise Rejected(reason("undecodable", f"{path.name} is not a greyscale image that OpenCV reads"))
    bits = 8 * pixels.dtype.itemsize
    # Which side the chest wall is on is asked of the pixels: plain image files do not say.
    return prepare_pixels(pixels, None, bits)


def on_dual_view(view: PreparedView, row: float, column: float) -> tuple[float, float]:
    """A point of the stored image on the grid of `view.dual_view`: (row, column)."""
    top, bottom, left, right = view.crop
    place = placement(bottom - top, right - left, DUAL_VIEW_SHAPE)
    along = (column - left) / (right - left)
    along = 1.0 - along if view.flipped else along
    return place.top + (row - top) / (bottom - top) * place.rows, along * place.columns


def exams(rows: Iterable[tuple[int, ImageRow]]) -> list[list[tuple[int, ImageRow]]]:
    """Numbered rows grouped by patient and study, in the order of first appearance."""
    groups: dict[tuple[str, str], list[tuple[int, ImageRow]]] = defaultdict(list)
    for number, row in rows:
        groups[row.patient_id, row.study_id].append((number, row))
    return list(groups.values())


def contralateral(row: ImageRow, exam: list[tuple[int, ImageRow]]) -> int | None:
    """Number of the same view of the other breast in the exam; None if there is none or more than one."""
    found = [number for number, other in exam if other.view == row.view and other.laterality != row.laterality]
    return found[0] if len(found) == 1 else None
