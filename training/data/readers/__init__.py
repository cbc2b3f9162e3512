"""Readers: one published layout each, to manifest rows and a count of what could not be used."""

from collections.abc import Callable
from pathlib import Path

from training.data.manifest import ManifestError
from training.data.readers import dicom_csv, mini_mias, phantom
from training.data.readers.result import ReadResult

Reader = Callable[[Path], ReadResult]

READERS: dict[str, Reader] = {
    "dicom-csv": dicom_csv.read,
    "mini-mias": mini_mias.read,
    "phantom": phantom.read,
}


def reader(name: str) -> Reader:
    """The reader of that name; an unknown one raises ManifestError with the known names."""
    if name not in READERS:
        raise ManifestError(f"no reader {name!r}; known: {', '.join(READERS)}")
    return READERS[name]
