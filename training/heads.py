"""Heads of SCP+SF (Cao et al. 2025, "The SCP+SF framework"): feature maps in, unit-square points or logits out.

All are max-pool, 1 x 1 convolution, flatten, fully connected to 2. The paper leaves the size of the pooling open; here
it is the grid that remains, so that a small data set can ask for a coarse one (fewer weights tied to a position).
Class 0 is abnormal, class 1 is normal; a head's `logit` is logit(normal) - logit(abnormal).
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

ABNORMAL, NORMAL = 0, 1


class _Block(nn.Module):
    """Max-pool to about grid x grid cells, 1 x 1 convolution, ReLU, flatten, fully connected to 2."""

    def __init__(self, channels: int, feature_grid: tuple[int, int], grid: int, hidden: int) -> None:
        super().__init__()
        # A fixed kernel, not adaptive pooling: ONNX has no adaptive max-pool.
        kernel = (math.ceil(feature_grid[0] / grid), math.ceil(feature_grid[1] / grid))
        cells = math.ceil(feature_grid[0] / kernel[0]) * math.ceil(feature_grid[1] / kernel[1])
        self.pool = nn.MaxPool2d(kernel, kernel, ceil_mode=True)
        self.mix = nn.Conv2d(channels, hidden, 1)
        self.full = nn.Linear(hidden * cells, 2)
        # Both outputs start at 0 (0.5 after a sigmoid, far from its flat ends) and move slowly.
        nn.init.normal_(self.full.weight, std=0.03)
        nn.init.zeros_(self.full.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, h, w) -> (N, 2), before any sigmoid."""
        mixed = functional.relu(self.mix(self.pool(features)))
        return cast(Tensor, self.full(torch.flatten(mixed, 1)))


class Projection(nn.Module):
    """P of the contrastive phase: features to a point of the unit square, whose far corners are sqrt(2) apart."""

    def __init__(self, channels: int, feature_grid: tuple[int, int], grid: int = 4, hidden: int = 32) -> None:
        super().__init__()
        self.block = _Block(channels, feature_grid, grid, hidden)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, h, w) -> (N, 2), each in 0..1."""
        return torch.sigmoid(self.block(features))


class SingleViewHead(nn.Module):
    """The same block with logits of abnormal and normal."""

    def __init__(self, channels: int, feature_grid: tuple[int, int], grid: int = 4, hidden: int = 32) -> None:
        super().__init__()
        self.block = _Block(channels, feature_grid, grid, hidden)

    def forward(self, main: Tensor) -> Tensor:
        """(N, channels, h, w) -> (N, 2) logits."""
        return cast(Tensor, self.block(main))


class DualViewHead(nn.Module):
    """Features of the main image and of the registered contralateral one, concatenated on the channels."""

    def __init__(self, channels: int, feature_grid: tuple[int, int], grid: int = 4, hidden: int = 32) -> None:
        super().__init__()
        self.block = _Block(2 * channels, feature_grid, grid, hidden)

    def forward(self, main: Tensor, contralateral: Tensor) -> Tensor:
        """Two maps (N, channels, h, w) -> (N, 2) logits; the label is the main image's."""
        return cast(Tensor, self.block(torch.cat([main, contralateral], dim=1)))


def normal_logit(logits: Tensor) -> Tensor:
    """(N, 2) logits -> (N,) logit(normal) - logit(abnormal): higher is more surely normal."""
    return logits[:, NORMAL] - logits[:, ABNORMAL]
