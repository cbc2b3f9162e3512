"""Three small ONNX graphs with the real inputs and outputs, for what trained models cannot be made to do."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from triage.core.strata import Stratum
from triage.core.study import PREPROCESSING_VERSION
from triage.decide import ood, shipped
from triage.infer import bundle as bundles
from triage.prepare.statistics import NAMES

FLOAT = TensorProto.FLOAT


def _save(path: Path, nodes: list[onnx.NodeProto], inputs: list, outputs: list, constants: list = ()) -> None:  # type: ignore[type-arg, assignment]
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


THRESHOLD = 16.0


def make_bundle(folder: Path, factor: float = 1.0, strata: Sequence[Stratum] = (), oddest: float = 1e9) -> Path:
    """Dual-view logit = factor * (mean(main) - mean(contralateral)); whole-image logit = factor * mean(image).

    A factor of NaN makes a model that returns no number; `oddest` is the distance from which on images are refused.
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
    (folder / bundles.OOD).write_bytes(ood.to_bytes(_check(oddest)))
    _describe(folder, strata)
    return folder


def _describe(folder: Path, strata: Sequence[Stratum]) -> None:
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
    sha256 = bundles.load(str(folder)).sha256
    content = {
        "created": "2026-01-01T00:00:00+00:00",
        "expires": "2099-01-01T00:00:00+00:00",
        "dataset": "none",
        "demonstration": True,
        "bounds": {"image": [0.0, 100.0], "exam_min": [0.0, 100.0]},
        "pooled": {"image": THRESHOLD, "exam_min": THRESHOLD},
        "calibrations": [_version(stratum) for stratum in strata],
    }
    shipped.write(folder / bundles.CALIBRATIONS, content, sha256)


def _version(stratum: Stratum) -> dict[str, Any]:
    key = {name: value for name, value in asdict(stratum).items() if name not in ("bundle_sha256", "preprocessing")}
    rates = {"exam_flag_rate": {"value": 0.2, "k": 20, "n": 100}}
    report = {"kinds": {"image": {"calibration": rates, "evaluation": None}}}
    return {
        "stratum": key,
        "kind": "image",
        "threshold": THRESHOLD,
        "image_threshold": THRESHOLD,
        "limited_by_safety": False,
        "protocol": {},
        "report": report,
    }


def _check(oddest: float) -> ood.OutOfDistribution:
    """Everything within `oddest` of nought passes."""

    def metric(width: int) -> ood.Metric:
        return ood.Metric(np.zeros(width), np.ones(width), np.zeros((1, 2, width)), np.eye(width))

    keys = ("some device", ood.POOLED)
    return ood.OutOfDistribution(
        keys[:1], metric(1), metric(len(NAMES)), dict.fromkeys(keys, (1.0, 1.0)), dict.fromkeys(keys, oddest)
    )
