"""Phantom stage 1: random fields. Input: a grid and random generators. Output: float32 fields of mean 0, variance 1.

Breast tissue has a power spectrum near 1/f^3 (Burgess, Med Phys 2001; Heine & Velthuizen 2002).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import fft

Float = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """Rows, columns and pixel spacing (mm) of an image; the chest wall is column 0."""

    rows: int
    columns: int
    spacing: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.rows, self.columns

    @property
    def height_mm(self) -> float:
        """Extent along the chest wall."""
        return self.rows * self.spacing

    @property
    def width_mm(self) -> float:
        """Extent away from the chest wall."""
        return self.columns * self.spacing

    def coarser(self, factor: int) -> "Grid":
        """The same field of view on pixels `factor` times larger."""
        rows, columns = -(-self.rows // factor), -(-self.columns // factor)
        return Grid(rows, columns, self.spacing * factor)

    def axes(self) -> tuple[Float, Float]:
        """Open grid of pixel centres in mm: y of shape (rows, 1), x of shape (1, columns)."""
        y = (np.arange(self.rows, dtype=np.float32) + 0.5) * self.spacing
        x = (np.arange(self.columns, dtype=np.float32) + 0.5) * self.spacing
        return y[:, None], x[None, :]


@dataclass(frozen=True)
class Streams:
    """Random generators of one view."""

    shared: np.random.Generator
    """The same for both breasts of a woman."""
    own: np.random.Generator
    """This view of this breast alone."""
    side: np.random.Generator
    """The same for both views of a breast."""


def upsample(field: Float, grid: Grid, factor: int) -> Float:
    """A field of `grid.coarser(factor)` on `grid`, linear."""
    large = cv2.resize(field, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(large[: grid.rows, : grid.columns])


def _frequencies(grid: Grid, rows: int, columns: int) -> Float:
    fy = fft.fftfreq(rows, grid.spacing)[:, None]
    fx = fft.rfftfreq(columns, grid.spacing)[None, :]
    return np.asarray(np.hypot(fy, fx), np.float32)


def _white(rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.complex64]:
    noise = rng.standard_normal((*shape, 2), dtype=np.float32)
    return np.asarray(noise.view(np.complex64)[..., 0])


def correlated_field(
    grid: Grid, streams: Streams, exponent: float, shared_above_mm: float, band_mm: float = 60.0
) -> Float:
    """Power-law field whose structures larger than `shared_above_mm` come from the shared stream.

    Args:
        grid: where to sample.
        streams: shared and own randomness.
        exponent: of the power spectrum, P(f) ~ f^-exponent.
        shared_above_mm: wavelength at which shared and own parts mix half and half in power; 0 = all own.
        band_mm: structures larger than this are damped, else a single blob would carry all the variance.

    Returns:
        Shape `grid.shape`, mean 0, variance 1.
    """
    rows, columns = fft.next_fast_len(grid.rows, real=True), fft.next_fast_len(grid.columns, real=True)
    f = _frequencies(grid, rows, columns)
    own = _white(streams.own, f.shape)
    if shared_above_mm:
        weight = np.exp(-0.35 * (f * shared_above_mm) ** 2)
        own = weight * _white(streams.shared, f.shape) + np.sqrt(1 - weight**2) * own
    spectrum = own * (f * f + 1 / band_mm**2) ** np.float32(-exponent / 4)
    spectrum[0, 0] = 0
    field: Float = fft.irfft2(spectrum, s=(rows, columns))[: grid.rows, : grid.columns].astype(np.float32)
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def strands(field: Float, width: float) -> Float:
    """Bright lines with faint skirts, 0..1, along the zero crossings of a smooth field; `width` in its units."""
    return np.asarray(np.exp(np.abs(field) * np.float32(-1 / width)), np.float32)


def toward_nipple(field: Float, warp: Float, grid: Grid, nipple: tuple[float, float], stretch: float) -> Float:
    """Resample a field so that its structures radiate from the nipple, as ducts and septa do.

    Args:
        field: isotropic, on `grid`.
        warp: displaces the resampling by about its value in units of 4 mm, so that the lines wander.
        grid: of both fields.
        nipple: y, x in mm.
        stretch: elongation along the radius.
    """
    y, x = grid.axes()
    dy, dx = y - nipple[0], nipple[1] + 14.0 - x
    radius = np.sqrt(dy * dy + dx * dx)
    angle = np.arctan2(dy, dx)
    bend = warp * np.float32(4.0 / grid.spacing)
    map_x = radius / np.float32(stretch * grid.spacing) + bend
    map_y = angle * np.float32(45.0 / grid.spacing) + np.float32(grid.rows / 2) + bend
    return np.asarray(cv2.remap(field, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101))
