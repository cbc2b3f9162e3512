"""Phantom stage 7: data sets. Input: number of exams, seed. Output: out/EXAM/VIEW.dcm, manifest.csv, lesions.csv."""

import csv
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from training.phantom.acquisition import Stored, burn_marker, expose
from training.phantom.dicom import ImageFacts, mg_dataset
from training.phantom.exam import Exam, RenderedView, make_exam
from training.phantom.identity import identity_of
from training.phantom.metal import KINDS
from triage.core.views import STANDARD_VIEWS, View

MANIFEST_COLUMNS = (
    "file", "patient_id", "study_id", "laterality", "view", "birads", "pathology",
    "manufacturer", "model", "split", "mask",
)  # fmt: skip
LESION_COLUMNS = ("file", "type", "pathology", "xmin", "ymin", "xmax", "ymax")
VARIANTS = ("implant", "partial-view", "missing-view", "spot", *KINDS)
"""Exams that the service must refuse, but for `nipple-marker`."""

Row = dict[str, str | int]


@dataclass(frozen=True)
class Choices:
    """What every exam of a data set has in common; None leaves it to the exam's seed."""

    size: str = "small"
    """small (about 0.17 mm pixels) or full."""
    conspicuity: float = 1.0
    variant: str | None = None
    vendor: str | None = None
    birads: int | None = None
    first: int = 0
    """Number of the first exam: one exam of a data set can be written alone."""


Job = tuple[Path, Choices, int, int]
"""Folder, choices, the exam's seed and its number."""


def write_exams(out: Path, n: int, seed: int, workers: int = 1, choices: Choices = Choices()) -> Path:
    """Write exams and their truth.

    Args:
        out: folder, made if absent.
        n: how many exams; exam i has the seed `seed * 1_000_000 + i`.
        seed: of the data set.
        workers: processes, each with one thread.
        choices: size, conspicuity, variant, vendor, BI-RADS, number of the first exam.

    Returns:
        The path of manifest.csv.

    Raises:
        ValueError: unknown variant or size.
    """
    if choices.variant not in (None, *VARIANTS):
        raise ValueError(f"unknown variant {choices.variant!r}: choose one of {', '.join(VARIANTS)}")
    if choices.size not in ("small", "full"):
        raise ValueError(f"unknown size {choices.size!r}: choose small or full")
    out.mkdir(parents=True, exist_ok=True)
    jobs = [(out, choices, seed * 1_000_000 + i, i) for i in range(choices.first, choices.first + n)]
    images: list[Row] = []
    lesions: list[Row] = []
    for exam_images, exam_lesions in track(_run(jobs, workers), "Phantom exams", n, console=Console(stderr=True)):
        images += exam_images
        lesions += exam_lesions
    _write_csv(out / "lesions.csv", LESION_COLUMNS, lesions)
    _write_csv(out / "manifest.csv", MANIFEST_COLUMNS, images)
    return out / "manifest.csv"


def _run(jobs: list[Job], workers: int) -> Iterator[tuple[list[Row], list[Row]]]:
    if workers <= 1:
        yield from map(_job, jobs)
        return
    # spawn: a forked child would inherit the parent's threads
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        yield from pool.map(_job, jobs, chunksize=4)


def _one_thread() -> None:
    cv2.setNumThreads(1)


def _job(job: Job) -> tuple[list[Row], list[Row]]:
    out, choices, seed, index = job
    exam = make_exam(seed, choices.birads, choices.conspicuity, choices.vendor, implants=choices.variant == "implant")
    if choices.variant in KINDS:
        exam = replace(exam, metal=choices.variant)
    return write_exam(exam, out / f"exam{index:05d}", choices)


def write_exam(exam: Exam, folder: Path, choices: Choices = Choices()) -> tuple[list[Row], list[Row]]:
    """Write one exam to `folder` and return its manifest and lesion rows."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([exam.seed, 30])
    odd = STANDARD_VIEWS[int(rng.integers(4))]
    images: list[Row] = []
    lesions: list[Row] = []
    for number, view in enumerate(STANDARD_VIEWS, 1):
        if choices.variant == "missing-view" and view is odd:
            continue
        rendered = exam.render(view, choices.size)
        file = f"{folder.name}/{view}.dcm"
        facts = facts_of(exam, rendered, number, partial=choices.variant == "partial-view" and view is odd)
        _write_image(exam, rendered, facts, folder / f"{view}.dcm")
        images.append(_manifest_row(exam, view, file))
        lesions += _lesion_rows(rendered, file)
        if choices.variant == "spot" and view is odd:
            _write_spot(exam, rendered, folder / f"{view}-spot.dcm")
    return images, lesions


def facts_of(exam: Exam, rendered: RenderedView, number: int, partial: bool = False, spot: bool = False) -> ImageFacts:
    """What the header says of one view of an exam."""
    description = f"Phantom {rendered.view}" + (" spot compression" if spot else "")
    return ImageFacts(
        rendered.view, number, rendered.grid.spacing, description, implant=exam.implants, partial=partial, spot=spot
    )


def stored_pixels(exam: Exam, rendered: RenderedView) -> Stored:
    """Stored values as the unit saves them: right breasts have the chest wall at the right, a marker is burned in."""
    rng = np.random.default_rng([exam.seed, 40, STANDARD_VIEWS.index(rendered.view)])
    pixels = expose(rendered.density, rendered.mask, exam.look, rng)
    left = rendered.view.laterality == "L"
    pixels = pixels if left else np.ascontiguousarray(pixels[:, ::-1])
    burn_marker(pixels, str(rendered.view), exam.look, chest_wall_left=left)
    return pixels


def _write_image(exam: Exam, rendered: RenderedView, facts: ImageFacts, path: Path) -> None:
    ds = mg_dataset(stored_pixels(exam, rendered), facts, identity_of(exam.seed), exam.look)
    ds.save_as(path, enforce_file_format=True)


def _write_spot(exam: Exam, rendered: RenderedView, path: Path) -> None:
    """An extra image: the part around the nipple's axis under a small paddle."""
    rows, columns = rendered.grid.shape
    y, x = np.ogrid[:rows, :columns]
    paddle = (np.abs(y - rows * 0.5) < rows * 0.2) & (np.abs(x - columns * 0.25) < columns * 0.2)
    spot = RenderedView(rendered.view, rendered.density * paddle, rendered.mask & paddle, rendered.grid, ())
    _write_image(exam, spot, facts_of(exam, spot, 5, spot=True), path)


def _manifest_row(exam: Exam, view: View, file: str) -> Row:
    identity = identity_of(exam.seed)
    return {
        "file": file,
        "patient_id": identity.patient_id,
        "study_id": identity.study_instance_uid,
        "laterality": view.laterality,
        "view": view.view_position,
        "birads": exam.birads_of(view),
        "pathology": exam.pathology_of(view),
        "manufacturer": exam.look.manufacturer,
        "model": exam.look.model,
        "split": "",
        "mask": "",
    }


def _lesion_rows(rendered: RenderedView, file: str) -> list[Row]:
    """Truth boxes in stored pixels (half open): mirrored for right breasts."""
    rows: list[Row] = []
    for lesion, (left, ymin, right, ymax) in rendered.boxes:
        mirrored = rendered.view.laterality == "R"
        xmin, xmax = (rendered.grid.columns - right, rendered.grid.columns - left) if mirrored else (left, right)
        rows.append({"file": file, "type": lesion.kind, "pathology": lesion.pathology,
                     "xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax})  # fmt: skip
    return rows


def _write_csv(path: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
