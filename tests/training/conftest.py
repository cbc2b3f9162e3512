"""A tiny cache and a tiny encoder: 24 patients whose abnormal images hold a bright square."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data.images import BOXES, INDEX
from training.encoders import Encoder

SHAPE = (64, 48)


class TinyEncoder(Encoder):
    """(N, 1, rows, columns) -> (N, 8, rows/8, columns/8)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 5, 4, 2)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, 2, 1)
        self.channels = 8

    def forward(self, image: Tensor) -> Tensor:
        return functional.relu(self.second(functional.relu(self.norm(self.first(image)))))


@pytest.fixture
def tiny_encoder() -> Callable[[], Encoder]:
    def make(seed: int = 0) -> Encoder:
        torch.manual_seed(seed)
        return TinyEncoder()

    return make


@pytest.fixture(scope="session")
def tiny_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of `training.data.memmap`, written directly: 24 patients x 4 images, 16 train and 8 validation."""
    folder = tmp_path_factory.mktemp("cache")
    generator = np.random.default_rng(5)
    images = generator.integers(5000, 20000, (96, *SHAPE)).astype(np.uint16)
    images[:, :, 40:] = 0
    index, boxes = [], []
    for row in range(96):
        patient, view = divmod(row, 4)
        abnormal = patient % 2 == 0 and view < 2
        if abnormal:
            top, left = generator.integers(0, 40, 2) // 2
            images[row, top : top + 16, left : left + 16] += 40000
            boxes.append([row, "round-mass", "benign", top, top + 16, left, left + 16])
        birads = 2 if abnormal else 1
        split = "train" if patient < 16 else "validation"
        other = row ^ 2
        index.append(
            [row, f"{row}.dcm", f"p{patient}", f"s{patient}", birads, int(not abnormal), split, "", other, "affine"]
        )
    np.save(folder / "dual_view.npy", images)
    np.save(folder / "moving.npy", images[np.arange(96) ^ 2])
    np.save(folder / "whole_image.npy", images)
    header = [
        "row",
        "file",
        "patient_id",
        "study_id",
        "birads",
        "normal",
        "split",
        "rejected",
        "contralateral",
        "registration",
    ]
    _write(folder / INDEX, header, index)
    _write(folder / BOXES, ["row", "type", "pathology", "top", "bottom", "left", "right"], boxes)
    return folder


def _write(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
