"""Transforms of a batch on its single channel, drawn from torch's generator: crop, rotation, flips, gamma, contrast."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """Strengths; 0 (or a scale of 1 to 1) switches a transform off."""

    scale: tuple[float, float] = (1.0, 1.0)
    """Share of the image's sides that a random crop keeps; above 1 the image shrinks and zeros surround it."""
    rotation: float = 0.0
    """Largest angle in degrees, either way."""
    flips: bool = False
    gamma: float = 0.0
    """Largest |log2| of the exponent."""
    contrast: float = 0.0
    """Largest relative change of the distance to the image's mean."""
    brightness: float = 0.0
    """Largest relative change."""


def _uniform(n: int, low: float, high: float, like: Tensor) -> Tensor:
    # Drawn on the CPU: one generator to checkpoint, and the same transforms on every device.
    return (torch.rand(n) * (high - low) + low).to(like.device)


def spatial(images: Tensor, strength: Augmentation) -> Tensor:
    """Crop with resize to the same size, rotation and flips of (N, 1, rows, columns), in one bilinear pass."""
    n, _, rows, columns = images.shape
    scale = _uniform(n, *strength.scale, images)
    angle = _uniform(n, -strength.rotation, strength.rotation, images) * (math.pi / 180)
    mirror_x, mirror_y = (
        torch.where(_uniform(n, 0, 1, images) < 0.5, -1.0, 1.0) if strength.flips else torch.ones(n).to(images.device)
        for _ in range(2)
    )
    room = (1 - scale).clamp(min=0)
    shift_x, shift_y = (room * _uniform(n, -1, 1, images) for _ in range(2))
    cos, sin, aspect = torch.cos(angle) * scale, torch.sin(angle) * scale, rows / columns
    theta = torch.stack(
        [
            torch.stack([cos * mirror_x, -sin * aspect * mirror_y, shift_x], dim=1),
            torch.stack([sin / aspect * mirror_x, cos * mirror_y, shift_y], dim=1),
        ],
        dim=1,
    )
    with torch.autocast(images.device.type, enabled=False):
        grid = functional.affine_grid(theta.float(), list(images.shape), align_corners=False)
        return functional.grid_sample(images.float(), grid, align_corners=False)


def photometric(images: Tensor, strength: Augmentation) -> Tensor:
    """Gamma, contrast and brightness of (N, 1, rows, columns) in 0..1; background stays exactly 0."""
    n = images.shape[0]
    breast = images > 0
    changed = images
    if strength.gamma:
        changed = changed.clamp(min=1e-6) ** (2 ** _uniform(n, -strength.gamma, strength.gamma, images)).view(
            n, 1, 1, 1
        )
    if strength.contrast:
        factor = 1 + _uniform(n, -strength.contrast, strength.contrast, images).view(n, 1, 1, 1)
        mean = changed.sum(dim=(2, 3), keepdim=True) / breast.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        changed = (changed - mean) * factor + mean
    if strength.brightness:
        changed = changed * (1 + _uniform(n, -strength.brightness, strength.brightness, images).view(n, 1, 1, 1))
    return torch.where(breast, changed.clamp(0, 1), torch.zeros_like(changed))
