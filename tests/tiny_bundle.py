"""Three small ONNX graphs with the real inputs and outputs, for what trained models cannot be made to do."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from triage.core.study import PREPROCESSING_VERSION
from triage.decide.operating_point import CalibrationSet, calibrate, write_record
from triage.infer import bundle as bundles

FLOAT = TensorProto.FLOAT


def _save(path: Path, nodes: list[onnx.NodeProto], inputs: list, outputs: list, constants: list = ()) -> None:  # type: ignore[type-arg, assignment]
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def make_bundle(folder: Path, factor: float = 1.0, devices: tuple[tuple[str, str], ...] = ()) -> Path:
    """Dual-view logit = factor * (mean(main) - mean(contralateral)); whole-image logit = factor * mean(image).

    A factor of NaN makes a model that returns no number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    value = helper.make_tensor_value_info
    scale = helper.make_tensor("factor", FLOAT, [], [factor])
    axes = helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3])
    mean = helper.make_node("ReduceMean", ["image", "axes"], ["features"], keepdims=1)
    image = value("image", FLOAT, ["n", 1, 1008, 800])
    _save(folder / "encoder.onnx", [mean], [image], [value("features", FLOAT, ["n", 1, 1, 1])], [axes])
    head = [
        helper.make_node("Sub", ["main", "contralateral"], ["difference"]),
        helper.make_node("Mul", ["difference", "factor"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled", "axes"], ["logit"], keepdims=0),
    ]
    features = [value(name, FLOAT, ["n", 1, 1, 1]) for name in ("main", "contralateral")]
    _save(folder / "dual_head.onnx", head, features, [value("logit", FLOAT, ["n"])], [axes, scale])
    whole = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "factor"], ["logit"]),
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Squeeze", ["pooled", "channel"], ["attention"]),
    ]
    channel = helper.make_tensor("channel", TensorProto.INT64, [1], [1])
    image = value("image", FLOAT, ["n", 1, 1152, 896])
    outputs = [value("logit", FLOAT, ["n"]), value("attention", FLOAT, ["n", 36, 28])]
    _save(folder / "whole_image.onnx", whole, [image], outputs, [axes, scale, channel])
    (folder / "card.md").write_text("A bundle for tests.\n")
    _describe(folder, devices)
    return folder


def _describe(folder: Path, devices: tuple[tuple[str, str], ...]) -> None:
    files = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name in bundles.REQUIRED_FILES
        for content in [(folder / name).read_bytes()]
    }
    manifest = {
        "schema": 1,
        "name": folder.name,
        "version": "0",
        "created": "2026-01-01T00:00:00Z",
        "licence": "Apache-2.0",
        "demonstration": True,
        "files": files,
        "inputs": {"encoder.onnx": {"image": ["n", 1, 1008, 800]}},
        "opset": 20,
        "fusion": {"dual_view": 1.0, "whole_image": 1.0, "intercept": 0.0},
        "preprocessing": {"version": PREPROCESSING_VERSION},
        "training_data": {},
        "metrics": {},
        "parity": {},
    }
    (folder / bundles.MANIFEST).write_text(json.dumps(manifest))
    scores = CalibrationSet(np.arange(20.0), np.ones(20, np.int64), np.array([f"p{i}" for i in range(20)]))
    sha256 = bundles.load(str(folder)).sha256
    record = calibrate(
        scores,
        bundle_sha256=sha256,
        dataset="none",
        devices=devices,
        created="2026-01-01T00:00:00Z",
        demonstration=True,
    )
    write_record(record, folder / bundles.OPERATING_POINT)
