"""Export: parity, every input counts, one file each."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.encoders import Encoder
from training.export import Graph, export, graphs
from training.heads import DualViewHead
from training.methods.mip import BagClassifier
from triage.core.errors import TriageError

SHAPES = ((64, 48), (64, 64))


def test_three_files_agree_with_torch(tiny_encoder: Callable[[], Encoder], tmp_path: Path) -> None:
    torch.manual_seed(1)
    head = DualViewHead(8, (8, 6), 2, 8)
    nn.init.normal_(head.block.full.weight)
    made = graphs((tiny_encoder(), head), (tiny_encoder(), BagClassifier(8)), SHAPES)
    assert list(made) == ["encoder.onnx", "dual_head.onnx", "whole_image.onnx"]
    for name, graph in made.items():
        assert export(graph, tmp_path / name) <= 1e-3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(made)


class IgnoresMain(nn.Module):
    """Like a merged export: only the contralateral view reaches the result."""

    def forward(self, main: Tensor, contralateral: Tensor) -> Tensor:
        return contralateral.sum(dim=(1, 2, 3)) + torch.zeros_like(main).sum(dim=(1, 2, 3))


def test_an_ignored_input_is_found(tmp_path: Path) -> None:
    features = (8, 8, 6)
    graph = Graph(IgnoresMain(), {"main": features, "contralateral": features}, ("logit",))
    with pytest.raises(TriageError, match="input main"):
        export(graph, tmp_path / "head.onnx")


class Drifts(nn.Module):
    """Behaves differently in torch after the export."""

    offset = 0.0

    def forward(self, image: Tensor) -> Tensor:
        return image.sum(dim=(1, 2, 3)) + self.offset


def test_a_file_that_differs_from_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = Drifts()
    real = torch.onnx.export

    def then_drift(*args: object, **kwargs: object) -> object:
        program = real(*args, **kwargs)  # type: ignore[arg-type]
        module.offset = 0.5
        return program

    monkeypatch.setattr(torch.onnx, "export", then_drift)
    with pytest.raises(TriageError, match="differs from torch"):
        export(Graph(module, {"image": (1, 8, 8)}, ("logit",)), tmp_path / "x.onnx")
