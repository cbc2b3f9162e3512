"""BYOL on tiles of whole images (Grill et al. 2020; Miller et al., chosen transforms crop + gamma + contrast).

Two differently transformed versions of a tile; an online network predicts what a slowly following target network makes
of the other version. No labels. The target gets no gradient; it follows by an exponential moving average of 0.99.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from training import torchvision_shim  # noqa: F401 - lightly needs torchvision
from training.augment import Augmentation, photometric, spatial
from training.data.images import Part
from training.data.tiles import TILE, cut, tile_positions
from training.encoders import Encoder
from training.loop import Batch, Method

from lightly.loss import NegativeCosineSimilarity  # isort: skip
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead  # isort: skip
from lightly.models.utils import deactivate_requires_grad, update_momentum  # isort: skip

TILE_VIEWS = Augmentation(scale=(0.4, 1.0), gamma=0.4, contrast=0.4, flips=True)


@dataclass(frozen=True)
class TileSettings:
    """Tiles and network widths; the paper's batch of 4096 needs a cluster."""

    size: int = TILE
    batch_size: int = 256
    tiles_per_epoch: int = 20000
    momentum: float = 0.99
    projection: int = 128
    hidden: int = 512


class TileSampler:
    """Random tiles of a part: an image first, then one of its grid positions, so that big breasts do not dominate."""

    def __init__(self, part: Part, size: int) -> None:
        self.part, self.size = part, size
        self._positions: dict[int, np.ndarray[tuple[int, ...], np.dtype[np.int64]]] = {}

    def _of(self, image: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        if image not in self._positions:
            self._positions[image] = tile_positions(self.part.pixels("whole_image", image), self.size)
        return self._positions[image]

    def draw(self, n: int, generator: np.random.Generator) -> Tensor:
        """float32 (n, 1, size, size), 0..1; about 16 tiles an image, as reading an image costs more than a tile."""
        tiles: list[np.ndarray[tuple[int, ...], np.dtype[np.uint16]]] = []
        while len(tiles) < n:
            image = int(generator.integers(len(self.part)))
            positions = self._of(image)
            pixels = self.part.pixels("whole_image", image)
            for top, left in generator.permutation(positions)[: min(16, n - len(tiles))]:
                tiles.append(cut(pixels, int(top), int(left), self.size))
        return torch.from_numpy(np.stack(tiles)[:, None].astype(np.float32) / np.float32(65535.0))


class Byol(Method):
    """Online and target networks over one encoder architecture."""

    selection = "validation_loss"

    def __init__(self, encoder: Encoder, parts: tuple[Part, Part], settings: TileSettings) -> None:
        super().__init__()
        self.encoder, self.settings = encoder, settings
        widths = encoder.channels, settings.hidden, settings.projection
        self.projector = BYOLProjectionHead(*widths)
        self.predictor = BYOLPredictionHead(settings.projection, settings.hidden, settings.projection)
        self.target_encoder = copy.deepcopy(encoder)
        self.target_projector = copy.deepcopy(self.projector)
        deactivate_requires_grad(self.target_encoder)
        deactivate_requires_grad(self.target_projector)
        self.criterion = NegativeCosineSimilarity()
        self.samplers = tuple(TileSampler(part, settings.size) for part in parts)

    def epoch(self, generator: np.random.Generator) -> Iterator[Batch]:
        """(tiles,): the transforms are drawn in `loss`, from torch's generator."""
        for _ in range(self.settings.tiles_per_epoch // self.settings.batch_size):
            yield (self.samplers[0].draw(self.settings.batch_size, generator),)

    def online(self, tiles: Tensor) -> Tensor:
        """Prediction of the target's projection, (n, projection)."""
        return cast(Tensor, self.predictor(self.projector(_pooled(self.encoder, tiles))))

    def target(self, tiles: Tensor) -> Tensor:
        """Projection by the target network, without gradient."""
        with torch.no_grad():
            return cast(Tensor, self.target_projector(_pooled(self.target_encoder, tiles))).detach()

    def loss(self, batch: Batch) -> Tensor:
        """Negative cosine similarity, symmetrised over the two versions; -1 is perfect agreement."""
        first, second = (photometric(spatial(batch[0], TILE_VIEWS), TILE_VIEWS) for _ in range(2))
        agreement = self.criterion(self.online(first).float(), self.target(second).float())
        return cast(Tensor, 0.5 * (agreement + self.criterion(self.online(second).float(), self.target(first).float())))

    def after_step(self) -> None:
        """Moves the target by the exponential moving average; batch norm statistics it keeps of its own passes."""
        update_momentum(self.encoder, self.target_encoder, self.settings.momentum)
        update_momentum(self.projector, self.target_projector, self.settings.momentum)

    def validate(self) -> dict[str, float]:
        """The same loss on validation tiles, and the spread of the projections: near 0 means a collapsed network."""
        tiles = self.samplers[1].draw(2 * self.settings.batch_size, np.random.default_rng(0)).to(self.device)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            loss = self.loss((tiles,))
        directions = nn.functional.normalize(self.target(tiles).float(), dim=1)
        return {"validation_loss": float(loss), "spread": float(directions.std(dim=0).mean())}


def _pooled(encoder: Encoder, tiles: Tensor) -> Tensor:
    return encoder(tiles).mean(dim=(2, 3))  # type: ignore[no-any-return]
