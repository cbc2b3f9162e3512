"""BYOL: the target gets no gradient and follows by the moving average."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training.data.images import part
from training.encoders import Encoder
from training.loop import LoopSettings, fit
from training.methods.byol import Byol, TileSettings


@pytest.fixture
def byol(tiny_cache: Path, tiny_encoder: Callable[[], Encoder]) -> Byol:
    parts = part(tiny_cache, "train", paired=False), part(tiny_cache, "validation", paired=False)
    return Byol(tiny_encoder(), parts, TileSettings(16, 8, 32, 0.99, 8, 16))


def target_parameters(byol: Byol) -> list[torch.nn.Parameter]:
    return [*byol.target_encoder.parameters(), *byol.target_projector.parameters()]


def test_no_gradient_reaches_the_target(byol: Byol) -> None:
    byol.loss((torch.rand(8, 1, 16, 16),)).backward()
    assert all(parameter.grad is None for parameter in target_parameters(byol))
    assert all(parameter.grad is not None for parameter in byol.encoder.parameters())
    assert not byol.target(torch.rand(8, 1, 16, 16)).requires_grad


def test_target_moves_by_one_hundredth(byol: Byol) -> None:
    before = [parameter.detach().clone() for parameter in target_parameters(byol)]
    online = [*byol.encoder.parameters(), *byol.projector.parameters()]
    with torch.no_grad():
        for parameter in online:
            parameter.add_(1.0)
    byol.after_step()
    for old, new, follows in zip(before, target_parameters(byol), online, strict=True):
        assert torch.allclose(new, 0.99 * old + 0.01 * follows, atol=1e-6)


def test_loss_is_symmetric_cosine_distance(byol: Byol) -> None:
    byol.eval()
    with torch.inference_mode():
        assert -1.0 <= float(byol.loss((torch.rand(8, 1, 16, 16),))) <= 1.0


def test_training_lowers_the_loss_without_collapse(byol: Byol, tmp_path: Path) -> None:
    byol.eval()
    with torch.inference_mode():
        before = byol.validate()["validation_loss"]
    fit(byol, LoopSettings(epochs=8, learning_rate=3e-3), tmp_path)
    byol.eval()
    with torch.inference_mode():
        after = byol.validate()
    assert after["validation_loss"] < before
    assert after["spread"] > 0.01
