"""Reading cached pixels: memory-mapped uint16 images and their labels in, float32 batches out."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.data.tiles import Box
from triage.core.errors import TriageError

Kind = Literal["dual_view", "moving", "whole_image"]
INDEX, BOXES = "index.csv", "boxes.csv"


@dataclass(frozen=True)
class Part:
    """One part of a split (train, validation, ...): its usable, labelled images, numbered from 0.

    All arrays have shape (n,); `rows` are positions in the memory maps.
    """

    folder: Path
    rows: npt.NDArray[np.int64]
    files: tuple[str, ...]
    normal: npt.NDArray[np.bool_]
    birads: npt.NDArray[np.int64]
    """-1 where unknown."""
    patients: npt.NDArray[np.str_]
    studies: npt.NDArray[np.str_]
    boxes: tuple[Box, ...]
    """Lesions on the dual-view grid; `Box.image` counts within this part."""

    def __len__(self) -> int:
        return int(self.rows.size)

    @cached_property
    def _maps(self) -> dict[str, npt.NDArray[np.uint16]]:
        return {path.stem: np.load(path, mmap_mode="r") for path in self.folder.glob("*.npy")}

    def pixels(self, kind: Kind, number: int) -> npt.NDArray[np.uint16]:
        """One image as it lies in the cache."""
        return np.asarray(self._maps[kind][self.rows[number]])

    def images(self, kind: Kind, numbers: npt.NDArray[np.int64]) -> Tensor:
        """float32 (n, 1, rows, columns), 0..1, exactly as `triage.core.study.model_input` makes them."""
        stack = np.stack([self.pixels(kind, int(number)) for number in numbers])
        return torch.from_numpy((stack.astype(np.float32) / np.float32(65535.0))[:, None])

    def batches(self, kind: Kind, size: int = 8) -> Iterator[Tensor]:
        """All images in order."""
        for start in range(0, len(self), size):
            yield self.images(kind, np.arange(start, min(start + size, len(self))))

    @cached_property
    def labels(self) -> Tensor:
        """Class of each image: 1 normal, 0 abnormal."""
        return torch.from_numpy(self.normal.astype(np.int64))


def part(folder: Path, name: str, *, paired: bool) -> Part:
    """The part of that name of a cache; with `paired`, only images that have a registered contralateral view.

    Raises:
        TriageError: no such cache, or nothing usable in that part.
    """
    if not (folder / INDEX).is_file():
        raise TriageError(f"{folder}: no {INDEX}; write it with triage-train cache")
    with (folder / INDEX).open(newline="", encoding="utf-8") as file:
        entries = [
            entry
            for entry in csv.DictReader(file)
            if entry["split"] == name
            and not entry["rejected"]
            and entry["normal"]
            and (entry["registration"] or not paired)
        ]
    if not entries:
        raise TriageError(f"{folder}: no usable images in part {name!r}")
    # The index is in the order in which two processes finished; rows are the stable order.
    entries.sort(key=lambda entry: int(entry["row"]))
    return Part(
        folder,
        np.asarray([int(entry["row"]) for entry in entries]),
        tuple(entry["file"] for entry in entries),
        np.asarray([entry["normal"] == "1" for entry in entries]),
        np.asarray([int(entry["birads"] or -1) for entry in entries]),
        np.asarray([entry["patient_id"] for entry in entries]),
        np.asarray([entry["study_id"] for entry in entries]),
        _boxes(folder / BOXES, {int(entry["row"]): number for number, entry in enumerate(entries)}),
    )


def _boxes(path: Path, numbers: dict[int, int]) -> tuple[Box, ...]:
    if not path.is_file():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(
            Box(
                numbers[int(entry["row"])],
                entry["type"],
                entry["pathology"],
                *(float(entry[key]) for key in ("top", "bottom", "left", "right")),
            )
            for entry in csv.DictReader(file)
            if int(entry["row"]) in numbers
        )
