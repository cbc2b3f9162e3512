"""Pairs of images for contrastive training (Cao et al., "Sample selection strategy"): N same-class, N different-class.

`random_pairs` draws from the whole training set, `patient_pairs` takes both images of a pair from one patient. Both are
functions of the generator they are given, so an epoch can be drawn again after a resume.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triage.core.errors import TriageError


@dataclass(frozen=True)
class Pairs:
    """Indices of the images of each pair, and whether they share a class; all of shape (n,)."""

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    same: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Population:
    """The images that pairs are drawn from: label and patient of each, shape (n,)."""

    normal: npt.NDArray[np.bool_]
    patients: npt.NDArray[np.str_]

    def __post_init__(self) -> None:
        if self.normal.all() or not self.normal.any():
            raise TriageError("pairs need normal and abnormal images; the training set has only one kind")


Sampler = Callable[[Population, int, np.random.Generator], Pairs]


def random_pairs(population: Population, n: int, generator: np.random.Generator) -> Pairs:
    """n same-class pairs (each class equally likely) and n different-class pairs from the whole set."""
    classes = [np.flatnonzero(~population.normal), np.flatnonzero(population.normal)]
    same = [_two(classes[int(generator.integers(2))], generator) for _ in range(n)]
    different = [(int(generator.choice(classes[0])), int(generator.choice(classes[1]))) for _ in range(n)]
    return _pairs(same, different, generator)


def patient_pairs(population: Population, n: int, generator: np.random.Generator) -> Pairs:
    """n same-class and n different-class pairs, the two images of each from one patient.

    Raises:
        TriageError: no patient has both a normal and an abnormal image, or none has two of a kind.
    """
    groups: list[list[npt.NDArray[np.int64]]] = [[], []]
    mixed: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
    _, inverse = np.unique(population.patients, return_inverse=True)
    for patient in range(int(inverse.max()) + 1):
        members = np.flatnonzero(inverse == patient)
        abnormal, normal = members[~population.normal[members]], members[population.normal[members]]
        for group, images in zip(groups, (abnormal, normal), strict=True):
            if images.size >= 2:
                group.append(images)
        if abnormal.size and normal.size:
            mixed.append((abnormal, normal))
    kinds = [images for images in groups if images]
    if not kinds or not mixed:
        raise TriageError("patient-constrained pairs need patients with two images of a kind and with both kinds")
    same = []
    for _ in range(n):
        kind = kinds[int(generator.integers(len(kinds)))]
        same.append(_two(kind[int(generator.integers(len(kind)))], generator))
    different = []
    for _ in range(n):
        abnormal, normal = mixed[int(generator.integers(len(mixed)))]
        different.append((int(generator.choice(abnormal)), int(generator.choice(normal))))
    return _pairs(same, different, generator)


def _two(images: npt.NDArray[np.int64], generator: np.random.Generator) -> tuple[int, int]:
    if images.size < 2:
        raise TriageError("same-class pairs need at least two images of each class")
    first, second = generator.choice(images, 2, replace=False)
    return int(first), int(second)


def _pairs(
    same: Sequence[tuple[int, int]], different: Sequence[tuple[int, int]], generator: np.random.Generator
) -> Pairs:
    both = np.asarray([*same, *different], np.int64)
    flags = np.repeat([True, False], [len(same), len(different)])
    # Which image comes first must not tell the class.
    swap = generator.random(len(both)) < 0.5
    both[swap] = both[swap][:, ::-1]
    order = generator.permutation(len(both))
    return Pairs(both[order, 0], both[order, 1], flags[order])


SAMPLERS: dict[str, Sampler] = {"random": random_pairs, "patient": patient_pairs}
