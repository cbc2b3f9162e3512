"""Stage `prepare`: crop, resize and pad to the grid of a model, in uint16.

In: levels of the whole image and a box. Out: the box on a canvas of the model's shape, chest wall at the left edge,
vertically centred, and where on the canvas it lies. The aspect ratio of the breast is kept.
"""

from dataclasses import dataclass
from typing import TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

from triage.core.study import BoolImage, UInt16Image

Box = tuple[int, int, int, int]
"""Top, bottom, left, right in pixels, half open."""


@dataclass(frozen=True)
class Placement:
    """Where a resized crop lies on a canvas: first row, number of rows, number of columns; first column is 0."""

    top: int
    rows: int
    columns: int


def placement(height: int, width: int, canvas: tuple[int, int]) -> Placement:
    """The largest size with the aspect of (height, width) that fits the canvas, vertically centred."""
    scale = min(canvas[0] / height, canvas[1] / width)
    rows = min(max(round(height * scale), 1), canvas[0])
    columns = min(max(round(width * scale), 1), canvas[1])
    return Placement((canvas[0] - rows) // 2, rows, columns)


def block_mean(image: UInt16Image, factor: int) -> UInt16Image:
    """Mean of factor x factor blocks; up to factor-1 rows and columns at the end are left out.

    Exact factors take OpenCV's fast path: two exact steps cost a third of one inexact step.
    """
    if factor == 1:
        return image
    rows, columns = image.shape[0] // factor, image.shape[1] // factor
    blocks = image[: rows * factor, : columns * factor]
    return cast(UInt16Image, cv2.resize(blocks, (columns, rows), interpolation=cv2.INTER_AREA))


def fit(full: UInt16Image, half: UInt16Image, box: Box, canvas: tuple[int, int]) -> UInt16Image:
    """The box resized to its size on the canvas, shape (placement.rows, placement.columns).

    Shrinking by more than two starts from `half`, the 2 x 2 mean of `full`; less shrinking starts from `full`; both
    average over areas. Enlarging is bilinear.
    """
    top, bottom, left, right = box
    place = placement(bottom - top, right - left, canvas)
    source = full[top:bottom, left:right]
    if 2 * place.rows <= bottom - top and 2 * place.columns <= right - left:
        source = half[top // 2 : bottom // 2, left // 2 : right // 2]
    shrinks = place.rows <= source.shape[0] and place.columns <= source.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cast(UInt16Image, cv2.resize(source, (place.columns, place.rows), interpolation=interpolation))


def fit_mask(mask: BoolImage, place: Placement) -> BoolImage:
    """A mask of the box, on any grid, resized to its size on the canvas; its edge is interpolated."""
    coverage = mask.astype(np.float32)
    size = (place.columns, place.rows)
    return cast(BoolImage, cv2.resize(coverage, size, interpolation=cv2.INTER_LINEAR) >= 0.5)


Pixel = TypeVar("Pixel", np.uint16, np.bool_)


def on_canvas(image: npt.NDArray[Pixel], canvas: tuple[int, int]) -> npt.NDArray[Pixel]:
    """A resized crop, or its mask, padded with zeros to the canvas."""
    result: npt.NDArray[Pixel] = np.zeros(canvas, dtype=image.dtype)
    top = (canvas[0] - image.shape[0]) // 2
    result[top : top + image.shape[0], : image.shape[1]] = image
    return result
