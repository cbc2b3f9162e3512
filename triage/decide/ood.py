"""Out of distribution: is an image like those that the models and the threshold were made with?

Two distances are taken of each image: of its embedding and of its pixel statistics, each the Mahalanobis distance (Lee
et al. 2018) to the mean of its device and view position under one shrunk covariance for all. An exam is as odd as its
oddest image, and is refused when it is odder than all but a share `alpha` of the reference exams of its device
(split-conformal: the chance of refusing a clean exam of that device is at most alpha). Devices without reference exams
are held against the nearest known device and the reference of all.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from triage.core.errors import BundleError
from triage.core.strata import Stratum

ALPHA = 0.005
"""Share of clean exams refused: half of the 1% that all refusals together may cost."""
SHRINKAGE = 0.1
"""Toward the identity, in units of each number's own spread: a few thousand images do not fix 256 x 256 covariances."""
POSITIONS = ("CC", "MLO")
POOLED = ""
"""Key of the reference of all devices together."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Images to fit on or to refer to; everything of shape (n, ...)."""

    devices: npt.NDArray[np.str_]
    """`device_key` of each image."""
    positions: npt.NDArray[np.str_]
    exams: npt.NDArray[np.generic]
    embeddings: npt.NDArray[np.float32]
    statistics: npt.NDArray[np.float32]

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "Sample":
        """The images of a mask of shape (n,), or of indices."""
        return Sample(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class Metric:
    """Mahalanobis distance to the mean of device and view position, for one kind of vector of length p."""

    centre: Floats
    """Shape (p,): subtracted before anything else."""
    spread: Floats
    """Shape (p,): divided by, so that shrinkage treats every number alike."""
    means: Floats
    """Shape (devices, 2, p), in spreads."""
    precision: Floats
    """Shape (p, p): inverse of the shrunk covariance within device and position."""

    def distances(self, vectors: npt.NDArray[np.float32], position: int) -> Floats:
        """Distance of each vector, shape (n, p), to every device at that position: shape (n, devices)."""
        scaled = (vectors.astype(np.float64) - self.centre) / self.spread
        offsets = scaled[:, None, :] - self.means[None, :, position, :]
        squared = np.einsum("ndp,pq,ndq->nd", offsets, self.precision, offsets, optimize=True)
        return cast(Floats, np.sqrt(np.maximum(squared, 0.0)))


@dataclass(frozen=True)
class OutOfDistribution:
    """The fitted check of one bundle."""

    devices: tuple[str, ...]
    embedding: Metric
    statistics: Metric
    scales: dict[str, tuple[float, float]]
    """By device: what both distances are divided by to be comparable (99th percentile of the reference images)."""
    cuts: dict[str, float]
    """By device: the exam score above which an exam is refused."""

    def score(
        self, device: str, position: str, embedding: npt.NDArray[np.float32], statistics: npt.NDArray[np.float32]
    ) -> float:
        """How odd one image is: above 1 it is refused. Not a number anywhere: infinitely odd.

        Args:
            device: `device_key` of its stratum.
            position: CC or MLO.
            embedding: shape (channels,). statistics: shape (16,).
        """
        if not (np.isfinite(embedding).all() and np.isfinite(statistics).all()):
            return float("inf")
        known = device if device in self.cuts else POOLED
        distances = self._distances(embedding[None], statistics[None], POSITIONS.index(position), known)
        return float(self._oddness(distances, known)[0] / self.cuts[known])

    def _distances(
        self, embeddings: npt.NDArray[np.float32], statistics: npt.NDArray[np.float32], position: int, device: str
    ) -> Floats:
        """Both distances, shape (n, 2), to a device, or to the nearest one if it is POOLED."""
        found = [
            metric.distances(vectors, position)
            for metric, vectors in ((self.embedding, embeddings), (self.statistics, statistics))
        ]
        columns = [
            one[:, self.devices.index(device)] if device != POOLED else one.min(axis=1, initial=np.inf) for one in found
        ]
        return np.stack(columns, axis=1)

    def _oddness(self, distances: Floats, device: str) -> Floats:
        return cast(Floats, (distances / np.asarray(self.scales[device])).max(axis=1))


def device_key(stratum: Stratum) -> str:
    """The part of a stratum that decides how images look: not the site, not the models."""
    return "|".join((stratum.manufacturer, stratum.model, stratum.software_version, stratum.acquisition_type))


def fit(sample: Sample, reference: Sample, apart: Sequence[str] = (), alpha: float = ALPHA) -> OutOfDistribution:
    """Means and covariances from `sample`, scales and cuts from `reference`, which must hold other exams.

    Devices in `apart` vary more than a device should, and do not loosen the reference of all devices together.

    Raises:
        ValueError: a device has too few reference exams for alpha, or no images to fit on.
    """
    devices = tuple(sorted({str(device) for device in sample.devices}))
    embedding, statistics = (_metric(sample, getattr(sample, name), devices) for name in ("embeddings", "statistics"))
    fitted = OutOfDistribution(devices, embedding, statistics, {}, {})
    for device in (*devices, POOLED):
        of_device = ~np.isin(reference.devices, apart) if device == POOLED else reference.devices == device
        part = reference.where(of_device)
        distances = np.zeros((part.positions.size, 2))
        for number, position in enumerate(POSITIONS):
            here = part.positions == position
            distances[here] = fitted._distances(part.embeddings[here], part.statistics[here], number, device)
        scale = np.quantile(distances, 0.99, axis=0)
        fitted.scales[device] = (float(scale[0]), float(scale[1]))
        fitted.cuts[device] = _cut(fitted._oddness(distances, device), part.exams, alpha, device)
    return fitted


def _metric(sample: Sample, vectors: npt.NDArray[np.float32], devices: Sequence[str]) -> Metric:
    values = vectors.astype(np.float64)
    centre, spread = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-6)
    values = (values - centre) / spread
    means = np.zeros((len(devices), len(POSITIONS), values.shape[1]))
    residuals = np.zeros_like(values)
    for row, device in enumerate(devices):
        for column, position in enumerate(POSITIONS):
            here = (sample.devices == device) & (sample.positions == position)
            if not here.any():
                raise ValueError(f"no {position} image of {device or 'an unnamed device'} to fit on")
            means[row, column] = values[here].mean(axis=0)
            residuals[here] = values[here] - means[row, column]
    covariance = residuals.T @ residuals / len(values)
    width = covariance.shape[0]
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / width * np.eye(width)
    return Metric(centre, spread, means, np.linalg.inv(shrunk))


def _cut(oddness: Floats, exams: npt.NDArray[np.generic], alpha: float, device: str) -> float:
    """The split-conformal quantile over exams: of n, all but floor(alpha (n + 1)) lie at or below it."""
    _, index = np.unique(exams, return_inverse=True)
    worst = np.full(int(index.max()) + 1 if index.size else 0, -np.inf)
    np.maximum.at(worst, index, oddness)
    above = int(np.floor(alpha * (worst.size + 1)))
    if above < 1:
        raise ValueError(f"{worst.size} reference exams of {device or 'all devices'} cannot hold alpha = {alpha}")
    return float(np.sort(worst)[-above])


def to_bytes(fitted: OutOfDistribution) -> bytes:
    """The check as an NPZ file, in single precision."""
    keys = (*fitted.devices, POOLED)
    arrays = {
        "devices": np.asarray(fitted.devices, np.str_),
        "scales": np.asarray([fitted.scales[key] for key in keys]),
        "cuts": np.asarray([fitted.cuts[key] for key in keys]),
    }
    for name, metric in (("embedding", fitted.embedding), ("statistics", fitted.statistics)):
        arrays |= {f"{name}_{field.name}": getattr(metric, field.name).astype(np.float32) for field in fields(metric)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def read(path: Path) -> OutOfDistribution:
    """The check of a bundle.

    Raises:
        BundleError: the file is not what `to_bytes` wrote.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            devices = tuple(str(device) for device in content["devices"])
            keys = (*devices, POOLED)
            metrics = [
                Metric(*(content[f"{name}_{field.name}"].astype(np.float64) for field in fields(Metric)))
                for name in ("embedding", "statistics")
            ]
            scales = {key: (float(one), float(two)) for key, (one, two) in zip(keys, content["scales"], strict=True)}
            cuts = {key: float(cut) for key, cut in zip(keys, content["cuts"], strict=True)}
    except (OSError, ValueError, KeyError) as error:
        raise BundleError(f"{path}: not an out-of-distribution check ({error}); build the bundle again") from error
    return OutOfDistribution(devices, metrics[0], metrics[1], scales, cuts)
