"""The models of one bundle, warm and ready: dual-view logits of pairs, whole-image logits and attention of views.

Each image is encoded once; the dual-view head then combines the features of an image and of its registered counterpart.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from triage.core.study import DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE, Float32Image, UInt16Image, model_input
from triage.infer.bundle import Bundle
from triage.infer.runtime import FloatArray, Model

GPU_BATCH = 8
"""Images a pass on a GPU: a four-view exam and its registered counterparts. On a CPU batching buys nothing."""


class Engine:
    """Loads the three models of a bundle and warms them up.

    Raises:
        BundleError: a model cannot be loaded. ConfigurationError: the device asked for is not really in use.
    """

    def __init__(self, bundle: Bundle, device: Literal["auto", "cpu", "gpu"] = "auto", threads: int = 1) -> None:
        self.bundle = bundle
        self._encoder = Model(bundle.file("encoder.onnx"), device, threads)
        # The head is tiny: one thread spares the hand-over.
        self._dual_head = Model(bundle.file("dual_head.onnx"), device, 1)
        self._whole_image = Model(bundle.file("whole_image.onnx"), device, threads)
        self.device = self._encoder.device
        self._batch = GPU_BATCH if self.device == "gpu" else 1
        self._warm_up()

    def _warm_up(self) -> None:
        blank = np.zeros(DUAL_VIEW_SHAPE, np.uint16)
        self.dual_view([blank] * self._batch, [blank] * self._batch)
        self.whole_image([np.zeros(WHOLE_IMAGE_SHAPE, np.uint16)])

    def dual_view(
        self, main: Sequence[UInt16Image], contralateral: Sequence[UInt16Image]
    ) -> list[tuple[float, FloatArray]]:
        """Logit of each main image beside its registered contralateral view, and the main image's embedding.

        All images on DUAL_VIEW_SHAPE. The embedding is the mean of the encoder's features over the image, shape
        (channels,): what the out-of-distribution check looks at.
        """
        if not main:
            return []
        features = self._encode([*main, *contralateral])
        half = len(main)
        logits = self._dual_head(main=features[:half], contralateral=features[half:])["logit"]
        embeddings = features[:half].mean(axis=(2, 3))
        return [(float(logit), embedding) for logit, embedding in zip(logits, embeddings, strict=True)]

    def _encode(self, images: Sequence[UInt16Image]) -> FloatArray:
        return np.concatenate([self._encoder(image=batch)["features"] for batch in self._batches(images)])

    def _batches(self, images: Sequence[UInt16Image]) -> Iterator[FloatArray]:
        for start in range(0, len(images), self._batch):
            yield np.concatenate([model_input(image) for image in images[start : start + self._batch]])

    def whole_image(self, images: Sequence[UInt16Image]) -> list[tuple[float, Float32Image]]:
        """Logit and attention map (cells over WHOLE_IMAGE_SHAPE, summing to 1) of each image."""
        results: list[tuple[float, Float32Image]] = []
        for batch in self._batches(images):
            output = self._whole_image(image=batch)
            results += [
                (float(logit), attention) for logit, attention in zip(output["logit"], output["attention"], strict=True)
            ]
        return results

    def fuse(self, dual_view: float, whole_image: float) -> float:
        """The bundle's fused logit."""
        fusion = self.bundle.manifest.fusion
        return fusion.dual_view * dual_view + fusion.whole_image * whole_image + fusion.intercept
