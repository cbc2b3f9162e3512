"""The cache: every image of a manifest, prepared and registered once by the service's own code, as uint16 memory maps.

Input: a manifest. Output: DIR/dual_view.npy, whole_image.npy, moving.npy (the registered contralateral view; zeros
where there is none), index.csv (a line an image), boxes.csv (lesions on the dual-view grid). Exams already in the index
are skipped, so an interrupted run continues.
"""

import csv
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from training.data.images import BOXES, INDEX
from training.data.manifest import ImageRow, LesionRow, Manifest
from training.data.pixels import contralateral, exams, on_dual_view, prepare_file
from training.data.tiles import Box
from triage.core.errors import Rejected, TriageError
from triage.core.study import DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE, PreparedView
from triage.register.affine import register_pair

_SHAPES = {"dual_view": DUAL_VIEW_SHAPE, "whole_image": WHOLE_IMAGE_SHAPE, "moving": DUAL_VIEW_SHAPE}
_COLUMNS = (
    "row", "file", "patient_id", "study_id", "laterality", "view", "birads", "normal", "split",
    "rejected", "contralateral", "registration", "quality",
)  # fmt: skip
_BOX_COLUMNS = ("row", "type", "pathology", "top", "bottom", "left", "right")
_SOURCE = "source.json"
Exam = list[tuple[int, ImageRow]]


@dataclass
class _Entry:
    """One line of the index; `rejected` is a reason code, `registration` the method that held."""

    row: int
    rejected: str = ""
    contralateral: int | None = None
    registration: str = ""
    quality: float | None = None


def build(manifest: Manifest, out: Path, workers: int = 2) -> dict[str, int]:
    """Fills the cache; returns counts of images, rejected images and unpaired ones.

    Raises:
        TriageError: `out` is the cache of another manifest.
    """
    _claim(manifest, out)
    done = _done(out)
    lesions: dict[str, list[LesionRow]] = {}
    for lesion in manifest.lesions:
        lesions.setdefault(lesion.file, []).append(lesion)
    waiting = [exam for exam in exams(enumerate(manifest.rows)) if exam[0][0] not in done]
    jobs: list[_Job] = [
        (out, manifest.folder, exam, [lesions.get(row.file, []) for _, row in exam]) for exam in waiting
    ]
    silent = not sys.stderr.isatty()
    cached = track(_run(jobs, workers), "Caching exams", len(jobs), console=Console(stderr=True), disable=silent)
    for entries, boxes in cached:
        _append(out / BOXES, _BOX_COLUMNS, [asdict(box) | {"row": box.image} for box in boxes])
        _append(out / INDEX, _COLUMNS, [_index_line(manifest.rows[entry.row], entry) for entry in entries])
    return _counts(out)


_Job = tuple[Path, Path, Exam, Sequence[Sequence[LesionRow]]]


def _run(jobs: list[_Job], workers: int) -> Iterator[tuple[list[_Entry], list[Box]]]:
    if workers <= 1:
        yield from map(_cache_exam, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        yield from pool.map(_cache_exam, jobs)


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)


def _cache_exam(job: _Job) -> tuple[list[_Entry], list[Box]]:
    """Prepares and registers one exam and writes its pixels into the memory maps."""
    out, folder, exam, lesions = job
    maps = {name: np.lib.format.open_memmap(out / f"{name}.npy", mode="r+") for name in _SHAPES}
    views: dict[int, PreparedView] = {}
    entries: dict[int, _Entry] = {}
    boxes: list[Box] = []
    for (number, row), marked in zip(exam, lesions, strict=True):
        entries[number] = _Entry(number)
        try:
            views[number] = prepare_file(folder / row.file)
        except Rejected as rejected:
            entries[number].rejected = rejected.reason.code
            continue
        maps["dual_view"][number] = views[number].dual_view
        maps["whole_image"][number] = views[number].whole_image
        boxes += [_box(number, lesion, views[number]) for lesion in marked]
    for number, row in exam:
        other = contralateral(row, exam)
        if number not in views or other not in views:
            continue
        pair = register_pair(views[number], views[other])
        maps["moving"][number] = pair.moving
        entry = entries[number]
        entry.contralateral, entry.quality = other, round(pair.quality, 4)
        entry.registration = pair.method if pair.accepted else ""
    return list(entries.values()), boxes


def _box(number: int, lesion: LesionRow, view: PreparedView) -> Box:
    top, one_side = on_dual_view(view, lesion.ymin, lesion.xmin)
    bottom, other_side = on_dual_view(view, lesion.ymax, lesion.xmax)
    left, right = sorted((one_side, other_side))
    return Box(number, lesion.type, lesion.pathology, top, bottom, left, right)


def _claim(manifest: Manifest, out: Path) -> None:
    """Marks the folder as the cache of this manifest and makes its memory maps."""
    out.mkdir(parents=True, exist_ok=True)
    content = json.dumps([str(manifest.folder.resolve()), [row.model_dump() for row in manifest.rows]])
    source = {"sha256": hashlib.sha256(content.encode()).hexdigest(), "images": len(manifest.rows)}
    if (out / _SOURCE).is_file():
        if json.loads((out / _SOURCE).read_text(encoding="utf-8")) != source:
            raise TriageError(f"{out} is the cache of another manifest; give a new folder or delete it")
        return
    for name, shape in _SHAPES.items():
        np.lib.format.open_memmap(out / f"{name}.npy", mode="w+", dtype=np.uint16, shape=(len(manifest.rows), *shape))
    (out / _SOURCE).write_text(json.dumps(source), encoding="utf-8")


def _done(out: Path) -> set[int]:
    if not (out / INDEX).is_file():
        return set()
    with (out / INDEX).open(newline="", encoding="utf-8") as file:
        return {int(entry["row"]) for entry in csv.DictReader(file)}


def _index_line(row: ImageRow, entry: _Entry) -> dict[str, object]:
    normal = {None: "", True: "1", False: "0"}[row.normal]
    return row.model_dump(include=set(_COLUMNS)) | {"normal": normal} | asdict(entry)


def _append(path: Path, columns: Sequence[str], lines: Sequence[dict[str, object]]) -> None:
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows({key: "" if value is None else value for key, value in line.items()} for line in lines)


def _counts(out: Path) -> dict[str, int]:
    with (out / INDEX).open(newline="", encoding="utf-8") as file:
        entries = list(csv.DictReader(file))
    return {
        "images": len(entries),
        "rejected": sum(bool(entry["rejected"]) for entry in entries),
        "without registered contralateral view": sum(not entry["registration"] for entry in entries),
    }
