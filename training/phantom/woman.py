"""Phantom stage 1b: who is imaged. Input: a seed. Output: what the two breasts and both views of a woman share.

The breast has coordinates in mm: `depth` from the chest wall toward the nipple, `lateral` and `superior` from the
nipple's axis.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CLASSES = "ABCD"
CLASS_SHARES = (0.10, 0.40, 0.40, 0.10)
"""Screening population by BI-RADS density class."""

# lobules, gland threshold (lower = denser), gland contrast
DENSITY = {"A": (8, 0.95, 0.20), "B": (26, 0.78, 0.24), "C": (60, 0.62, 0.27), "D": (110, 0.45, 0.30)}
STREAM = {"woman": 1, "view": 2, "side": 3}
"""Second number of every seed, so that no two generators run in step."""


@dataclass(frozen=True)
class Woman:
    """What the two breasts and both views share. Lengths in mm."""

    seed: int
    density: str
    depth: float
    half_height: float
    nipple_cc: float
    """Fraction of the image height."""
    nipple_mlo: float
    pectoral_width: float
    pectoral_length: float
    lobules: npt.NDArray[np.float32]
    """Shape (n, 5): depth, lateral, superior, radius, weight."""
    knots: npt.NDArray[np.float32]
    """Normal tissue that looks like a finding but has its mate in the other breast; columns as `lobules`."""


def draw_woman(seed: int) -> Woman:
    """The woman of a seed."""
    rng = np.random.default_rng([seed, STREAM["woman"]])
    density = str(rng.choice(list(CLASSES), p=CLASS_SHARES))
    scale = float(np.clip(rng.normal(1.0, 0.14), 0.72, 1.25))
    depth, half_height = 98 * scale, 82 * scale
    return Woman(
        seed, density, depth, half_height,
        nipple_cc=float(rng.uniform(0.46, 0.54)), nipple_mlo=float(rng.uniform(0.58, 0.66)),
        pectoral_width=float(rng.uniform(38, 62)), pectoral_length=float(rng.uniform(95, 150)),
        lobules=_draw_lobules(rng, DENSITY[density][0], depth, half_height),
        knots=_draw_knots(rng, depth, half_height),
    )  # fmt: skip


def _draw_lobules(rng: np.random.Generator, count: int, depth: float, half_height: float) -> npt.NDArray[np.float32]:
    """Gland lobules in a cone that narrows toward the nipple, more of them lateral and superior."""
    along = rng.beta(2.6, 1.7, count) * 0.75 + 0.17
    spread = half_height * (0.14 + 0.62 * (1 - along))
    lateral = rng.normal(0.15, 0.62, count) * spread
    superior = rng.normal(0.15, 0.62, count) * spread
    radius = rng.uniform(5.5, 13.0, count)
    weight = rng.uniform(0.4, 1.0, count)
    return np.stack([along * depth, lateral, superior, radius, weight], -1).astype(np.float32)


def _draw_knots(rng: np.random.Generator, depth: float, half_height: float) -> npt.NDArray[np.float32]:
    """Compact summations of gland, none to six: what makes one breast alone ambiguous and the pair clear."""
    count = int(rng.poisson(2.2))
    place = rng.normal(0.1, 0.36, (count, 2)) * half_height
    along = rng.uniform(0.25, 0.85, count) * depth
    sigma, contrast = rng.uniform(1.6, 4.5, count), rng.uniform(0.08, 0.30, count)
    return np.stack([along, place[:, 0], place[:, 1], sigma, contrast], -1).astype(np.float32)


def draw_specks(rng: np.random.Generator, woman: Woman) -> npt.NDArray[np.float32]:
    """Single calcifications of skin or vessels, which are not reported; each breast has its own."""
    count = int(rng.poisson(0.9))
    place = rng.normal(0, 0.4, (count, 2)) * woman.half_height
    along = rng.uniform(0.1, 0.95, count) * woman.depth
    sigma, contrast = rng.uniform(0.25, 0.6, count), rng.uniform(0.2, 0.6, count)
    return np.stack([along, place[:, 0], place[:, 1], sigma, contrast], -1).astype(np.float32)
