"""Encoders by name: an image batch (N, 1, rows, columns) in, a feature map (N, channels, rows/s, columns/s) out.

`resnet22` is our own reading of the small residual network of Wu et al. 2019 (IEEE TMI 39(4)): pre-activation blocks
(He et al. 2016) and few channels at high resolution, 2.3 GMAC for 1008 x 800. Any other name is timm's.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

RESNET22_CHANNELS = (16, 32, 64, 128, 256)
RESNET22_STRIDES = (1, 2, 2, 2, 2)


class Encoder(nn.Module):
    """What every encoder is: a module that knows how many feature channels it gives."""

    channels: int


class PreActivationBlock(nn.Module):
    """Two 3 x 3 convolutions, each after batch norm and ReLU, beside a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        same = stride == 1 and channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, h, w) -> (N, channels_out, h/stride, w/stride)."""
        y = self.conv1(functional.relu(self.norm1(x)))
        y = self.conv2(functional.relu(self.norm2(y)))
        return cast(Tensor, y + self.shortcut(x))


class ResNet22(Encoder):
    """Stem of 16 channels, then five stages of two blocks; total stride 64 (1008 x 800 -> 16 x 13)."""

    def __init__(self, in_chans: int = 1) -> None:
        super().__init__()
        width = RESNET22_CHANNELS[0]
        self.stem = nn.Conv2d(in_chans, width, 7, 2, 3, bias=False)
        self.pool = nn.MaxPool2d(3, 2)
        stages: list[nn.Module] = []
        for channels, stride in zip(RESNET22_CHANNELS, RESNET22_STRIDES, strict=True):
            stages += [PreActivationBlock(width, channels, stride), PreActivationBlock(channels, channels, 1)]
            width = channels
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(width)
        self.channels = width
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        """(N, 1, rows, columns) -> (N, 256, rows/64, columns/64)."""
        return functional.relu(self.norm(self.stages(self.pool(self.stem(image)))))


class TimmEncoder(Encoder):
    """The convolutional trunk of a timm model, without pooling or classifier."""

    def __init__(self, name: str, in_chans: int) -> None:
        super().__init__()
        from training import torchvision_shim  # noqa: F401 - timm needs torchvision

        import timm  # isort: skip

        self.trunk = timm.create_model(name, pretrained=False, in_chans=in_chans, num_classes=0, global_pool="")
        self.channels = int(self.trunk.num_features)

    def forward(self, image: Tensor) -> Tensor:
        """(N, in_chans, rows, columns) -> (N, channels, h, w)."""
        return cast(Tensor, self.trunk.forward_features(image))


def encoder(name: str, in_chans: int = 1) -> Encoder:
    """The encoder of that name, randomly initialised: `resnet22`, or a convolutional model of timm."""
    made: Encoder = ResNet22(in_chans) if name == "resnet22" else TimmEncoder(name, in_chans)
    # 1.6 times as fast as rows of channels on a CPU. torch's stubs do not know this argument of modules.
    made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made


def feature_shape(module: Encoder, rows: int, columns: int) -> tuple[int, int, int]:
    """Channels, rows and columns of the features of one image, found by running it once."""
    training = module.training
    module.eval()
    with torch.inference_mode():
        shape = module(torch.zeros(1, 1, rows, columns)).shape
    module.train(training)
    return int(shape[1]), int(shape[2]), int(shape[3])
