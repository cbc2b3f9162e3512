"""SF trains the head alone; features are those of the encoder."""

from collections.abc import Callable
from pathlib import Path

import torch

from training.data.images import part
from training.encoders import Encoder
from training.heads import DualViewHead, SingleViewHead, normal_logit
from training.loop import LoopSettings, fit
from training.methods.sf import CachedFeatures, FeatureClassifier, encode


def test_encoder_stays_the_same_to_the_byte(
    tiny_cache: Path, tiny_encoder: Callable[[], Encoder], tmp_path: Path
) -> None:
    encoder = tiny_encoder()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    parts = [part(tiny_cache, name, paired=True) for name in ("train", "validation")]
    cached = [
        CachedFeatures((encode(encoder, one, "dual_view"), encode(encoder, one, "moving")), one.labels) for one in parts
    ]
    head = DualViewHead(8, (8, 6), 1, 8)
    start = head.block.full.weight.detach().clone()
    method = FeatureClassifier(head, (cached[0], cached[1]), 16)
    fit(method, LoopSettings(epochs=20, learning_rate=1e-2), tmp_path)
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
    assert not torch.equal(start, head.block.full.weight)
    with torch.inference_mode():
        assert method.validate()["auc"] > 0.9


def test_cached_features_are_what_the_encoder_gives(tiny_cache: Path, tiny_encoder: Callable[[], Encoder]) -> None:
    encoder, images = tiny_encoder(), part(tiny_cache, "validation", paired=True)
    cached = encode(encoder, images, "moving")
    numbers = torch.tensor([3, 7]).numpy()
    with torch.inference_mode():
        assert torch.allclose(cached[numbers], encoder(images.images("moving", numbers)), atol=1e-6)


def test_logit_of_normal_rises_with_the_normal_output() -> None:
    assert normal_logit(torch.tensor([[1.0, 3.0], [2.0, -1.0]])).tolist() == [2.0, -3.0]


def test_heads_take_grids_that_do_not_divide() -> None:
    assert SingleViewHead(4, (16, 13), 2, 3)(torch.rand(2, 4, 16, 13)).shape == (2, 2)
    assert SingleViewHead(4, (16, 13), 5, 3)(torch.rand(2, 4, 16, 13)).shape == (2, 2)
