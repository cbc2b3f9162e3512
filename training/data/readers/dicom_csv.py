"""A folder of DICOM files and one CSV of labels: `file`, and `birads` or `pathology`; the headers supply the rest.

A column of the manifest that the CSV has (patient_id, laterality, ...) wins over the header.
"""

import csv
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from training.data.manifest import ImageRow, ManifestError
from training.data.readers.result import Collector, ReadResult
from triage.core.errors import TriageError
from triage.prepare.decode import read as read_dicom

# manifest column: DICOM keywords, the first present one counts
_FROM_HEADER = {
    "patient_id": ("PatientID",),
    "study_id": ("StudyInstanceUID",),
    "laterality": ("ImageLaterality", "Laterality"),
    "view": ("ViewPosition",),
    "manufacturer": ("Manufacturer",),
    "model": ("ManufacturerModelName",),
}


def read(source: Path) -> ReadResult:
    """Reads the folder's only CSV and the header of each file that it names.

    Raises:
        ManifestError: no CSV, several, or one without a `file` column.
    """
    collector = Collector()
    for label in _labels(source):
        path = source / label["file"]
        if not path.is_file():
            collector.missing_files.append(label["file"])
            continue
        try:
            row = ImageRow.model_validate(_header(path) | {k: v.strip() for k, v in label.items() if v and v.strip()})
        except (TriageError, ValidationError) as error:
            collector.unknown_codes.append(f"{label['file']}: {error}")
            continue
        collector.add(row, present=True)
    return collector.result()


def _header(path: Path) -> dict[str, str]:
    dataset: Any = read_dicom(path)
    found = {}
    for column, keywords in _FROM_HEADER.items():
        values = (str(dataset.get(keyword, "") or "") for keyword in keywords)
        found[column] = next((value for value in values if value), "")
    return found


def _labels(source: Path) -> list[dict[str, str]]:
    tables = sorted(path for path in source.glob("*.csv") if path.name != "lesions.csv")
    if len(tables) != 1:
        raise ManifestError(f"{source}: expected one CSV of labels, found {len(tables)}")
    with tables[0].open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, restval=""))
    if not rows or "file" not in rows[0]:
        raise ManifestError(f"{tables[0]}: no column file")
    return rows
