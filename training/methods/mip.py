"""From patch encoder to whole image (Miller et al., "Whole image classification"): linear evaluation, then fine-tuning.

Stage 1 freezes the encoder: its features are computed once and only pooling and classifier train. Stage 2 trains all
layers on augmented images.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augment import Augmentation, photometric, spatial
from training.data.images import Part
from training.encoders import Encoder
from training.heads import normal_logit
from training.loop import Batch, Method, chunks
from training.methods.sf import CachedFeatures, classification_metrics, encode
from training.pooling import MultipleInstancePooling, breast_cells

FINE_TUNING = Augmentation(scale=(0.8, 1.2), rotation=25.0, flips=True, brightness=0.2)
"""Stage 2 of the paper: resized crop 80-120%, flips, rotation +-25 degrees, brightness +-20%."""


class BagClassifier(nn.Module):
    """Pooling over the breast and a linear layer: features to logits and attention."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pooling = MultipleInstancePooling(channels)
        self.classifier = nn.Linear(channels, 2)

    def attend(self, features: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """(N, m, h, w), (N, h, w) -> logits (N, 2), attention (N, h, w)."""
        embedding, attention = self.pooling(features.float(), cells)
        return self.classifier(embedding), attention

    def forward(self, features: Tensor, cells: Tensor) -> Tensor:
        """Logits alone."""
        return self.attend(features, cells)[0]


def cached_bags(encoder: Encoder, part: Part, device: str = "cpu") -> CachedFeatures:
    """What linear evaluation trains on: features and breast cells of every whole image."""
    features = encode(encoder, part, "whole_image", device)
    grid = (features.shape[2], features.shape[3])
    cells = torch.cat([breast_cells(images, grid) for images in part.batches("whole_image")])
    return CachedFeatures((features, cells), part.labels)


@dataclass(frozen=True)
class WholeImageSettings:
    """Batches of stage 2."""

    batch_size: int = 16
    images_per_epoch: int = 2000


class WholeImage(Method):
    """Encoder and bag classifier, fine-tuned together (stage 2)."""

    selection = "auc"
    higher_is_better = True

    def __init__(
        self, encoder: Encoder, bag: BagClassifier, parts: tuple[Part, Part], settings: WholeImageSettings
    ) -> None:
        super().__init__()
        self.encoder, self.bag, self.settings = encoder, bag, settings
        self.training_part, self.validation_part = parts

    def epoch(self, generator: np.random.Generator) -> Iterator[Batch]:
        """(labels, images)."""
        part = self.training_part
        order = generator.permutation(len(part))[: self.settings.images_per_epoch]
        for numbers in chunks(torch.from_numpy(order), self.settings.batch_size):
            if len(numbers) > 1:  # batch norm has no variance of one
                yield part.labels[numbers], part.images("whole_image", numbers.numpy())

    def logits(self, images: Tensor) -> Tensor:
        """(N, 1, rows, columns) -> (N, 2)."""
        features = self.encoder(images)
        return torch.as_tensor(self.bag(features, breast_cells(images, (features.shape[2], features.shape[3]))))

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy on augmented images."""
        labels, images = batch
        augmented = photometric(spatial(images, FINE_TUNING), FINE_TUNING)
        return functional.cross_entropy(self.logits(augmented).float(), labels)

    def scores(self, part: Part) -> Tensor:
        """Logit of normal for each image of a part."""
        return torch.cat(
            [normal_logit(self.logits(images.to(self.device)).float()).cpu() for images in part.batches("whole_image")]
        )

    def validate(self) -> dict[str, float]:
        """AUC and cross-entropy on the validation part."""
        return classification_metrics(self.scores(self.validation_part), self.validation_part.labels)
