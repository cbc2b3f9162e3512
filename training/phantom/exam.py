"""Phantom stage 4: an exam. Input: a seed and choices. Output: four views to render, with BI-RADS labels and lesions.

Labels: 1 = no finding; 2 = benign finding; 3 = probably benign; 0 = incomplete (asymmetry, distortion); 4 and 5 =
suspicious and highly suggestive of malignancy; 6 = known malignancy. A finding is in one breast: both images of that
breast carry the exam's BI-RADS, those of the other breast are BI-RADS 1.
"""

from dataclasses import dataclass, replace

import numpy as np

from training.phantom.acquisition import LOOKS, VendorLook
from training.phantom.breast import outline_of, render_breast
from training.phantom.lesions import Box, Lesion, draw_lesion, implant, stamp
from training.phantom.metal import add_metal
from training.phantom.texture import Bool, Float, Grid
from training.phantom.woman import Woman, draw_woman
from triage.core.views import View

NORMAL_SHARE = 0.5
ABNORMAL_SHARES = {2: 728, 3: 226, 0: 136, 4: 60, 5: 32, 6: 10}
"""BI-RADS counts of the abnormal images of Cao et al.'s test set; 4, 5 and 6 are given there together as 102."""

_KINDS: dict[int, dict[str, float]] = {
    2: {"round-mass": 0.45, "coarse-calcifications": 0.55},
    3: {"oval-mass": 0.5, "punctate-cluster": 0.25, "focal-asymmetry": 0.25},
    0: {"focal-asymmetry": 0.6, "distortion": 0.25, "lobulated-mass": 0.15},
    4: {"lobulated-mass": 0.45, "pleomorphic-cluster": 0.35, "distortion": 0.2},
    5: {"spiculated-mass": 0.7, "spiculated-mass-with-calcifications": 0.3},
    6: {"spiculated-mass-with-calcifications": 1.0},
}
_MALIGNANT_SHARE = {0: 0.15, 4: 0.35, 5: 0.97, 6: 1.0}
"""Share of cancers by category (ACR: 4 = 2-95%, 5 > 95%)."""


@dataclass(frozen=True)
class RenderedView:
    """One view before acquisition: density, breast mask, and the box of every lesion seen."""

    view: View
    density: Float
    mask: Bool
    grid: Grid
    boxes: tuple[tuple[Lesion, Box], ...]


@dataclass(frozen=True)
class Exam:
    """A woman, the look of the mammography unit, and what is found."""

    seed: int
    woman: Woman
    birads: int
    look: VendorLook
    lesions: tuple[Lesion, ...]
    implants: bool = False
    metal: str | None = None
    """One of `training.phantom.metal.KINDS`, in the left breast."""

    def birads_of(self, view: View) -> int:
        """BI-RADS of one image: the exam's on the side of the finding, else 1."""
        return self.birads if self._found_in(view) else 1

    def pathology_of(self, view: View) -> str:
        """normal, benign or malignant."""
        found = self._found_in(view)
        if not found:
            return "normal"
        return "malignant" if any(lesion.pathology == "malignant" for lesion in found) else "benign"

    def _found_in(self, view: View) -> list[Lesion]:
        return [lesion for lesion in self.lesions if lesion.laterality == view.laterality]

    def render(self, view: View, size: str = "small", with_lesions: bool = True) -> RenderedView:
        """One view as density with the chest wall at the left; `with_lesions=False` is the same breast, healthy."""
        grid = self.look.grid(size)
        image = render_breast(self.woman, view.laterality, view.view_position, grid)
        density = image.density
        if self.implants:
            implant(image, density)
        boxes = []
        for lesion in self._found_in(view) if with_lesions else []:
            box = stamp(lesion, image, density)
            if box is not None:
                boxes.append((lesion, box))
        if self.metal and view.laterality == "L":
            add_metal(self.metal, image, density, self.seed)
        return RenderedView(view, density, image.mask, grid, tuple(boxes))


def make_exam(
    seed: int, birads: int | None = None, conspicuity: float = 1.0, vendor: str | None = None, implants: bool = False
) -> Exam:
    """The exam of a seed.

    Args:
        seed: decides everything that the other arguments leave open.
        birads: 0-6; None draws one at screening prevalence, enriched to half abnormal.
        conspicuity: scales the contrast of all lesions.
        vendor: manufacturer of a look in `LOOKS`; None draws one.
        implants: both breasts augmented.
    """
    rng = np.random.default_rng([seed, 10])
    woman = draw_woman(seed)
    drawn_birads, drawn_look = _draw_birads(rng), list(LOOKS)[int(rng.integers(len(LOOKS)))]
    birads = drawn_birads if birads is None else birads
    look = LOOKS[vendor or drawn_look]
    return Exam(seed, woman, birads, look, _draw_findings(rng, birads, woman, conspicuity, look), implants)


def _draw_birads(rng: np.random.Generator) -> int:
    if rng.random() < NORMAL_SHARE:
        return 1
    counts = np.array(list(ABNORMAL_SHARES.values()), float)
    return int(rng.choice(list(ABNORMAL_SHARES), p=counts / counts.sum()))


def _draw_findings(
    rng: np.random.Generator, birads: int, woman: Woman, conspicuity: float, look: VendorLook
) -> tuple[Lesion, ...]:
    """One finding, sometimes two of the same breast; none for BI-RADS 1."""
    if birads == 1:
        return ()
    laterality = "RL"[int(rng.integers(2))]
    grid = look.grid("small")
    outlines = (outline_of(woman, laterality, "CC", grid), outline_of(woman, laterality, "MLO", grid))
    malignant = rng.random() < _MALIGNANT_SHARE.get(birads, 0.0)
    kinds = _KINDS[birads]
    found = []
    for _ in range(1 + int(rng.random() < 0.2)):
        kind = str(rng.choice(list(kinds), p=list(kinds.values())))
        lesion = draw_lesion(rng, kind, woman, outlines, conspicuity)
        pathology = "malignant" if malignant else "benign"
        found.append(replace(lesion, laterality=laterality, pathology=pathology))
    return tuple(found)
