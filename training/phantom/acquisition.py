"""Phantom stage 5: the look of a mammography unit, as data. Input: a rendered view. Output: stored pixel values.

The look decides spacing, bit depth, tone curve, noise, markers and how the stored values become grey (PS3.3 C.11.2):
a LINEAR window, a SIGMOID window, a VOI LUT Sequence or MONOCHROME1. After the VOI transform all looks show the breast
at about the same brightness, as the units of different vendors do.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.phantom.texture import Bool, Float, Grid

Stored = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class VendorLook:
    """One mammography unit."""

    manufacturer: str
    model: str
    software: str
    full: tuple[int, int, float]
    """Rows, columns, pixel spacing in mm."""
    bits: int
    voi: str
    """LINEAR, SIGMOID or LUT."""
    centre: float
    width: float
    gamma: float
    sharpening: float
    noise: float
    """Standard deviation of the grain as a share of full brightness."""
    air: float = 0.0
    """Mean brightness outside the breast."""
    padding: int | None = None
    monochrome1: bool = False
    detector: str = "DIRECT"
    target_filter: tuple[str, str] = ("TUNGSTEN", "RHODIUM")

    def grid(self, size: str) -> Grid:
        """The pixel grid: `full`, or `small` on pixels about 0.17 mm, for training."""
        rows, columns, spacing = self.full
        if size == "full":
            return Grid(rows, columns, spacing)
        binning = round(2 * 0.17 / spacing) / 2
        return Grid(2 * round(rows / binning / 2), 2 * round(columns / binning / 2), round(spacing * binning, 4))

    @property
    def top(self) -> int:
        """The largest stored value."""
        return (1 << self.bits) - 1


LOOKS = {
    look.manufacturer: look
    for look in (
        VendorLook("PHANTOM-A", "Alpha 2000", "A1.4", (3328, 2560, 0.070), 12, "LINEAR", 2047, 3600, 1.0, 0.5, 0.012),
        VendorLook("PHANTOM-B", "Beta Sense", "B7.02", (2850, 2300, 0.085), 14, "SIGMOID", 7800, 6400, 0.85, 0.3, 0.009,
                   padding=0, detector="SCINTILLATOR", target_filter=("RHODIUM", "RHODIUM")),
        VendorLook("PHANTOM-C", "Gamma Vista", "C3.1.8", (3518, 2800, 0.066), 12, "LUT", 0, 0, 1.15, 0.8, 0.014,
                   air=0.01),
        VendorLook("PHANTOM-D", "Delta CR", "D5", (2770, 2084, 0.0850), 12, "LINEAR", 2048, 3400, 0.95, 0.2, 0.018,
                   air=0.012, monochrome1=True, detector="STORAGE", target_filter=("MOLYBDENUM", "MOLYBDENUM")),
    )
}  # fmt: skip


def voi_lut(look: VendorLook) -> npt.NDArray[np.uint16]:
    """The table of a look with voi == LUT: stored value to 16-bit brightness, an S-curve (the film look)."""
    x = np.linspace(-4.2, 4.6, look.top + 1)
    curve = 1 / (1 + np.exp(-x))
    scaled = (curve - curve[0]) / (curve[-1] - curve[0])
    return np.asarray(np.rint(scaled * 65535), np.uint16)


def brightness_to_stored(brightness: Float, look: VendorLook) -> Float:
    """Inverse of the look's VOI transform: brightness 0..1 to unrounded stored values."""
    if look.voi == "LINEAR":  # PS3.3 C.11.2.1.2.1
        return (brightness - 0.5) * np.float32(look.width - 1) + np.float32(look.centre - 0.5)
    if look.voi == "SIGMOID":  # PS3.3 C.11.2.1.3.1
        clipped = np.clip(brightness, 0.009, 0.991)
        return np.float32(look.centre) - np.float32(look.width / 4) * np.log(1 / clipped - 1)
    # sampled inverse: exact inversion of a monotonic table by interpolation
    levels = np.linspace(0, 1, 4096)
    inverse = np.interp(levels, voi_lut(look) / 65535.0, np.arange(look.top + 1)).astype(np.float32)
    return np.asarray(inverse[(np.clip(brightness, 0, 1) * 4095).astype(np.uint16)])


def expose(density: Float, mask: Bool, look: VendorLook, rng: np.random.Generator) -> Stored:
    """Turn a density image into the stored values of a look, before mirroring and markers.

    Args:
        density: 0..1, chest wall at the left.
        mask: breast.
        look: the unit.
        rng: the grain.
    """
    brightness = _film_curve(density, gain=float(rng.normal(1.16, 0.06)))
    if look.gamma != 1.0:
        brightness = cv2.pow(brightness, look.gamma)
    if look.sharpening:
        brightness += np.float32(look.sharpening) * (brightness - cv2.GaussianBlur(brightness, (0, 0), 2.5))
    grain = rng.standard_normal(brightness.shape, dtype=np.float32)
    brightness += grain * (np.float32(look.noise) * (mask if not look.air else np.where(mask, 1, 0.4)))
    brightness = np.where(mask, np.clip(brightness, 0.02, 1), np.clip(look.air + brightness * (look.air > 0), 0, 0.03))
    stored = np.rint(brightness_to_stored(brightness.astype(np.float32), look)).clip(1, look.top)
    if look.padding is not None:
        stored[~mask] = look.padding
    elif not look.air:
        stored[~mask] = 0
    pixels: Stored = stored.astype(np.uint16)
    return (look.top - pixels).astype(np.uint16) if look.monochrome1 else pixels


def _film_curve(density: Float, gain: float) -> Float:
    """Density to brightness 0..1: linear up to 0.68, then a shoulder, so that nothing is told by its peak alone."""
    brightness = np.clip(density * np.float32(gain) - np.float32(0.06), 0, None)
    over = np.clip(brightness - np.float32(0.68), 0, None)
    brightness -= over * over / (over + np.float32(0.32))
    return np.asarray(brightness, np.float32)


def burn_marker(pixels: Stored, text: str, look: VendorLook, chest_wall_left: bool) -> None:
    """Burn the lead marker (RCC, ...) into the upper corner away from the chest wall, in place."""
    scale = pixels.shape[0] / 1400
    height, width = round(70 * scale), round(34 * len(text) * scale)
    stamp = np.zeros((height, width), np.uint8)
    thickness = max(1, round(3 * scale))
    cv2.putText(stamp, text, (2, round(50 * scale)), cv2.FONT_HERSHEY_SIMPLEX, 1.4 * scale, 255, thickness)
    top = round(40 * scale)
    left = pixels.shape[1] - width - top if chest_wall_left else top
    window = pixels[top : top + height, left : left + width]
    window[stamp > 127] = 0 if look.monochrome1 else look.top
