"""Phantom stage 3: findings. Input: a woman, a side, a random generator. Output: lesions in 3-D, stamped into views.

A lesion has one position in the breast and is projected into CC and MLO, so it appears in both views of one side.
Its truth box is measured on the pixels that it changed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.phantom.breast import BreastImage, Outline
from training.phantom.texture import Float
from training.phantom.woman import Woman

Box = tuple[int, int, int, int]
"""xmin, ymin, xmax, ymax in pixels, half open."""


@dataclass(frozen=True)
class Form:
    """What a kind of lesion looks like. Ranges are uniform; lengths in mm, contrast in units of density."""

    pathology: str
    radius: tuple[float, float]
    contrast: tuple[float, float]
    lobulation: float = 0.0
    edge: float = 0.10
    """Softness of the border as a share of the radius."""
    spicules: tuple[int, int] = (0, 0)
    calcifications: tuple[int, int] = (0, 0)
    calcification_radius: tuple[float, float] = (0.25, 0.5)
    texture: float = 0.0
    """Share of the body that follows the gland's own texture."""
    body: float = 1.0


FORMS = {
    "round-mass": Form("benign", (4, 9), (0.18, 0.34), lobulation=0.03, edge=0.22),
    "coarse-calcifications": Form("benign", (3, 8), (0.45, 0.75), calcifications=(1, 4),
                                  calcification_radius=(0.7, 1.9), body=0.0),
    "oval-mass": Form("benign", (4, 9), (0.16, 0.30), lobulation=0.08, edge=0.30),
    "punctate-cluster": Form("benign", (4, 8), (0.28, 0.50), calcifications=(6, 12),
                             calcification_radius=(0.30, 0.5), body=0.0),
    "focal-asymmetry": Form("benign", (9, 17), (0.15, 0.27), lobulation=0.14, edge=0.75, texture=0.35),
    "distortion": Form("benign", (6, 9), (0.20, 0.32), edge=0.7, spicules=(16, 26), texture=0.2, body=0.45),
    "lobulated-mass": Form("malignant", (4.5, 10), (0.18, 0.34), lobulation=0.13, edge=0.40, spicules=(0, 5),
                           texture=0.15),
    "pleomorphic-cluster": Form("malignant", (4, 10), (0.30, 0.55), calcifications=(9, 26),
                                calcification_radius=(0.22, 0.6), lobulation=0.1, edge=0.8, body=0.12),
    "spiculated-mass": Form("malignant", (4.5, 9), (0.22, 0.38), lobulation=0.10, edge=0.50, spicules=(13, 24),
                            texture=0.15),
    "spiculated-mass-with-calcifications": Form(
        "malignant", (6, 12), (0.24, 0.40), lobulation=0.12, edge=0.50, spicules=(14, 26), calcifications=(5, 14),
        texture=0.15,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Lesion:
    """One finding of one breast: kind, place, size and how well it is seen."""

    kind: str
    pathology: str
    laterality: str
    position: tuple[float, float, float]
    """Depth, lateral, superior in mm, see `training.phantom.woman`."""
    radius: float
    contrast: float
    seed: int

    @property
    def form(self) -> Form:
        """The look of its kind."""
        return FORMS[self.kind]

    @property
    def reach(self) -> float:
        """Half the side of the square that holds it, in mm."""
        return self.radius * (2.6 if self.form.spicules[1] else 2.1) + 1.0


def draw_lesion(
    rng: np.random.Generator, kind: str, woman: Woman, outlines: tuple[Outline, Outline], conspicuity: float
) -> Lesion:
    """A lesion of a kind in the breast whose CC and MLO outlines are given, inside both.

    `conspicuity` scales the contrast; on top of it every lesion has its own factor, log-normal with sigma 0.4, so
    that a set spans from easy to nearly invisible.
    """
    form = FORMS[kind]
    radius = float(rng.uniform(*form.radius)) * min(1.0, woman.depth / 85)
    contrast = float(rng.uniform(*form.contrast) * conspicuity * np.exp(rng.normal(0, 0.40)))
    position = _place(rng, woman, outlines, radius)
    seed = int(rng.integers(2**31))
    return Lesion(kind, form.pathology, "", position, radius, min(contrast, 0.42 if form.body > 0.2 else 0.9), seed)


def _place(
    rng: np.random.Generator, woman: Woman, outlines: tuple[Outline, Outline], radius: float
) -> tuple[float, float, float]:
    """A place that both views show, more often in the upper outer quadrant (as cancers are)."""
    h = woman.half_height
    margin = radius + 4.0
    for _ in range(200):
        point = np.array(
            [rng.uniform(0.25, 0.85) * woman.depth, rng.normal(0.18, 0.34) * h, rng.normal(0.18, 0.34) * h], np.float32
        )
        if all(outline.holds(point, margin) for outline in outlines):
            return float(point[0]), float(point[1]), float(point[2])
    return 0.55 * woman.depth, 0.0, 0.0


def stamp(lesion: Lesion, image: BreastImage, density: Float) -> Box | None:
    """Add a lesion to a density image in place.

    Returns:
        The box of the pixels that changed by more than 5% of its peak, or None if the view does not show it.
    """
    grid = image.grid
    centre = image.outline.project(np.asarray(lesion.position, np.float32)) / grid.spacing
    half = int(np.ceil(lesion.reach / grid.spacing))
    top, left = max(0, int(centre[0]) - half), max(0, int(centre[1]) - half)
    bottom, right = min(grid.rows, int(centre[0]) + half + 1), min(grid.columns, int(centre[1]) + half + 1)
    if top >= bottom or left >= right:
        return None
    window = np.s_[top:bottom, left:right]
    y = (np.arange(top, bottom, dtype=np.float32)[:, None] - centre[0]) * grid.spacing
    x = (np.arange(left, right, dtype=np.float32)[None, :] - centre[1]) * grid.spacing
    tissue = _local_relief(density[window])
    change = _profile(lesion, image.outline.view_position, y, x, tissue)
    if lesion.form.texture:
        change *= 1 - lesion.form.texture + lesion.form.texture * tissue
    change *= lesion.contrast * image.thickness[window]
    density[window] += change
    rows, columns = np.nonzero(change > 0.05 * max(float(change.max()), 1e-6))
    if not len(rows):
        return None
    return left + int(columns.min()), top + int(rows.min()), left + int(columns.max()) + 1, top + int(rows.max()) + 1


def _local_relief(density: Float) -> Float:
    """0..2, mean 1: the tissue under the lesion, so that an asymmetry looks like gland and not like a stamp."""
    return np.asarray(np.clip(1 + (density - density.mean()) / (2 * density.std() + 1e-3), 0, 2), np.float32)


def _profile(lesion: Lesion, view_position: str, y: Float, x: Float, tissue: Float) -> Float:
    """Relief of the lesion, peak about 1, on an open grid of mm around its centre; `tissue` makes its border ragged."""
    form = lesion.form
    rng = np.random.default_rng([lesion.seed, 0 if view_position == "CC" else 1])
    squeeze = rng.uniform(0.8, 1.2)
    radius = np.hypot(y * squeeze, x / squeeze)
    angle = np.arctan2(y, x)
    ragged = form.edge * 0.35 * (tissue - 1)
    border = lesion.radius * (1 + form.lobulation * _wobble(rng, angle) + ragged)
    relief = np.zeros(radius.shape, np.float32)
    if form.body:
        soft = np.clip((border - radius) / (form.edge * lesion.radius) + 0.5, 0, 1)
        dome = 0.55 + 0.45 * np.sqrt(np.clip(1 - (radius / (1.15 * border)) ** 2, 0, None))
        relief += form.body * soft * soft * (3 - 2 * soft) * dome
    if form.spicules[1]:
        np.maximum(relief, _spicules(rng, lesion, radius, angle), out=relief)
    if form.calcifications[1]:
        relief += _calcifications(lesion, view_position, y, x)
    return relief


def _wobble(rng: np.random.Generator, angle: Float) -> Float:
    """Smooth random function of the angle with amplitude about 1: the lobes of a border."""
    total = np.zeros_like(angle)
    for harmonic in (2, 3, 4, 5):
        total += rng.normal(0, 0.8 / harmonic**0.5) * np.cos(harmonic * angle + rng.uniform(0, 2 * np.pi))
    return total


def _spicules(rng: np.random.Generator, lesion: Lesion, radius: Float, angle: Float) -> Float:
    """Straight strands that leave the centre, thinner and fainter outward."""
    relief = np.zeros_like(radius)
    low, high = lesion.form.spicules
    for _ in range(int(rng.integers(low, high + 1))):
        direction, length = rng.uniform(-np.pi, np.pi), lesion.radius * rng.uniform(1.5, 2.5)
        bend = rng.normal(0, 0.05)
        deviation = np.angle(np.exp(1j * (angle - direction - bend * radius / lesion.radius))).astype(np.float32)
        across = np.abs(deviation) * radius
        width = rng.uniform(0.35, 0.6) * (1.3 - 0.6 * radius / length)
        fade = np.clip(1 - radius / length, 0, 1) ** 0.6 * np.clip(radius / (0.3 * lesion.radius), 0, 1)
        strand = rng.uniform(0.6, 1.0) * fade * np.exp(-((across / np.clip(width, 0.2, None)) ** 2))
        strand[np.abs(deviation) > 1.2] = 0
        np.maximum(relief, strand, out=relief)
    return relief


def _calcifications(lesion: Lesion, view_position: str, y: Float, x: Float) -> Float:
    """Bright grains spread through a ball, the same grains in both views."""
    rng = np.random.default_rng([lesion.seed, 2])
    form = lesion.form
    count = int(rng.integers(form.calcifications[0], form.calcifications[1] + 1))
    grains = rng.normal(0, 0.42, (count, 3)) * lesion.radius
    height = grains[:, 1] if view_position == "CC" else (grains[:, 1] + grains[:, 2]) * 0.7071
    relief = np.zeros(np.broadcast_shapes(y.shape, x.shape), np.float32)
    for dy, dx in zip(-height, grains[:, 0], strict=True):
        size = rng.uniform(*form.calcification_radius)
        stretch, bright, turn = rng.uniform(0.8, 1.25), rng.uniform(0.6, 1.0), rng.uniform(0, np.pi)
        along = (y - dy) * np.cos(turn) + (x - dx) * np.sin(turn)
        across = (x - dx) * np.cos(turn) - (y - dy) * np.sin(turn)
        distance = (along / (size * stretch)) ** 2 + (across * stretch / size) ** 2
        np.maximum(relief, (bright * np.exp(-(distance**1.5))).astype(np.float32), out=relief)
    return relief


def implant(image: BreastImage, density: Float) -> None:
    """Lay a silicone implant against the chest wall, in place: a bright, smooth ellipse with a rim."""
    y, x = image.grid.axes()
    outline = image.outline
    centre_y = outline.nipple_y - 0.05 * outline.upper
    shape: npt.NDArray[np.float32] = ((y - centre_y) / (0.62 * outline.lower)) ** 2 + (x / (0.62 * outline.depth)) ** 2
    inside = 1 / (1 + np.exp(np.clip((shape - 1) / 0.012, -30, 30)))
    rim = 0.06 * np.exp(-(((shape - 1) / 0.05) ** 2))
    density += (inside * (0.88 - density) + rim).astype(np.float32) * image.mask
