"""Annotated patches, five classes (Miller et al., "Annotated patches"): a common start for every encoder.

One 224 x 224 patch around each lesion and one from the rest of a breast, cut from the dual-view grid. Small data sets
do not teach an encoder from noise what a lesion is; the larger ones of the papers do. All systems of a recipe start
from the same encoder, so that their comparison stays fair.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from training.augment import Augmentation, photometric, spatial
from training.data.images import Part
from training.data.tiles import ANNOTATED, PATCH_CLASSES, Box, background_corner, cut, lesion_corner, patch_class
from training.encoders import Encoder
from training.loop import Batch, Method, chunks

PATCH_VIEWS = Augmentation(scale=(0.9, 1.1), flips=True, gamma=0.2, contrast=0.2)


@dataclass(frozen=True)
class PatchSettings:
    """Half of the patches hold a lesion, half come from the rest of a breast."""

    size: int = ANNOTATED
    batch_size: int = 64
    patches_per_epoch: int = 4000
    jitter: float = 0.25


class PatchClassifier(Method):
    """Encoder, max-pool and a linear layer over the five classes."""

    selection = "auc"
    higher_is_better = True

    def __init__(self, encoder: Encoder, parts: tuple[Part, Part], settings: PatchSettings) -> None:
        super().__init__()
        self.encoder, self.settings = encoder, settings
        self.classifier = nn.Linear(encoder.channels, len(PATCH_CLASSES))
        self.training_part, self.validation_part = parts
        self.boxes = {id(part): _by_image(part) for part in parts}

    def _draw(self, part: Part, n: int, generator: np.random.Generator) -> Batch:
        boxes, size = self.boxes[id(part)], self.settings.size
        patches, labels = [], []
        for k in range(n):
            if k % 2:
                box = part.boxes[int(generator.integers(len(part.boxes)))]
                image, label = box.image, patch_class(box)
                corner = lesion_corner(box, size, self.settings.jitter, generator)
            else:
                image, label = int(generator.integers(len(part))), 0
                corner = background_corner(part.pixels("dual_view", image), boxes[image], size, generator)
            patches.append(cut(part.pixels("dual_view", image), *corner, size))
            labels.append(label)
        stacked = np.stack(patches)[:, None].astype(np.float32) / np.float32(65535.0)
        return torch.from_numpy(stacked), torch.tensor(labels)

    def epoch(self, generator: np.random.Generator) -> Iterator[Batch]:
        """(patches, classes)."""
        for _ in range(self.settings.patches_per_epoch // self.settings.batch_size):
            yield self._draw(self.training_part, self.settings.batch_size, generator)

    def logits(self, patches: Tensor) -> Tensor:
        """(n, 5)."""
        return torch.as_tensor(self.classifier(self.encoder(patches).amax(dim=(2, 3)))).float()

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy over the five classes."""
        patches, labels = batch
        return functional.cross_entropy(self.logits(photometric(spatial(patches, PATCH_VIEWS), PATCH_VIEWS)), labels)

    def validate(self) -> dict[str, float]:
        """AUC of lesion against background and accuracy over the five classes, on patches that never change."""
        number = min(512, 4 * len(self.validation_part.boxes))
        patches, labels = self._draw(self.validation_part, number, np.random.default_rng(0))
        logits = torch.cat([self.logits(chunk.to(self.device)) for chunk in chunks(patches, 64)]).cpu()
        lesion = 1 - torch.softmax(logits, dim=1)[:, 0]
        accuracy = (logits.argmax(dim=1) == labels).float().mean()
        return {"auc": float(roc_auc_score(labels.numpy() > 0, lesion.numpy())), "accuracy": float(accuracy)}


def _by_image(part: Part) -> dict[int, list[Box]]:
    found: dict[int, list[Box]] = defaultdict(list)
    for box in part.boxes:
        found[box.image].append(box)
    return found
