"""Annotated patches and tiles."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from training.data.images import part
from training.data.tiles import Box, background_corner, cut, lesion_corner, patch_class, tile_positions
from training.encoders import Encoder
from training.loop import LoopSettings, fit
from training.methods.patches import PatchClassifier, PatchSettings


def test_tiles_overlap_by_half_and_hold_at_most_a_fifth_of_background() -> None:
    image = np.full((100, 60), 7, np.uint16)
    image[:, 40:] = 0
    positions = {tuple(position) for position in tile_positions(image, 20).tolist()}
    assert positions == {(top, left) for top in range(0, 81, 10) for left in (0, 10, 20)}
    image[:, 36:] = 0  # now exactly 20% of the tile at 20 is background: kept
    assert (0, 20) in {tuple(position) for position in tile_positions(image, 20).tolist()}
    image[0, 35] = 0  # one pixel more: dropped
    assert (0, 20) not in {tuple(position) for position in tile_positions(image, 20).tolist()}


def test_patches_beyond_the_edge_are_padded_with_background() -> None:
    image = np.arange(1, 26, dtype=np.uint16).reshape(5, 5)
    assert cut(image, -1, 3, 3).tolist() == [[0, 0, 0], [4, 5, 0], [9, 10, 0]]
    assert not cut(image, 9, 9, 3).any()


def test_corners() -> None:
    generator = np.random.default_rng(0)
    box = Box(0, "round-mass", "benign", 10, 20, 30, 50)
    assert lesion_corner(box, 8, 0.0, generator) == (11, 36)
    image = np.ones((40, 40), np.uint16)
    for _ in range(50):
        top, left = background_corner(image, [Box(0, "m", "benign", 0, 40, 0, 35)], 10, generator)
        assert left + 5 >= 35


def test_classes() -> None:
    names = ("round-mass", "focal-asymmetry", "pleomorphic-cluster-calcifications")
    boxes = [Box(0, name, pathology, 0, 1, 0, 1) for name in names for pathology in ("malignant", "benign")]
    assert [patch_class(box) for box in boxes] == [1, 2, 1, 2, 3, 4]


def test_patch_classifier_learns(tiny_cache: Path, tiny_encoder: Callable[[], Encoder], tmp_path: Path) -> None:
    parts = part(tiny_cache, "train", paired=False), part(tiny_cache, "validation", paired=False)
    method = PatchClassifier(tiny_encoder(), parts, PatchSettings(24, 16, 128))
    fit(method, LoopSettings(epochs=4, learning_rate=1e-2), tmp_path)
    method.eval()
    with torch.inference_mode():
        assert method.validate()["auc"] > 0.9
