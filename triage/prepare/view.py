"""Stage `prepare`: one image in, one canonical view out.

In: a `pydicom` data set, or the plain pixels of a PNG, PGM or JPEG. Out: `PreparedView`. The order is fixed, because a
model sees its traces: decode, padding, breast mask and crop, area resize, mirror, grey scale, background to 0.
"""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from triage.core.errors import Rejected
from triage.core.reasons import reason
from triage.core.study import DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE, BoolImage, PreparedView, UInt16Image
from triage.prepare.breast import Breast, check_clipping, find_breast
from triage.prepare.codecs import StoredImage
from triage.prepare.decode import check_size, stored_pixels
from triage.prepare.foreign_object import check_foreign_object
from triage.prepare.grayscale import Grayscale, header_grayscale, levels, plain
from triage.prepare.implant import check_implant
from triage.prepare.orientation import Side, check_breast_side, chest_wall_side, header_side
from triage.prepare.resample import block_mean, fit, fit_mask, on_canvas, placement
from triage.prepare.statistics import pixel_statistics

OVERVIEW_SIDE = 512
"""Cells along the longer side of the grid on which the breast is looked for, at least (at most twice as many)."""


def prepare(ds: Dataset, stored: StoredImage | None = None) -> PreparedView:
    """Canonical view of a DICOM mammogram.

    Args:
        ds: the data set, pixel data included, as `decode.read` gives it.
        stored: `decode.stored_pixels(ds)` if the caller has it already.

    Raises:
        Rejected: the image cannot be evaluated; its reason is one of the pixel codes.
    """
    pixels = stored_pixels(ds) if stored is None else stored
    side = header_side(ds)
    view = _canonical(pixels, header_grayscale(ds), side)
    check_breast_side(ds, "right" if view.flipped else "left")
    check_implant(view.dual_view, view.breast_mask)  # whatever the header says: a forgotten NO is no evidence
    check_foreign_object(view.dual_view, view.breast_mask)
    return view


def prepare_pixels(pixels: npt.NDArray[np.uint8] | UInt16Image, chest_wall: Side | None, bits: int) -> PreparedView:
    """Canonical view of grey-scale pixels without a header, displayed over the full range of `bits`, bright is dense.

    Args:
        pixels: shape (rows, columns), values 0..2**bits-1.
        chest_wall: its side, or None to find it in the pixels.
        bits: 8..16.
    """
    if pixels.ndim != 2:
        raise Rejected(reason("not-monochrome", f"Pixels of shape {pixels.shape}; expected rows and columns only."))
    check_size(*pixels.shape)
    if pixels.dtype not in (np.uint8, np.uint16) or not 8 <= bits <= 16 or int(pixels.max()) >= 1 << bits:
        raise Rejected(reason("undecodable", f"Values of type {pixels.dtype} do not fit {bits} bits."))
    return _canonical(pixels, plain(bits), chest_wall)


def preview(ds: Dataset, rows: int = 1024, stored: StoredImage | None = None) -> npt.NDArray[np.uint8]:
    """The whole image as its header wants it displayed, orientation as stored, uint8, at most `rows` high."""
    pixels = stored_pixels(ds) if stored is None else stored
    scale = header_grayscale(ds)
    image = levels(pixels, scale)
    height, width = image.shape
    if height > rows:
        size = (max(round(width * rows / height), 1), rows)
        image = cast(UInt16Image, cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return (np.take(scale.table, image) >> 8).astype(np.uint8)


def to_stored_grid(
    image: npt.NDArray[np.floating] | UInt16Image, view: PreparedView, shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """A map of the whole-image canvas laid back over the stored image: padding, crop and mirroring undone.

    Args:
        image: any grid that covers the canvas of `view.whole_image`, for example 36 x 28 cells of attention.
        view: the view that the map was made from.
        shape: rows and columns of the result, a (reduced) grid over the whole stored image.

    Returns:
        float32 of that shape, bilinear between cells, 0 outside the crop.
    """
    top, bottom, left, right = view.crop
    place = placement(bottom - top, right - left, WHOLE_IMAGE_SHAPE)
    # Centres of the result's pixels as fractions 0..1 of the crop, counted from the top and from the chest wall.
    down = ((np.arange(shape[0]) + 0.5) * view.stored_shape[0] / shape[0] - top) / (bottom - top)
    along = ((np.arange(shape[1]) + 0.5) * view.stored_shape[1] / shape[1] - left) / (right - left)
    inside = ((down >= 0) & (down < 1))[:, None] & ((along >= 0) & (along < 1))[None, :]
    along = 1.0 - along if view.flipped else along
    cell_rows = (place.top + down * place.rows) * image.shape[0] / WHOLE_IMAGE_SHAPE[0] - 0.5
    cell_columns = along * place.columns * image.shape[1] / WHOLE_IMAGE_SHAPE[1] - 0.5
    map_x, map_y = np.meshgrid(cell_columns.astype(np.float32), cell_rows.astype(np.float32))
    source = np.ascontiguousarray(image, dtype=np.float32)
    sampled = cv2.remap(source, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.where(inside, sampled, np.float32(0.0))


def _canonical(pixels: StoredImage, scale: Grayscale, stated: Side | None) -> PreparedView:
    """The half that DICOM and plain images share."""
    full = levels(pixels, scale)
    half = block_mean(full, 2)
    coarse = max(max(half.shape) // OVERVIEW_SIDE, 1)
    breast = find_breast(block_mean(half, coarse), 2 * coarse, full.shape)
    side, note = chest_wall_side(stated, breast.mask)
    dual_view, mask = _on_grid(full, half, breast, scale, side, DUAL_VIEW_SHAPE)
    check_clipping(dual_view, mask)
    whole_image, _ = _on_grid(full, half, breast, scale, side, WHOLE_IMAGE_SHAPE)
    return PreparedView(
        dual_view,
        whole_image,
        mask,
        side == "right",
        breast.box,
        full.shape,
        (*scale.notes, note),
        pixel_statistics(dual_view, mask),
    )


def _on_grid(
    full: UInt16Image, half: UInt16Image, breast: Breast, scale: Grayscale, side: Side, canvas: tuple[int, int]
) -> tuple[UInt16Image, BoolImage]:
    """Displayed pixels and mask of the breast on the canvas of a model."""
    image = fit(full, half, breast.box, canvas)
    top, bottom, left, right = breast.box
    mask = fit_mask(breast.mask_in_box, placement(bottom - top, right - left, canvas))
    if side == "right":
        image, mask = image[:, ::-1], mask[:, ::-1]
    displayed = np.where(mask, np.take(scale.table, image), np.uint16(0))
    return on_canvas(displayed, canvas), on_canvas(mask, canvas)
