"""Decide: area under the ROC curve with the percentile interval of a patient bootstrap; positive is a normal image.

Patients are drawn with replacement, so that the images of one stay together. A resample is a weight for each patient:
nothing is sorted again, and the rank sum of all weights is one running sum over the scores of the normals.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

CHUNKS = 16
"""Each with a random stream of its own: the result does not depend on how many threads there are."""
SEED = 20_1346

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Auc:
    """The area and its interval."""

    value: float
    low: float
    high: float
    bootstraps: int

    def to_json(self) -> dict[str, Any]:
        """As reports keep it."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "by": f"{self.bootstraps} patient bootstraps",
        }


def auc_interval(
    scores: Floats, normal: npt.NDArray[np.bool_], patients: npt.NDArray[np.generic], level: float, bootstraps: int
) -> Auc | None:
    """The area under the ROC curve, or None if there are no normals or no abnormals.

    Args:
        scores: shape (n,), higher is more surely normal.
        normal: shape (n,), True for BI-RADS 1.
        patients: shape (n,), a key for each row.
        level: of the interval.
        bootstraps: how often patients are drawn anew; draws with normals or abnormals alone count for nothing.
    """
    if normal.all() or not normal.any():
        return None
    index = np.unique(patients, return_inverse=True)[1]
    m = int(index.max()) + 1
    ranking = _ranking(scores, normal, index)

    def chunk(task: tuple[np.random.SeedSequence, int]) -> list[float]:
        generator = np.random.default_rng(task[0])
        return ranking.areas(np.bincount(generator.integers(0, m, m), minlength=m) for _ in range(task[1]))

    shares = [bootstraps * (i + 1) // CHUNKS - bootstraps * i // CHUNKS for i in range(CHUNKS)]
    with ThreadPoolExecutor(min(CHUNKS, os.cpu_count() or 1)) as pool:
        chunks = pool.map(chunk, zip(np.random.SeedSequence(SEED).spawn(CHUNKS), shares, strict=True))
        values = np.array([value for found in chunks for value in found])
    values = values[np.isfinite(values)]
    tail = (1 - level) / 2
    low, high = np.quantile(values, (tail, 1 - tail)) if values.size else (0.0, 1.0)
    return Auc(ranking.areas([np.ones(m, np.int64)])[0], float(low), float(high), bootstraps)


@dataclass(frozen=True)
class _Ranking:
    """Rows sorted once, for the areas under any number of weights. Whole numbers throughout: exact, and fast."""

    normal: Integers
    """Patient of each normal row, lowest score first."""
    abnormal: Integers
    """Patient of each abnormal row, lowest score first: the running sum is read from one end to the other."""
    below: Integers
    """How many normals score below each abnormal row."""
    upto: Integers
    """The same with ties."""

    def areas(self, drawn: Iterable[Integers]) -> list[float]:
        """The area for each vector of one weight a patient; NaN if either side weighs nothing. Ties count half."""
        running = np.zeros(self.normal.size + 1, np.int64)
        normal, abnormal, reached = np.empty_like(self.normal), np.empty_like(self.abnormal), np.empty_like(self.below)
        tied = np.flatnonzero(self.below != self.upto)
        found = []
        for weights in drawn:
            # Into the same memory again and again: to ask for new memory costs more than to fill it.
            np.take(weights, self.normal, out=normal, mode="clip")
            np.cumsum(normal, out=running[1:])
            np.take(weights, self.abnormal, out=abnormal, mode="clip")
            np.take(running, self.below, out=reached, mode="clip")
            ties = int(abnormal[tied] @ (running[self.upto[tied]] - reached[tied]))
            pairs = int(running[-1]) * int(abnormal.sum())
            lost = int(abnormal @ reached) + ties / 2
            found.append(1 - lost / pairs if pairs else float("nan"))
        return found


def _ranking(scores: Floats, normal: npt.NDArray[np.bool_], index: npt.NDArray[np.intp]) -> _Ranking:
    order = np.argsort(scores, kind="stable")
    is_normal = normal[order]
    ordered, others = scores[order][is_normal], scores[order][~is_normal]
    return _Ranking(
        index[order][is_normal],
        index[order][~is_normal],
        np.searchsorted(ordered, others, side="left"),
        np.searchsorted(ordered, others, side="right"),
    )
