"""From the grid of patch embeddings of a whole image to one embedding (Miller et al., section on pooling).

Background positions - cells whose whole patch is exactly 0, which is what `prepare` writes outside the breast - are
left out of both poolings: an image must not score by how much air surrounds the breast. An image without any breast
keeps all its cells.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

ATTENTION_WIDTH = 512
"""n of eq. 2."""


def breast_cells(image: Tensor, grid: tuple[int, int]) -> Tensor:
    """(N, 1, rows, columns) -> (N, h, w), True where a cell of the feature grid holds breast."""
    kernel = (-(-image.shape[2] // grid[0]), -(-image.shape[3] // grid[1]))
    covered = functional.max_pool2d(image, kernel, kernel, ceil_mode=True)[:, 0] > 0
    nothing = ~torch.flatten(covered, 1).any(dim=1)
    return covered | nothing[:, None, None]


class GlobalAveragePooling(nn.Module):
    """Mean embedding of the breast (eq. 1); the attention it reports is uniform over the breast."""

    def forward(self, features: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """(N, m, h, w) and (N, h, w) -> (N, m) and weights (N, h, w) that sum to 1."""
        weights = cells.to(features.dtype)
        weights = weights / weights.sum(dim=(1, 2), keepdim=True)
        return _weighted(features, weights), weights


class MultipleInstancePooling(nn.Module):
    """Gated attention (eq. 2 and 3; Ilse et al. 2018): a_k = softmax_k(w . (tanh(V h_k) * sigm(U h_k)))."""

    def __init__(self, channels: int, width: int = ATTENTION_WIDTH) -> None:
        super().__init__()
        self.v = nn.Linear(channels, width)
        self.u = nn.Linear(channels, width)
        self.w = nn.Linear(width, 1)

    def forward(self, features: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """(N, m, h, w) and (N, h, w) -> embedding (N, m) and attention (N, h, w) that sums to 1."""
        bag = features.flatten(2).transpose(1, 2)
        energy = self.w(torch.tanh(self.v(bag)) * torch.sigmoid(self.u(bag)))[..., 0]
        # A large finite number, not -inf: the same softmax in every runtime.
        energy = torch.where(cells.flatten(1), energy, torch.full_like(energy, -1e4))
        attention = torch.softmax(energy, dim=1).reshape(cells.shape)
        return _weighted(features, attention), attention


def _weighted(features: Tensor, weights: Tensor) -> Tensor:
    return (features * weights[:, None]).sum(dim=(2, 3))
