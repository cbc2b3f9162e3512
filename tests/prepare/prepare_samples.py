"""Drawn mammograms, and data sets that hold any pixels, for the tests of `triage.prepare`."""

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

ROWS, COLUMNS = 1100, 800
DIGITAL_MAMMOGRAPHY_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"


def drawn_breast(
    rows: int = ROWS, columns: int = COLUMNS, chest_wall: str = "left", bits: int = 12, seed: int = 0
) -> npt.NDArray[np.uint16]:
    """A textured half ellipse on black: mid-grey tissue, a brighter lesion in its upper half."""
    y, x = np.mgrid[0:rows, 0:columns]
    across, down = x / (0.7 * columns), (y - rows / 2) / (0.42 * rows)
    breast = across**2 + down**2 < 1
    lesion = (across - 0.5) ** 2 + (down + 0.4) ** 2 < 0.01
    tissue = np.random.default_rng(seed).integers(0, 1 << (bits - 4), (rows, columns)) + (3 << (bits - 3))
    image = np.where(breast, tissue + lesion * (3 << (bits - 3)), 0).astype(np.uint16)
    return np.ascontiguousarray(image[:, ::-1]) if chest_wall == "right" else image


def dataset(pixels: npt.NDArray[Any], bits: int = 12, **changes: Any) -> Dataset:
    """A data set in Explicit VR Little Endian with these stored values; `changes` are DICOM keywords, None deletes."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = DIGITAL_MAMMOGRAPHY_FOR_PRESENTATION
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.826.0.1.3680043.10.1338.3.1"
    ds.SeriesDescription = "Wrapped test image"
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8 * pixels.itemsize, bits, bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PatientOrientation = ["A", "R"]
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    ds["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds
