"""Contrastive loss against values worked out by hand, and the phase on a tiny set."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training.data.images import part
from training.data.pairs import SAMPLERS
from training.encoders import Encoder
from training.heads import Projection
from training.loop import LoopSettings, fit
from training.methods.scp import PairSettings, SupervisedContrastive, contrastive_loss


def test_loss_is_that_of_equation_1() -> None:
    first = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.2, 0.9]])
    second = torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.2, 0.9]])
    same = torch.tensor([True, False, True])
    # D = 1, 0.5, 0: 1^2 + (sqrt(2) - 0.5)^2 + 0
    assert float(contrastive_loss(first, second, same)) == pytest.approx(1 + (math.sqrt(2) - 0.5) ** 2, abs=1e-5)


def test_opposite_corners_cost_nothing_when_different_and_two_when_same() -> None:
    corners = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    assert float(contrastive_loss(*corners, torch.tensor([False]))) == pytest.approx(0, abs=1e-6)
    assert float(contrastive_loss(*corners, torch.tensor([True]))) == pytest.approx(2, abs=1e-6)


def test_gradient_is_finite_where_projections_agree() -> None:
    point = torch.full((1, 2), 0.5, requires_grad=True)
    contrastive_loss(point, torch.full((1, 2), 0.5), torch.tensor([False])).backward()
    assert point.grad is not None
    assert torch.isfinite(point.grad).all()


def test_projection_starts_inside_the_unit_square() -> None:
    torch.manual_seed(0)
    points = Projection(8, (8, 6), grid=2, hidden=4)(torch.rand(5, 8, 8, 6) * 4)
    assert points.shape == (5, 2)
    assert ((points > 0.2) & (points < 0.8)).all()


@pytest.mark.parametrize("sampler", ["patient", "random"])
def test_phase_separates_a_separable_set(
    sampler: str, tiny_cache: Path, tiny_encoder: Callable[[], Encoder], tmp_path: Path
) -> None:
    parts = part(tiny_cache, "train", paired=False), part(tiny_cache, "validation", paired=False)
    torch.manual_seed(0)
    method = SupervisedContrastive(
        tiny_encoder(), Projection(8, (8, 6), 1, 8), parts, PairSettings(SAMPLERS[sampler], 12, 240)
    )
    fit(method, LoopSettings(epochs=12, learning_rate=1e-2), tmp_path)
    method.eval()
    with torch.inference_mode():
        assert method.validate()["pair_accuracy"] > 0.9
