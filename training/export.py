"""Export: trained modules in, ONNX files out, each proven against torch on inputs that the export never saw.

`torch.export` merges inputs that are one tensor object: a two-view file made that way ignores its first input and still
passes the checker. Inputs are therefore distinct here, every input must have a consumer, and changing any input must
change the output.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from training.encoders import Encoder, feature_shape
from training.heads import DualViewHead, normal_logit
from training.methods.mip import BagClassifier
from training.pooling import breast_cells
from triage.core.errors import TriageError
from triage.core.study import DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE
from triage.infer.runtime import Model

OPSET = 20
"""The first with a native Gelu, which ConvNeXt needs."""
MAX_DIFFERENCE = 1e-3


class DualHeadGraph(nn.Module):
    """Features of both views to one logit of normal."""

    def __init__(self, head: DualViewHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, main: Tensor, contralateral: Tensor) -> Tensor:
        """Two (N, channels, h, w) -> (N,)."""
        return normal_logit(self.head(main, contralateral))


class WholeImageGraph(nn.Module):
    """Whole image to logit of normal and attention."""

    def __init__(self, encoder: Encoder, bag: BagClassifier) -> None:
        super().__init__()
        self.encoder, self.bag = encoder, bag

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, rows, columns) -> (N,), (N, h, w)."""
        features = self.encoder(image)
        logits, attention = self.bag.attend(features, breast_cells(image, (features.shape[2], features.shape[3])))
        return normal_logit(logits), attention


@dataclass(frozen=True)
class Graph:
    """One file to write: the module, and names and shapes (without the batch) of its inputs and outputs."""

    module: nn.Module
    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]


def graphs(
    dual: tuple[Encoder, DualViewHead],
    whole: tuple[Encoder, BagClassifier],
    shapes: tuple[tuple[int, int], tuple[int, int]] = (DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE),
) -> dict[str, Graph]:
    """The three files of a bundle; `shapes` of the dual-view and of the whole-image input."""
    features = feature_shape(dual[0], *shapes[0])
    return {
        "encoder.onnx": Graph(dual[0], {"image": (1, *shapes[0])}, ("features",)),
        "dual_head.onnx": Graph(DualHeadGraph(dual[1]), {"main": features, "contralateral": features}, ("logit",)),
        "whole_image.onnx": Graph(WholeImageGraph(*whole), {"image": (1, *shapes[1])}, ("logit", "attention")),
    }


def export(graph: Graph, path: Path) -> float:
    """Writes one file, proves it and returns the largest |torch - ONNX| over its outputs.

    Raises:
        TriageError: the file differs from torch, ignores an input, or is not self-contained.
    """
    graph.module.float().cpu().eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.onnx.export(
        graph.module,
        tuple(_inputs(graph, images=2, seed=1)),
        dynamo=True,
        opset_version=OPSET,
        input_names=list(graph.inputs),
        output_names=list(graph.outputs),
        dynamic_shapes=tuple({0: batch} for _ in graph.inputs),
        verbose=False,
    )
    if program is None:
        raise TriageError(f"{path.name}: torch exported nothing")
    program.save(str(path), external_data=False)
    _check_structure(graph, path)
    return _check_behaviour(graph, path)


def _inputs(graph: Graph, images: int, seed: int) -> list[Tensor]:
    """Distinct random tensors; their right quarter is 0, as the background of an image is."""
    generator = torch.Generator().manual_seed(seed)
    tensors = [torch.rand(images, *shape, generator=generator) for shape in graph.inputs.values()]
    for tensor in tensors:
        tensor[..., tensor.shape[-1] - tensor.shape[-1] // 4 :] = 0
    return tensors


def _check_structure(graph: Graph, path: Path) -> None:
    model = onnx.load(str(path), load_external_data=False)
    onnx.checker.check_model(model)
    if any(tensor.external_data for tensor in model.graph.initializer):
        raise TriageError(f"{path.name}: weights lie outside the file")
    consumed = {name for node in model.graph.node for name in node.input}
    unused = [name for name in graph.inputs if name not in consumed]
    if unused:
        raise TriageError(f"{path.name}: input {', '.join(unused)} has no consumer")


def _check_behaviour(graph: Graph, path: Path) -> float:
    session = Model(path, "cpu", threads=2)
    worst = 0.0
    for images, seed in ((1, 2), (3, 3)):
        inputs = _inputs(graph, images, seed)
        with torch.inference_mode():
            expected = _as_tuple(graph.module(*inputs))
        outputs = _run(session, graph, inputs)
        worst = max(worst, *(float(np.abs(a.numpy() - b).max()) for a, b in zip(expected, outputs, strict=True)))
    if not worst <= MAX_DIFFERENCE:
        raise TriageError(f"{path.name}: ONNX differs from torch by {worst:.2e}, more than {MAX_DIFFERENCE:.0e}")
    inputs = _inputs(graph, 1, 4)
    before = _run(session, graph, inputs)[0]
    for k, name in enumerate(graph.inputs):
        changed = [tensor if j != k else _inputs(graph, 1, 5)[k] for j, tensor in enumerate(inputs)]
        if np.array_equal(_run(session, graph, changed)[0], before):
            raise TriageError(f"{path.name}: input {name} does not change the output")
    return worst


def _run(session: Model, graph: Graph, inputs: Sequence[Tensor]) -> list[Any]:
    outputs = session(**{name: tensor.numpy() for name, tensor in zip(graph.inputs, inputs, strict=True)})
    return [outputs[name] for name in graph.outputs]


def _as_tuple(output: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (output,) if isinstance(output, Tensor) else output
