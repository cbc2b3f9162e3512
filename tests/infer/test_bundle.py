"""A bundle loads only as it was made."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import make_bundle

from triage.core.errors import BundleError, ConfigurationError
from triage.core.study import DUAL_VIEW_SHAPE, WHOLE_IMAGE_SHAPE
from triage.infer import bundle as bundles
from triage.infer.engine import Engine
from triage.infer.runtime import Model, installed_runtime


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "tiny")


@pytest.mark.parametrize("name", [*bundles.REQUIRED_FILES])
def test_one_changed_byte_keeps_it_from_loading(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}: was changed"):
        bundles.load(str(folder))


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "encoder.onnx").unlink()
    with pytest.raises(BundleError, match=r"encoder\.onnx: is in the manifest but not in the bundle"):
        bundles.load(str(folder))


def test_a_manifest_that_omits_a_model_or_reaches_outside_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = manifest["files"].pop("dual_head.onnx")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"does not list dual_head\.onnx"):
        bundles.load(str(folder))
    (folder.parent / "outside.onnx").write_bytes((folder / "dual_head.onnx").read_bytes())
    manifest["files"] |= {"dual_head.onnx": entry, "../outside.onnx": entry}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="outside"):
        bundles.load(str(folder))


def test_a_bundle_of_other_preprocessing_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["preprocessing"]["version"] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="preprocessing 2"):
        bundles.load(str(folder))


def test_a_bundle_is_found_in_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(folder.parent / "prefix"))
    (folder.parent / "prefix" / "models").mkdir(parents=True)
    folder.rename(folder.parent / "prefix" / "models" / "mine")
    assert bundles.load("mine").manifest.name == "tiny"


def test_an_unknown_bundle_says_where_it_was_looked_for() -> None:
    with pytest.raises(BundleError, match="models/nowhere"):
        bundles.load("nowhere")


def test_each_input_reaches_the_logit(folder: Path) -> None:
    engine = Engine(bundles.load(str(folder)), "cpu", 1)
    dark, bright = (np.full(DUAL_VIEW_SHAPE, value, np.uint16) for value in (0, 65535))
    (one, of_bright), (other, of_dark) = (*engine.dual_view([bright], [dark]), *engine.dual_view([dark], [bright]))
    assert (one, other) == pytest.approx((1.0, -1.0))
    assert (of_bright.tolist(), of_dark.tolist()) == ([1.0], [0.0]), "the embedding is that of the main image"
    [(logit, attention)] = engine.whole_image([np.full(WHOLE_IMAGE_SHAPE, 65535, np.uint16)])
    assert logit == pytest.approx(1.0)
    assert attention.shape == (36, 28)
    assert engine.fuse(0.25, 0.5) == 0.75


def test_a_demanded_gpu_must_be_there(folder: Path) -> None:
    assert installed_runtime() == "onnxruntime"
    with pytest.raises(ConfigurationError, match="gpu"):
        Model(folder / "encoder.onnx", "gpu", 1)


def test_a_file_that_is_no_model_is_named(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"card\.md"):
        Model(folder / "card.md", "cpu", 1)


def test_wrong_inputs_are_refused(folder: Path) -> None:
    with pytest.raises(BundleError, match="expects inputs"):
        Model(folder / "encoder.onnx", "cpu", 1)(picture=np.zeros((1, 1, 1008, 800), np.float32))
