"""Pooling and whole-image stages."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from training.augment import Augmentation, photometric, spatial
from training.data.images import part
from training.encoders import Encoder
from training.loop import LoopSettings, fit
from training.methods.mip import BagClassifier, WholeImage, WholeImageSettings, cached_bags
from training.methods.sf import FeatureClassifier
from training.pooling import GlobalAveragePooling, MultipleInstancePooling, breast_cells


def test_attention_is_that_of_equation_2() -> None:
    torch.manual_seed(0)
    pooling = MultipleInstancePooling(3, width=5)
    features = torch.randn(1, 3, 2, 2)
    embedding, attention = pooling(features, torch.ones(1, 2, 2, dtype=torch.bool))
    bag = features[0].flatten(1).T
    energies = torch.stack([pooling.w(torch.tanh(pooling.v(h)) * torch.sigmoid(pooling.u(h)))[0] for h in bag])
    weights = energies.exp() / energies.exp().sum()
    assert torch.allclose(attention.flatten(), weights, atol=1e-6)
    assert torch.allclose(embedding[0], weights @ bag, atol=1e-6)


@pytest.mark.parametrize("pooling", [MultipleInstancePooling(3, 5), GlobalAveragePooling()])
def test_background_has_no_say(pooling: torch.nn.Module) -> None:
    image = torch.zeros(1, 1, 8, 8)
    image[..., :4] = 0.5
    cells = breast_cells(image, (4, 4))
    assert cells[0].tolist() == [[True, True, False, False]] * 4
    features = torch.randn(1, 3, 4, 4)
    embedding, attention = pooling(features, cells)
    changed = features.clone()
    changed[..., 2:] += 100
    assert torch.equal(pooling(changed, cells)[0], embedding)
    assert attention.sum().item() == pytest.approx(1)
    assert attention[..., 2:].sum().item() == 0


def test_an_image_without_breast_keeps_all_cells() -> None:
    assert breast_cells(torch.zeros(2, 1, 8, 8), (2, 2)).all()


def test_linear_evaluation_then_fine_tuning(
    tiny_cache: Path, tiny_encoder: Callable[[], Encoder], tmp_path: Path
) -> None:
    parts = part(tiny_cache, "train", paired=False), part(tiny_cache, "validation", paired=False)
    encoder, bag = tiny_encoder(), BagClassifier(8)
    with torch.no_grad():
        encoder.second.weight.mul_(30)  # features of a scale that a trained encoder has
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    linear = FeatureClassifier(bag, (cached_bags(encoder, parts[0]), cached_bags(encoder, parts[1])), 16)
    fit(linear, LoopSettings(epochs=20, learning_rate=1e-2), tmp_path / "linear")
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
    with torch.inference_mode():
        assert linear.validate()["auc"] > 0.8
    tuned = WholeImage(encoder, bag, parts, WholeImageSettings(8, 32))
    fit(tuned, LoopSettings(epochs=2, learning_rate=1e-3), tmp_path / "tuned")
    assert not torch.equal(before["first.weight"], encoder.state_dict()["first.weight"])


def test_transforms_keep_background_and_range() -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 1, 32, 24)
    images[..., 16:] = 0
    strength = Augmentation((0.8, 1.2), 25.0, True, 0.4, 0.4, 0.2)
    changed = photometric(images, strength)
    assert (changed[..., 16:] == 0).all()
    assert ((changed >= 0) & (changed <= 1)).all()
    assert spatial(images, strength).shape == images.shape


def test_no_transform_is_the_identity() -> None:
    images = torch.rand(3, 1, 32, 24)
    assert torch.allclose(spatial(images, Augmentation()), images, atol=1e-5)
    assert torch.equal(photometric(images, Augmentation()), images)


def test_rotation_keeps_shapes_on_oblong_images() -> None:
    image = torch.zeros(1, 1, 65, 33)
    image[0, 0, 22:43, 6:27] = 1.0
    torch.manual_seed(4)
    turned = spatial(image, Augmentation(rotation=25.0))
    assert float(turned.sum()) == pytest.approx(float(image.sum()), rel=0.05)
