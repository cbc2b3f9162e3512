"""Stage `register`: the affine alignment of a contralateral view.

In: the fixed and the moving view, both canonical. Out: `RegisteredPair`, the moving view on the grid of the fixed one.
The moments of the masks give the start (chest wall fixed); SimpleITK refines it on block means of 8 x 8 pixels with
every pixel in the metric and one thread, so that the result is the same to the bit on every run and machine load.

Transforms map fixed points to moving points, in (x, y) pixels of the DUAL_VIEW grid, as 2 x 3 matrices.
"""

from dataclasses import dataclass
from time import perf_counter
from typing import cast

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from triage.core.study import BoolImage, PreparedView, RegisteredPair, UInt16Image
from triage.register.guards import DICE_FLOOR, check_view, dice, plausible

Matrix = npt.NDArray[np.float64]

SHRINK = 8
"""Pixels in a side of a block: fine tissue is not shared between breasts, so nothing is gained below this."""
MARGIN = 24
"""Blocks of zeros around the moving image. The metric of ITK leaves out fixed points that fall outside the moving
image, so without a margin the best score goes to the transform that pushes what does not match over the edge (measured
on 29 real pairs: correlation over the whole grid 0.94 before, 0.93 after the fit; with the margin 0.96)."""
ITERATIONS = 40
SECONDS = 2.0
"""Against a stalled machine only; iterations are the working limit, since a result must not depend on load."""
SCALE_RANGE = (0.7, 1.4)
"""How far the start may scale each axis."""

sitk.ProcessObject.SetGlobalWarningDisplay(False)


@dataclass(frozen=True)
class _Reduced:
    """Block means of one view: brightness 0..1 and coverage by the breast 0..1, shape (126, 100)."""

    image: npt.NDArray[np.float32]
    coverage: npt.NDArray[np.float32]

    @property
    def mask(self) -> BoolImage:
        return self.coverage >= 0.5


def register_pair(fixed: PreparedView, moving: PreparedView) -> RegisteredPair:
    """Warp the moving view onto the fixed one.

    Raises:
        Rejected: `registration-failed` if an input is not a canonical view.
    """
    start = perf_counter()
    check_view(fixed)
    check_view(moving)
    target, source = _reduce(fixed), _reduce(moving)
    if not target.mask.any() or not source.mask.any():
        return _result(moving.dual_view, 0.0, "moments", start)
    matrix, method = moments_matrix(target.mask, source.mask), "moments"
    quality, likeness = _agreement(target, source, matrix)
    refined = _refine(target, source, matrix)
    if refined is not None and plausible(refined):
        overlap, correlation = _agreement(target, source, refined)
        if overlap >= DICE_FLOOR and correlation > likeness:
            matrix, quality, method = refined, overlap, "affine"
    return _result(_warp(moving.dual_view, matrix), quality, method, start)


def _agreement(fixed: _Reduced, moving: _Reduced, matrix: Matrix) -> tuple[float, float]:
    """Dice of the masks and correlation of the images, over the whole grid, once the moving ones are warped."""
    overlap = dice(fixed.mask, _warp_reduced(moving.coverage, matrix) >= 0.5)
    return overlap, _correlation(fixed.image, _warp_reduced(moving.image, matrix))


def _correlation(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    """Pearson's correlation of two images, -1..1; 0 if one of them is uniform."""
    one = (first - first.mean()).astype(np.float64).ravel()
    other = (second - second.mean()).astype(np.float64).ravel()
    product = float(np.sqrt(one.dot(one) * other.dot(other)))
    return float(one.dot(other)) / product if product > 0 else 0.0


def _result(moving: UInt16Image, quality: float, method: str, start: float) -> RegisteredPair:
    return RegisteredPair(moving, quality, quality >= DICE_FLOOR, method, (perf_counter() - start) * 1000.0)


def _reduce(view: PreparedView) -> _Reduced:
    return _Reduced(_block_mean(view.dual_view) / np.float32(65535.0), _block_mean(view.breast_mask))


def _block_mean(image: UInt16Image | BoolImage) -> npt.NDArray[np.float32]:
    rows, columns = image.shape[0] // SHRINK, image.shape[1] // SHRINK
    blocks = image.reshape(rows, SHRINK, columns, SHRINK)
    sums = blocks.sum(axis=(1, 3), dtype=np.uint32)
    means: npt.NDArray[np.float32] = (sums / (SHRINK * SHRINK)).astype(np.float32)
    return means


def moments_matrix(fixed: BoolImage, moving: BoolImage) -> Matrix:
    """Scale along x from the chest wall (x = 0), scale and shift along y, from the moments of the reduced masks.

    The mean distance from the chest wall gives the scale along x; mean and deviation of the rows give those along y.
    """
    (fixed_x, fixed_y, fixed_deviation), (moving_x, moving_y, moving_deviation) = _moments(fixed), _moments(moving)
    scale_x = float(np.clip(moving_x / fixed_x, *SCALE_RANGE))
    scale_y = float(np.clip(moving_deviation / max(fixed_deviation, 1.0), *SCALE_RANGE))
    return np.array([[scale_x, 0.0, 0.0], [0.0, scale_y, moving_y - scale_y * fixed_y]])


def _moments(mask: BoolImage) -> tuple[float, float, float]:
    """Mean distance from the chest wall, mean row and standard deviation of the rows, in pixels of the full grid."""
    rows, columns = np.nonzero(mask)
    return (columns.mean() + 0.5) * SHRINK, (rows.mean() + 0.5) * SHRINK - 0.5, rows.std() * SHRINK


def _registration(start: sitk.AffineTransform) -> sitk.ImageRegistrationMethod:
    """The settings of the affine fit; the transform is changed in place."""
    registration = sitk.ImageRegistrationMethod()
    registration.SetNumberOfThreads(1)
    registration.SetMetricAsCorrelation()
    registration.SetMetricSamplingStrategy(registration.NONE)
    registration.SetInterpolator(sitk.sitkLinear)
    # Steps of 8 pixels at first, halved at every turn, down to a quarter of a pixel.
    registration.SetOptimizerAsRegularStepGradientDescent(
        learningRate=8.0, minStep=0.25, numberOfIterations=ITERATIONS, relaxationFactor=0.5
    )
    # A unit of the matrix moves the rim of the image by about 400 pixels, a unit of the translation by one.
    registration.SetOptimizerScales([400.0**2] * 4 + [1.0] * 2)
    registration.SetInitialTransform(start, inPlace=True)
    return registration


def _refine(fixed: _Reduced, moving: _Reduced, start: Matrix) -> Matrix | None:
    """The affine transform with the best correlation near the start, or None where ITK gives up or the time is up."""
    rows, columns = fixed.image.shape
    transform = _itk_transform(start, (columns * SHRINK / 2.0, rows * SHRINK / 2.0))
    registration = _registration(transform)
    deadline = perf_counter() + SECONDS
    late: list[int] = []

    def watch() -> None:
        if perf_counter() > deadline:
            late.append(registration.GetOptimizerIteration())
            registration.StopRegistration()

    registration.AddCommand(sitk.sitkIterationEvent, watch)
    try:
        registration.Execute(_itk_image(fixed.image), _itk_image(np.pad(moving.image, MARGIN), MARGIN))
    except RuntimeError:  # ITK raises it where the metric cannot be computed, for example on a constant image
        return None
    return None if late else _matrix(transform)


def _itk_image(array: npt.NDArray[np.float32], margin: int = 0) -> sitk.Image:
    """A reduced array, with `margin` blocks around it, placed so that its points are those of the full grid."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((float(SHRINK), float(SHRINK)))
    image.SetOrigin([(SHRINK - 1) / 2.0 - margin * SHRINK] * 2)
    return image


def _itk_transform(matrix: Matrix, center: tuple[float, float] = (0.0, 0.0)) -> sitk.AffineTransform:
    transform = sitk.AffineTransform(2)
    transform.SetCenter(center)
    transform.SetMatrix(matrix[:, :2].ravel().tolist())
    offset = matrix[:, 2] + matrix[:, :2] @ np.array(center) - np.array(center)
    transform.SetTranslation(offset.tolist())
    return transform


def _matrix(transform: sitk.AffineTransform) -> Matrix:
    linear = np.array(transform.GetMatrix()).reshape(2, 2)
    center = np.array(transform.GetCenter())
    offset = np.array(transform.GetTranslation()) + center - linear @ center
    return np.column_stack([linear, offset])


def _resample(image: sitk.Image, matrix: Matrix) -> npt.NDArray[np.float32] | UInt16Image:
    """The image at the points that the matrix names, bilinear, 0 outside; same grid and type."""
    resampler = sitk.ResampleImageFilter()
    resampler.SetNumberOfThreads(1)
    resampler.SetReferenceImage(image)
    resampler.SetTransform(_itk_transform(matrix))
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(0.0)
    return cast(npt.NDArray[np.float32], sitk.GetArrayFromImage(resampler.Execute(image)))


def _warp_reduced(array: npt.NDArray[np.float32], matrix: Matrix) -> npt.NDArray[np.float32]:
    return cast(npt.NDArray[np.float32], _resample(_itk_image(array), matrix))


def _warp(image: UInt16Image, matrix: Matrix) -> UInt16Image:
    return cast(UInt16Image, _resample(sitk.GetImageFromArray(image), matrix))
