"""Supervised fine-tuning (Cao et al. 2025, "SF phase"): the encoder is frozen, only the head trains.

A frozen encoder gives the same features in every epoch, so they are computed once, in float32 as the service computes
them, and the head trains on them in seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from training.data.images import Kind, Part
from training.encoders import Encoder
from training.heads import normal_logit
from training.loop import Batch, Method, chunks


@dataclass(frozen=True)
class CachedFeatures:
    """What a frozen encoder made of one part: one tensor a head input, and the class of each image."""

    inputs: tuple[Tensor, ...]
    labels: Tensor


def encode(encoder: Encoder, part: Part, kind: Kind, device: str = "cpu") -> Tensor:
    """Features (n, channels, h, w) of all images of a part, in evaluation mode and float32."""
    encoder.to(device).eval()
    with torch.inference_mode():
        return torch.cat([encoder(images.to(device)).float().cpu() for images in part.batches(kind)])


class FeatureClassifier(Method):
    """A head on cached features, trained with cross-entropy; used by SF and by linear evaluation."""

    selection = "auc"
    higher_is_better = True

    def __init__(self, head: nn.Module, parts: tuple[CachedFeatures, CachedFeatures], batch_size: int = 64) -> None:
        super().__init__()
        self.head = head
        self.training_features, self.validation_features = parts
        self.batch_size = batch_size

    def epoch(self, generator: np.random.Generator) -> Iterator[Batch]:
        """(labels, head inputs ...)."""
        cached = self.training_features
        order = torch.from_numpy(generator.permutation(len(cached.labels)))
        for numbers in chunks(order, self.batch_size):
            yield cached.labels[numbers], *(tensor[numbers] for tensor in cached.inputs)

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy."""
        labels, *inputs = batch
        return functional.cross_entropy(self.head(*inputs).float(), labels)

    def scores(self, cached: CachedFeatures) -> Tensor:
        """Logit of normal for each image."""
        numbers = chunks(torch.arange(len(cached.labels)), 256)
        return torch.cat(
            [normal_logit(self.head(*(tensor[n].to(self.device) for tensor in cached.inputs)).float()) for n in numbers]
        )

    def validate(self) -> dict[str, float]:
        """AUC and cross-entropy on the validation part."""
        cached = self.validation_features
        return classification_metrics(self.scores(cached).cpu(), cached.labels)


def classification_metrics(scores: Tensor, labels: Tensor) -> dict[str, float]:
    """AUC (positive = normal) and binary cross-entropy of the logits of normal."""
    loss = functional.binary_cross_entropy_with_logits(scores, labels.float())
    return {"auc": float(roc_auc_score(labels.numpy(), scores.numpy())), "validation_loss": float(loss)}
