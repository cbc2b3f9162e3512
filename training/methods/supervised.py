"""Direct supervised learning: the same networks as SCP+SF, end to end with cross-entropy, without pre-training."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data.images import Part
from training.encoders import Encoder
from training.heads import normal_logit
from training.loop import Batch, Method, chunks
from training.methods.sf import classification_metrics


@dataclass(frozen=True)
class ViewSettings:
    """Single view, or main view beside its registered contralateral view."""

    views: Literal["single", "dual"]
    batch_size: int = 12
    images_per_epoch: int = 2000
    """Images that pass the encoder in an epoch: a dual-view sample counts as two."""


class EndToEnd(Method):
    """Encoder and head, trained together."""

    selection = "auc"
    higher_is_better = True

    def __init__(self, encoder: Encoder, head: nn.Module, parts: tuple[Part, Part], settings: ViewSettings) -> None:
        super().__init__()
        self.encoder, self.head, self.settings = encoder, head, settings
        self.training_part, self.validation_part = parts

    def _inputs(self, part: Part, numbers: Tensor) -> tuple[Tensor, ...]:
        main = part.images("dual_view", numbers.numpy())
        return (main,) if self.settings.views == "single" else (main, part.images("moving", numbers.numpy()))

    def epoch(self, generator: np.random.Generator) -> Iterator[Batch]:
        """(labels, images of each head input ...)."""
        part, settings = self.training_part, self.settings
        samples = settings.images_per_epoch // (1 if settings.views == "single" else 2)
        order = torch.from_numpy(generator.permutation(len(part)))[:samples]
        for numbers in chunks(order, settings.batch_size):
            if len(numbers) > 1:  # batch norm has no variance of one
                yield part.labels[numbers], *self._inputs(part, numbers)

    def logits(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """(N, 2) logits; both views pass the shared encoder in one batch."""
        features = self.encoder(torch.cat(inputs)).chunk(len(inputs))
        return torch.as_tensor(self.head(*features)).float()

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy of the main image's label."""
        labels, *inputs = batch
        return functional.cross_entropy(self.logits(tuple(inputs)), labels)

    def scores(self, part: Part, batch_size: int = 8) -> Tensor:
        """Logit of normal for each image of a part."""
        found = []
        for numbers in chunks(torch.arange(len(part)), batch_size):
            inputs = tuple(tensor.to(self.device) for tensor in self._inputs(part, numbers))
            found.append(normal_logit(self.logits(inputs)).cpu())
        return torch.cat(found)

    def validate(self) -> dict[str, float]:
        """AUC and cross-entropy on the validation part."""
        return classification_metrics(self.scores(self.validation_part), self.validation_part.labels)
