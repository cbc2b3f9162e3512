"""Patches of whole images (Miller et al., "Tiled patches" and "Annotated patches"); background is exactly 0."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triage.core.study import UInt16Image

TILE = 96
MAX_BACKGROUND = 0.20
ANNOTATED = 224
PATCH_CLASSES = ("background", "malignant mass", "benign mass", "malignant calcification", "benign calcification")
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Box:
    """A lesion on a canonical grid, half open, in pixels."""

    image: int
    type: str
    pathology: str
    top: float
    bottom: float
    left: float
    right: float


def tile_positions(image: UInt16Image, size: int = TILE, max_background: float = MAX_BACKGROUND) -> Positions:
    """Top-left corners (n, 2) of the tiles on a grid of half a tile with at most that share of background."""
    step = size // 2
    tops = np.arange(0, image.shape[0] - size + 1, step)
    lefts = np.arange(0, image.shape[1] - size + 1, step)
    breast = np.pad(np.cumsum(np.cumsum(image > 0, axis=0, dtype=np.int64), axis=1), ((1, 0), (1, 0)))
    top, left = (grid.ravel() for grid in np.meshgrid(tops, lefts, indexing="ij"))
    covered = breast[top + size, left + size] - breast[top, left + size] - breast[top + size, left] + breast[top, left]
    keep = covered >= (1 - max_background) * size**2
    return np.stack([top[keep], left[keep]], axis=1)


def cut(image: UInt16Image, top: int, left: int, size: int) -> UInt16Image:
    """The (size, size) patch there; what lies outside the image is 0."""
    patch = np.zeros((size, size), np.uint16)
    t, left_in = max(top, 0), max(left, 0)
    b, r = min(top + size, image.shape[0]), min(left + size, image.shape[1])
    if b > t and r > left_in:
        patch[t - top : b - top, left_in - left : r - left] = image[t:b, left_in:r]
    return patch


def patch_class(box: Box) -> int:
    """Index into PATCH_CLASSES: every lesion that is no calcification counts as a mass."""
    kind = "calcification" if "calc" in box.type else "mass"
    return PATCH_CLASSES.index(f"{box.pathology} {kind}")


def lesion_corner(box: Box, size: int, jitter: float, generator: np.random.Generator) -> tuple[int, int]:
    """Top-left corner of a patch around a lesion, its centre moved by up to `jitter` of the patch."""
    move = generator.uniform(-jitter, jitter, 2) * size
    return (
        round((box.top + box.bottom) / 2 - size / 2 + move[0]),
        round((box.left + box.right) / 2 - size / 2 + move[1]),
    )


def background_corner(
    image: UInt16Image, boxes: list[Box], size: int, generator: np.random.Generator
) -> tuple[int, int]:
    """Top-left corner of a patch centred on a random breast pixel outside every lesion box; up to 20 tries."""
    top = left = 0
    rows, columns = image.shape
    for _ in range(20):
        y, x = int(generator.integers(rows)), int(generator.integers(columns))
        top, left = y - size // 2, x - size // 2
        outside = all(not (b.top <= y < b.bottom and b.left <= x < b.right) for b in boxes)
        if image[y, x] > 0 and outside:
            break
    return top, left
