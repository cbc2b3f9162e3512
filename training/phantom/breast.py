"""Phantom stage 2: one breast in one view. Input: a woman and a side. Output: density image, chest wall at the left.

Coordinates are those of `training.phantom.woman`. CC looks along `superior`, MLO at 45 degrees, so its vertical axis is
(superior + lateral) / sqrt(2). In both views the lateral (upper) side is at the top of the image.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.phantom.texture import Bool, Float, Grid, Streams, correlated_field, strands, toward_nipple, upsample
from training.phantom.woman import DENSITY, STREAM, Woman, draw_specks

_TEXTURE_FACTOR = 2


@dataclass(frozen=True)
class Outline:
    """The breast's border in one view: how far it reaches from the chest wall at each height. Lengths in mm."""

    view_position: str
    depth: float
    nipple_y: float
    upper: float
    lower: float
    top: float
    """MLO: reach at the upper image border (the axilla); CC: 0."""
    pectoral_width: float
    pectoral_length: float
    nipple_height: float
    waves: tuple[float, float]
    """Phases of the border's slow undulation."""

    def reach(self, y: Float) -> Float:
        """Distance of the skin from the chest wall at the heights y."""
        above = np.clip((self.nipple_y - y) / self.upper, 0, None)
        below = np.clip((y - self.nipple_y) / self.lower, 0, None)
        bulge = np.sqrt(np.clip(1 - below**2.4, 0, None))
        if self.view_position == "MLO":
            rise = self.top + (self.depth - self.top) * (1 - np.clip(above, 0, 1) ** 1.7)
        else:
            rise = self.depth * np.sqrt(np.clip(1 - above**2.1, 0, None))
        body = np.where(y < self.nipple_y, rise, self.depth * bulge)
        nipple = self.nipple_height * np.exp(-(((y - self.nipple_y) / 6.0) ** 4))
        wave = 1 + 0.012 * np.sin(y / 17 + self.waves[0]) + 0.02 * np.sin(y / 41 + self.waves[1])
        return np.asarray(body * wave + nipple * (body > 0), np.float32)

    def pectoral(self, y: Float) -> Float:
        """Distance of the pectoral muscle's border from the chest wall at the heights y; 0 where it is not seen."""
        t = np.clip(1 - y / max(self.pectoral_length, 1e-3), 0, None)
        return np.asarray(self.pectoral_width * t**0.85, np.float32)

    def project(self, point: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Breast coordinates, shape (..., 3), to image coordinates in mm, shape (..., 2): y, x."""
        depth, lateral, superior = point[..., 0], point[..., 1], point[..., 2]
        height = lateral if self.view_position == "CC" else (lateral + superior) * np.float32(0.7071)
        return np.stack([self.nipple_y - height, depth], -1)

    def holds(self, point: npt.NDArray[np.float32], margin: float) -> bool:
        """Whether a point lies inside the breast, `margin` mm away from skin and pectoral muscle."""
        y, x = self.project(point)
        heights = np.linspace(y - margin, y + margin, 5, dtype=np.float32)
        inside = bool((self.reach(heights) > x + margin).all())
        return inside and bool((self.pectoral(heights) < x - 0.7 * margin).all()) and x > margin * 0.6


@dataclass(frozen=True)
class BreastImage:
    """Density 0..1 (fat about 0.25, gland about 0.6), thickness 0..1 and breast mask on one grid."""

    density: Float
    thickness: Float
    mask: Bool
    outline: Outline
    grid: Grid


def outline_of(woman: Woman, laterality: str, view_position: str, grid: Grid) -> Outline:
    """The outline of one view; the two sides differ by a jitter of a few per cent."""
    rng = np.random.default_rng([woman.seed, STREAM["side"], ord(laterality)])
    size, shift = float(rng.normal(1, 0.02)), float(rng.normal(0, 2.5))
    muscle = [float(factor) for factor in rng.normal(1, 0.06, 2)]
    depth, height = woman.depth * size, woman.half_height * size
    view_rng = np.random.default_rng([woman.seed, STREAM["view"], 7])
    sliver, top = view_rng.random() < 0.12, float(view_rng.uniform(0.5, 0.75))
    waves = (float(view_rng.uniform(0, 6.28)), float(view_rng.uniform(0, 6.28)))
    rise = float(view_rng.uniform(0.5, 3.5))
    if view_position == "CC":
        width = 7.0 if sliver else 0.0
        nipple = woman.nipple_cc * grid.height_mm + shift
        return Outline("CC", depth, nipple, height * 1.08, height, 0.0, width, 0.0, rise, waves)
    nipple = woman.nipple_mlo * grid.height_mm + shift
    lower = min(height * 0.92, grid.height_mm * 0.96 - nipple)
    return Outline("MLO", depth * 0.97, nipple, nipple, lower, depth * top, woman.pectoral_width * muscle[0],
                   woman.pectoral_length * muscle[1], rise, waves)  # fmt: skip


def render_breast(woman: Woman, laterality: str, view_position: str, grid: Grid) -> BreastImage:
    """One view of one breast without findings."""
    outline = outline_of(woman, laterality, view_position, grid)
    view = ["CC", "MLO"].index(view_position)
    streams = Streams(
        np.random.default_rng([woman.seed, STREAM["view"], view]),
        np.random.default_rng([woman.seed, STREAM["side"], ord(laterality), view]),
        np.random.default_rng([woman.seed, STREAM["side"], ord(laterality), 7]),
    )
    coarse = grid.coarser(_TEXTURE_FACTOR)
    tissue = _tissue(woman, outline, coarse, streams)
    thickness, skin = _thickness(outline, coarse)
    density = upsample(tissue * thickness + skin, grid, _TEXTURE_FACTOR)
    y, x = grid.axes()
    mask = x < outline.reach(y)
    density *= mask
    return BreastImage(density, upsample(thickness, grid, _TEXTURE_FACTOR) * mask, mask, outline, grid)


def _tissue(woman: Woman, outline: Outline, grid: Grid, streams: Streams) -> Float:
    """Fat, gland, septa and muscle before the border's fall-off; weights set by eye against screening mammograms."""
    _, threshold, contrast = DENSITY[woman.density]
    large = correlated_field(grid, streams, 3.0, shared_above_mm=22.0)
    smooth = correlated_field(grid, streams, 7.0, shared_above_mm=30.0, band_mm=22.0)
    fine = correlated_field(grid, streams, 6.0, shared_above_mm=0.0, band_mm=7.0)
    nipple = (outline.nipple_y, outline.depth)
    septa = strands(toward_nipple(fine, smooth, grid, nipple, stretch=3.0), 0.10)
    lace = strands(toward_nipple(smooth, fine, grid, nipple, stretch=1.6), 0.07)
    mesh = strands(fine + np.float32(0.5) * large, 0.22)
    cone = _lobule_map(woman, outline, grid, streams.side)
    ragged = cone * 1.5 + 0.13 * large - 0.22 * smooth + 0.30 * (lace + septa) * cone - threshold
    gland = 1 / (1 + np.exp(np.clip(-ragged / 0.15, -30, 30)))
    presence = np.clip(0.35 + 0.45 * large + 0.9 * cone, 0.06, 1.5)
    lines = (0.10 * septa + 0.14 * lace) * presence + 0.05 * mesh * np.clip(0.5 - 0.4 * smooth, 0.1, 1)
    tissue = 0.20 + 0.028 * large + lines * (1 - 0.5 * gland) + gland * (contrast + 0.045 * large)
    tissue += _likenesses(woman, outline, grid, streams.side) * np.clip(0.85 + 0.2 * large, 0.3, 1.3)
    return _with_muscle(np.asarray(tissue, np.float32), outline, grid, large)


def _lobule_map(woman: Woman, outline: Outline, grid: Grid, rng: np.random.Generator) -> Float:
    """Projected gland lobules, 0..1: 1 - exp(-sum of Gaussians). The sides differ by a few mm and by weight."""
    factor = 8
    total = _gaussians(_jittered(woman.lobules, rng), outline, grid.coarser(factor))
    return upsample(np.asarray(1 - np.exp(-0.55 * total), np.float32), grid, factor)


def _likenesses(woman: Woman, outline: Outline, grid: Grid, rng: np.random.Generator) -> Float:
    """Knots, mirrored in the other breast, and single calcifications."""
    both = np.concatenate([_jittered(woman.knots, rng), draw_specks(rng, woman)])
    return _gaussians(both, outline, grid)


def _jittered(blobs: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """The other breast's blobs are a few mm away and a little weaker or stronger."""
    moved = blobs.copy()
    moved[:, :3] += rng.normal(0, 2.0, (len(blobs), 3))
    moved[:, 4] *= rng.uniform(0.85, 1.15, len(blobs))
    return moved


def _gaussians(blobs: npt.NDArray[np.float32], outline: Outline, grid: Grid) -> Float:
    """Sum of projected Gaussian blobs, shape (n, 5): depth, lateral, superior, sigma (mm), weight."""
    centres = outline.project(blobs[:, :3])
    y, x = grid.axes()
    twice_variance = 2 * blobs[:, 3, None] ** 2
    along_y = np.exp(-((y.T - centres[:, :1]) ** 2) / twice_variance) * blobs[:, 4:]
    along_x = np.exp(-((x - centres[:, 1:]) ** 2) / twice_variance)
    return np.asarray(along_y.T @ along_x, np.float32)


def _with_muscle(tissue: Float, outline: Outline, grid: Grid, texture: Float) -> Float:
    """Pectoral muscle: a wedge at the upper chest wall in MLO, sometimes a sliver in CC."""
    if outline.pectoral_width <= 0:
        return tissue
    y, x = grid.axes()
    if outline.view_position == "CC":
        border = np.asarray(outline.pectoral_width * (1 - ((y - outline.nipple_y) / 45) ** 2), np.float32)
    else:
        border = outline.pectoral(y)
    inside = (border > 0) / (1 + np.exp(np.clip((x - border) / 0.8, -30, 30)))
    muscle = 0.57 + 0.02 * texture + 0.08 * np.clip((border - x) / 40, 0, 1) + 0.25 * np.clip(tissue - 0.25, 0, 0.15)
    return np.asarray(tissue + inside * (muscle - tissue), np.float32)


def _thickness(outline: Outline, grid: Grid) -> tuple[Float, Float]:
    """Relative thickness after the vendor's thickness equalisation, and the skin line, both 0 outside the breast."""
    y, x = grid.axes()
    inside = np.asarray(x < outline.reach(y), np.uint8)
    # the image's own borders are no skin: extend the mask there before measuring the distance
    padded = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1] * np.float32(grid.spacing)
    falloff = np.clip(distance / 11.0, 0, 1)
    thickness = (0.30 + 0.70 * np.sqrt(1 - (1 - falloff) ** 2)) * inside
    skin = 0.12 * np.exp(-(((distance - 0.9) / 0.8) ** 2)) * inside
    return thickness.astype(np.float32), skin.astype(np.float32)
