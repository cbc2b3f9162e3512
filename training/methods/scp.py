"""Supervised contrastive pre-training (Cao et al. 2025, "SCP phase"): pairs of images in, an encoder out."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.data.images import Part
from training.data.pairs import Population, Sampler
from training.encoders import Encoder
from training.heads import Projection
from training.loop import Batch, Method

MARGIN = math.sqrt(2)
"""The far corners of the unit square that the projection maps to are this far apart."""
VALIDATION_PAIRS = 500


def contrastive_loss(first: Tensor, second: Tensor, same: Tensor) -> Tensor:
    """Eq. 1, summed over the pairs of the batch: D^2 for a same-class pair, max(0, margin - D)^2 for another.

    Args:
        first: projections of the first images, shape (pairs, 2).
        second: of the second images.
        same: True where a pair shares its class, shape (pairs,).
    """
    squared = (first.float() - second.float()).square().sum(dim=1)
    # The root has no slope at 0, where two projections agree exactly; the small term keeps its gradient finite.
    distance = torch.sqrt(squared + 1e-12)
    return torch.where(same, squared, (MARGIN - distance).clamp(min=0).square()).sum()


@dataclass(frozen=True)
class PairSettings:
    """Which pairs, and how many."""

    sampler: Sampler
    pairs_per_batch: int = 12
    """Half of them same-class, half different-class."""
    images_per_epoch: int = 2000


class SupervisedContrastive(Method):
    """E and P of the siamese network, trained on pairs; only E is used afterwards."""

    selection = "validation_loss"

    def __init__(
        self, encoder: Encoder, projection: Projection, parts: tuple[Part, Part], settings: PairSettings
    ) -> None:
        super().__init__()
        self.encoder, self.projection = encoder, projection
        self.training_part, self.validation_part = parts
        self.settings = settings

    def epoch(self, generator: np.random.Generator) -> Iterator[Batch]:
        """(images of all pairs: firsts, then seconds; same-class flags)."""
        part, settings = self.training_part, self.settings
        population = Population(part.normal, part.patients)
        for _ in range(max(1, settings.images_per_epoch // (2 * settings.pairs_per_batch))):
            pairs = settings.sampler(population, settings.pairs_per_batch // 2, generator)
            images = part.images("dual_view", np.concatenate([pairs.first, pairs.second]))
            yield images, torch.from_numpy(pairs.same)

    def loss(self, batch: Batch) -> Tensor:
        """Eq. 1 on one batch."""
        images, same = batch
        first, second = self.projection(self.encoder(images)).chunk(2)
        return contrastive_loss(first, second, same)

    def validate(self) -> dict[str, float]:
        """Mean loss and share of pairs on the right side of half the margin, on pairs that never change."""
        part = self.validation_part
        points = torch.cat(
            [self.projection(self.encoder(images.to(self.device))).float() for images in part.batches("dual_view")]
        )
        pairs = self.settings.sampler(
            Population(part.normal, part.patients), VALIDATION_PAIRS, np.random.default_rng(0)
        )
        same = torch.from_numpy(pairs.same).to(self.device)
        first, second = points[pairs.first], points[pairs.second]
        right = ((first - second).norm(dim=1) < MARGIN / 2) == same
        loss = contrastive_loss(first, second, same) / len(same)
        return {"validation_loss": float(loss), "pair_accuracy": float(right.float().mean())}
