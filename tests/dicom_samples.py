"""Tiny valid mammograms, 64 x 48 pixels, and the free ports and programs that tests of DICOM networking need."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
from mg_headers import STUDY, VIEWS, mg_header
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

ROWS, COLUMNS = 64, 48


def mg_dataset(
    laterality: str = "R", view_position: str = "CC", study_uid: str = STUDY, number: int = 1, **changes: object
) -> Dataset:
    """One FOR PRESENTATION view with pixels; `number` makes other images of the same study and view.

    `changes` are DICOM keywords, None deletes the element.
    """
    view = laterality + view_position
    index = VIEWS.index(view) + 1
    ds = mg_header(view)
    ds.StudyInstanceUID = study_uid
    ds.SeriesInstanceUID = f"{study_uid}.1.{index}"
    ds.SOPInstanceUID = f"{study_uid}.2.{index}.{number}"
    ds.Rows, ds.Columns = ROWS, COLUMNS
    ds.PixelData = _breast(laterality, number).tobytes()
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def four_datasets(study_uid: str = STUDY) -> list[Dataset]:
    """The four standard views."""
    return [mg_dataset(view[0], view[1:], study_uid) for view in VIEWS]


def write(ds: Dataset, folder: Path, name: str | None = None) -> Path:
    """The data set as a DICOM file."""
    path = folder / (name or f"{ds.SOPInstanceUID}.dcm")
    ds.file_meta.MediaStorageSOPClassUID = UID(ds.SOPClassUID)
    ds.file_meta.MediaStorageSOPInstanceUID = UID(ds.SOPInstanceUID)
    ds.save_as(path, enforce_file_format=True)
    return path


def free_port() -> int:
    """A TCP port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dcmtk(*command: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Runs a program of DCMTK; skips the test where it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} of DCMTK is not installed (Debian package dcmtk)")
    environment = {**os.environ, "TCP_NODELAY": "1"}  # without it DCMTK stalls 40 ms for each image
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env=environment)


def _breast(laterality: str, seed: int) -> np.ndarray:
    """A bright half ellipse at the chest wall, 12 bits."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    inside = (x / (COLUMNS * 0.75)) ** 2 + ((y - ROWS / 2) / (ROWS * 0.42)) ** 2 < 1
    noise = np.random.default_rng(seed).integers(0, 400, (ROWS, COLUMNS))
    image = np.where(inside, 1400 + noise, 0).astype("<u2")
    return np.ascontiguousarray(image[:, ::-1] if laterality == "R" else image)
