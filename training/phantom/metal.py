"""Phantom stage 3b: metal in or on the breast. Input: a breast image and a kind. Output: the object, drawn in place.

Metal stops nearly every photon, so it is drawn far above the density of any tissue and the acquisition shows it white.
Its edges are as sharp as the detector allows: coverage is computed at four times the resolution. Sizes are those of
products: clips of 3 x 1 mm, beads of 1.5 to 2.3 mm, wires of 0.25 to 0.5 mm, generators of about 5 cm.
"""

import cv2
import numpy as np
import numpy.typing as npt

from training.phantom.breast import BreastImage
from training.phantom.texture import Float

KINDS = ("clip", "wire", "skin-marker", "pacemaker", "nipple-marker")
"""All but the last must be refused."""

_DENSITY = 6.0
"""In units in which gland is about 0.6: the tone curve is flat there."""
_FINER = 4
"""Of the drawing, per pixel and side; also what cv2 is told by `shift`."""

Points = npt.NDArray[np.float64]


def add_metal(kind: str, image: BreastImage, density: Float, seed: int) -> None:
    """Draw an object of one of KINDS, the same object in the same place for the same seed, in place.

    Args:
        kind: what to draw; a pacemaker shows in MLO views only.
        image: the breast, chest wall at the left.
        density: of the same grid.
        seed: of the woman.
    """
    if kind == "pacemaker" and image.outline.view_position != "MLO":
        return
    rng = np.random.default_rng([seed, 50])
    coverage = _DRAW[kind](image, rng)
    coverage = cv2.resize(coverage, density.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    density += coverage * (np.float32(_DENSITY) - density) * image.mask


def _canvas(image: BreastImage) -> npt.NDArray[np.uint8]:
    return np.zeros((image.grid.rows * _FINER, image.grid.columns * _FINER), np.uint8)


def _pixels(image: BreastImage, mm: Points) -> npt.NDArray[np.int32]:
    """Points in mm (y, x) as the x, y integers of the finer grid."""
    return np.rint(mm[..., ::-1] * (_FINER / image.grid.spacing)).astype(np.int32)


def _width(image: BreastImage, mm: float) -> int:
    return max(1, round(mm * _FINER / image.grid.spacing))


def _inside(image: BreastImage, rng: np.random.Generator) -> Points:
    """A place in the middle of the breast, y and x in mm."""
    outline = image.outline
    y = outline.nipple_y + rng.uniform(-0.35, 0.25) * outline.lower
    reach = float(outline.reach(np.array([y], np.float32))[0])
    muscle = float(outline.pectoral(np.array([y], np.float32))[0])
    return np.array([y, muscle + rng.uniform(0.3, 0.75) * (reach - muscle)])


def _clip(image: BreastImage, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A ring, a bar or a ribbon of titanium, about 3 mm long."""
    canvas, centre = _canvas(image), _inside(image, rng)
    angle, length, thick = rng.uniform(0, np.pi), rng.uniform(2.2, 3.2), rng.uniform(0.7, 1.1)
    along = np.array([np.sin(angle), np.cos(angle)]) * length / 2
    across = np.array([along[1], -along[0]]) * 0.45
    shape = int(rng.integers(3))
    if shape == 0:
        x, y = _pixels(image, centre).tolist()
        cv2.circle(canvas, (x, y), _width(image, length / 2.4), 255, _width(image, thick * 0.7))
    elif shape == 1:
        ends = _pixels(image, np.stack([centre - along, centre + along]))
        cv2.polylines(canvas, [ends], False, 255, _width(image, thick))
    else:
        turns = np.stack([centre - along - across, centre + along, centre - along + across])
        cv2.polylines(canvas, [_pixels(image, turns)], False, 255, _width(image, thick * 0.8))
    return canvas


def _wire(image: BreastImage, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A localisation wire from the skin to a hook in the tissue, slightly bent."""
    canvas, tip = _canvas(image), _inside(image, rng)
    outline = image.outline
    entry_y = tip[0] + rng.uniform(-25, 25)
    entry = np.array([entry_y, float(outline.reach(np.array([entry_y], np.float32))[0]) - 1.0])
    t = np.linspace(0, 1, 40)[:, None]
    side = np.array([entry[1] - tip[1], tip[0] - entry[0]]) * rng.uniform(-0.08, 0.08)
    line = tip + (entry - tip) * t + side * np.sin(np.pi * t)
    direction = (entry - tip) / np.linalg.norm(entry - tip)
    turn = np.deg2rad(rng.choice([-25, 25]))
    hook = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ direction * 9.0
    width = _width(image, rng.uniform(0.25, 0.5))
    cv2.polylines(canvas, [_pixels(image, line)], False, 255, width)
    cv2.polylines(canvas, [_pixels(image, np.stack([tip, tip + hook]))], False, 255, width)
    return canvas


def _skin_marker(image: BreastImage, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A lead bead on the skin, over a mole or a lump."""
    canvas = _canvas(image)
    x, y = _pixels(image, _inside(image, rng)).tolist()
    cv2.circle(canvas, (x, y), _width(image, rng.uniform(1.5, 2.3) / 2), 255, cv2.FILLED)
    return canvas


def _nipple_marker(image: BreastImage, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A lead bead on the nipple, as some sites lay on every one."""
    canvas = _canvas(image)
    x, y = _pixels(image, np.array([image.outline.nipple_y, image.outline.depth * 0.97])).tolist()
    cv2.circle(canvas, (x, y), _width(image, rng.uniform(1.5, 2.3) / 2), 255, cv2.FILLED)
    return canvas


def _pacemaker(image: BreastImage, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The lower corner of a generator at the top of the chest wall, and its lead."""
    canvas = _canvas(image)
    bottom, right = rng.uniform(18, 34), rng.uniform(16, 30)
    radius = 9.0
    for height, width in ((bottom, right - radius), (bottom - radius, right)):
        x, y = _pixels(image, np.array([height, width])).tolist()
        cv2.rectangle(canvas, (0, 0), (x, y), 255, cv2.FILLED)
    x, y = _pixels(image, np.array([bottom - radius, right - radius])).tolist()
    cv2.circle(canvas, (x, y), _width(image, radius), 255, cv2.FILLED)
    lead = np.array([[bottom - 4, right - 4], [bottom + 12, right + 2], [bottom + 16, 0.0]])
    cv2.polylines(canvas, [_pixels(image, lead)], False, 255, _width(image, 1.8))
    return canvas


_DRAW = {
    "clip": _clip,
    "wire": _wire,
    "skin-marker": _skin_marker,
    "pacemaker": _pacemaker,
    "nipple-marker": _nipple_marker,
}
