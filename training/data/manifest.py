"""The one data contract: a CSV with a row an image, and beside it a CSV with a row a lesion.

Files are named relative to the manifest. Reading checks every row and reports all bad ones at once.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from triage.core.errors import TriageError

LESIONS = "lesions.csv"


class ManifestError(TriageError):
    """A manifest that cannot be used; the message names every bad row."""


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


class ImageRow(BaseModel):
    """One image of the manifest."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str = Field(min_length=1)
    patient_id: str = Field(min_length=1)
    study_id: str = Field(min_length=1)
    laterality: Literal["L", "R"]
    view: Literal["CC", "MLO"]
    birads: Annotated[Annotated[int, Field(ge=0, le=6)] | None, BeforeValidator(_empty_is_none)] = None
    pathology: Annotated[Literal["normal", "benign", "malignant"] | None, BeforeValidator(_empty_is_none)] = None
    manufacturer: str = ""
    model: str = ""
    split: str = ""
    mask: str = ""

    @property
    def normal(self) -> bool | None:
        """Task 1's label: BI-RADS 1 against the rest, or by pathology where there is no BI-RADS. None if unlabelled."""
        if self.birads is not None:
            return self.birads == 1
        return None if self.pathology is None else self.pathology == "normal"


class LesionRow(BaseModel):
    """One lesion: a box in stored pixels of its file, half open."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str
    type: str
    pathology: Literal["benign", "malignant"]
    xmin: float
    ymin: float
    xmax: float
    ymax: float


@dataclass(frozen=True)
class Manifest:
    """The rows of one manifest and the folder that their files are relative to."""

    folder: Path
    rows: tuple[ImageRow, ...]
    lesions: tuple[LesionRow, ...] = ()

    def path(self, row: ImageRow) -> Path:
        """Where the image lies."""
        return self.folder / row.file


def read_manifest(path: Path, *, check_files: bool = True) -> Manifest:
    """Reads a manifest, and its `lesions.csv` if there is one.

    Raises:
        ManifestError: missing file or columns, or bad, duplicate or dangling rows; each is named by its line.
    """
    problems: list[str] = []
    rows: list[ImageRow] = []
    seen: dict[str, int] = {}
    for line, content in _lines(path, required=("file", "patient_id", "study_id", "laterality", "view")):
        try:
            row = ImageRow.model_validate(content)
        except ValidationError as error:
            problems += _problems(line, error)
            continue
        if row.file in seen:
            problems.append(f"line {line}: file {row.file!r} is already on line {seen[row.file]}")
        elif check_files and not (path.parent / row.file).is_file():
            problems.append(f"line {line}: file {row.file!r} does not exist beside the manifest")
        seen.setdefault(row.file, line)
        rows.append(row)
    if problems:
        raise ManifestError(f"{path}: {len(problems)} bad row(s)\n  " + "\n  ".join(problems))
    if not rows:
        raise ManifestError(f"{path}: no rows")
    return Manifest(path.parent, tuple(rows), _read_lesions(path.parent / LESIONS, seen))


def of_split(manifest: Manifest, split: str) -> Manifest:
    """The rows of one part; none at all is an error."""
    rows = tuple(row for row in manifest.rows if row.split == split)
    if not rows:
        raise ManifestError(f"the manifest has no rows in part {split!r}")
    return Manifest(manifest.folder, rows, manifest.lesions)


def _read_lesions(path: Path, files: dict[str, int]) -> tuple[LesionRow, ...]:
    if not path.is_file():
        return ()
    lesions, problems = [], []
    for line, content in _lines(path, required=("file", "type", "pathology", "xmin", "ymin", "xmax", "ymax")):
        try:
            lesion = LesionRow.model_validate(content)
        except ValidationError as error:
            problems += _problems(line, error)
            continue
        if lesion.file in files:
            lesions.append(lesion)
    if problems:
        raise ManifestError(f"{path}: {len(problems)} bad row(s)\n  " + "\n  ".join(problems))
    return tuple(lesions)


def _problems(line: int, error: ValidationError) -> list[str]:
    return [f"line {line}: {'.'.join(map(str, e['loc']))} is {e['input']!r}: {e['msg']}" for e in error.errors()]


def _lines(path: Path, required: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            missing = [column for column in required if column not in (reader.fieldnames or ())]
            if missing:
                raise ManifestError(f"{path}: no column {', '.join(missing)}")
            return [(reader.line_num, {k: v.strip() for k, v in row.items() if k is not None}) for row in reader]
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error})") from error


def write_manifest(path: Path, rows: Iterable[ImageRow]) -> None:
    """Writes rows as CSV; what is unknown stays empty."""
    write_rows(path, list(ImageRow.model_fields), rows)


def write_lesions(path: Path, lesions: Iterable[LesionRow]) -> None:
    """Writes lesions as CSV."""
    write_rows(path, list(LesionRow.model_fields), lesions)


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[BaseModel]) -> None:
    """Writes records as CSV with the given columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: "" if v is None else v for k, v in row.model_dump().items()})
