"""Milliseconds of the front half: decode per transfer syntax, prepare per view, register per pair, on one thread.

The peer is the usual straightforward path: pydicom's pixel_array, apply_voi_lut on the full image, a crop and one
bilinear resize for the same two grids. Run: OMP_NUM_THREADS=1 python benchmarks/front_half.py [rows columns]
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import perf_counter, process_time

import cv2
import imagecodecs
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_voi_lut, get_encoder, pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from triage.core.study import DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE, PreparedView
from triage.prepare.decode import stored_pixels
from triage.prepare.view import prepare
from triage.register.affine import register_pair

REPEATS = 7


def milliseconds(call: Callable[[], object]) -> tuple[float, float]:
    """Median wall time and median processor time of a call, after one to warm up."""
    call()
    wall, cpu = [], []
    for _ in range(REPEATS):
        started, used = perf_counter(), process_time()
        call()
        wall.append((perf_counter() - started) * 1000)
        cpu.append((process_time() - used) * 1000)
    return median(wall), median(cpu)


def drawn(rows: int, columns: int, seed: int, width: float) -> np.ndarray:
    """A half ellipse with the 1/f texture of tissue, 12 bits, half of the image air."""
    noise = np.random.default_rng(seed).normal(size=(rows // 4, columns // 4))
    wave = np.hypot(np.fft.fftfreq(rows // 4)[:, None], np.fft.fftfreq(columns // 4)[None, :])
    wave[0, 0] = 1.0
    texture = np.fft.ifft2(np.fft.fft2(noise) / wave**1.5).real
    texture = cv2.resize(texture / texture.std(), (columns, rows), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[0:rows, 0:columns]
    inside = (x / (width * columns)) ** 2 + ((y - rows / 2) / (0.45 * rows)) ** 2 < 1
    grain = np.random.default_rng(seed).integers(-8, 9, (rows, columns))
    return np.where(inside, np.clip(2000 + 300 * texture + grain, 300, 4000), 0).astype(np.uint16)


def data_set(pixels: np.ndarray, syntax: UID) -> Dataset:
    """The image as a data set in this transfer syntax."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PatientOrientation, ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = ["A", "R"], 2000, 3000, "SIGMOID"
    frame = pixels.tobytes() if syntax == ExplicitVRLittleEndian else encapsulate([ENCODERS[syntax](pixels)])
    ds.PixelData = frame
    ds["PixelData"].VR = "OW" if syntax == ExplicitVRLittleEndian else "OB"
    return ds


def run_lengths(pixels: np.ndarray) -> bytes:
    """The frame in RLE Lossless."""
    return get_encoder(RLELossless).encode(
        pixels,
        encoding_plugin="pydicom",
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=1,
        number_of_frames=1,
        bits_allocated=16,
        bits_stored=16,
        pixel_representation=0,
        photometric_interpretation="MONOCHROME2",
    )


ENCODERS: dict[UID, Callable[[np.ndarray], bytes]] = {
    JPEGLosslessSV1: lambda pixels: imagecodecs.jpeg_encode(pixels, lossless=True, predictor=1, bitspersample=12),
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEG2000Lossless: lambda pixels: imagecodecs.jpeg2k_encode(pixels, codecformat="J2K", reversible=True, level=0),
    HTJ2KLossless: lambda pixels: imagecodecs.htj2k_encode(pixels, reversible=True),
    RLELossless: run_lengths,
}


def naive(ds: Dataset) -> list[np.ndarray]:
    """The same two grids by the usual path."""
    shown = apply_voi_lut(pixel_array(ds), ds, index=0)
    mask = shown > shown.min() + 0.05 * np.ptp(shown)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    crop = np.where(mask, shown, 0)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return [cv2.resize(crop, shape[::-1]) / np.ptp(shown) for shape in (DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE)]


def line(name: str, ours: tuple[float, float], peer: tuple[float, float] | None) -> None:
    """One row: wall and processor time of ours, of the peer, and the peer's wall time divided by ours."""
    text = f"{name:34} {ours[0]:8.1f} {ours[1]:8.1f}"
    print(text if peer is None else f"{text} {peer[0]:8.1f} {peer[1]:8.1f} {peer[0] / ours[0]:7.1f}")


def decode_rows(pixels: np.ndarray) -> None:
    """Decode per transfer syntax, against pydicom where it has a decoder installed."""
    for syntax in (ExplicitVRLittleEndian, *ENCODERS):
        ds = data_set(pixels, syntax)
        assert np.array_equal(stored_pixels(ds), pixels)
        try:
            peer = milliseconds(lambda ds=ds: pixel_array(ds))
        except RuntimeError:
            peer = None
        line("decode " + syntax.name[:27], milliseconds(lambda ds=ds: stored_pixels(ds)), peer)


def main(rows: int, columns: int) -> None:
    """Print the table."""
    left, right = drawn(rows, columns, 1, 0.75), drawn(rows, columns, 2, 0.66)
    print(
        f"{rows} x {columns}, 12 bits\n{'':34} {'ours ms':>8} {'cpu ms':>8} {'peer ms':>8} {'cpu ms':>8} {'ratio':>7}"
    )
    decode_rows(left)
    sets = [data_set(image, ExplicitVRLittleEndian) for image in (left, right)]
    line("prepare a view (two grids)", milliseconds(lambda: prepare(sets[0])), milliseconds(lambda: naive(sets[0])))
    with ThreadPoolExecutor(2) as pool:
        line("prepare four views, two threads", milliseconds(lambda: list(pool.map(prepare, sets * 2))), None)
        views: list[PreparedView] = [prepare(ds) for ds in sets]
        line("register a pair", milliseconds(lambda: register_pair(*views)), None)
        four = [views[0], views[1]] * 2, [views[1], views[0]] * 2
        line("register four pairs, two threads", milliseconds(lambda: list(pool.map(register_pair, *four))), None)


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:3])) if len(sys.argv) > 2 else main(4096, 3328)
