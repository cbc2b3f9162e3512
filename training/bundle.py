"""Bundle: the trained systems of a run in, `models/NAME` out - ONNX files, manifest, card and operating point.

The order matters: the manifest names every file by its SHA-256, the operating point names the manifest by its own, so
scoring happens on the finished graphs and the operating point is written last, beside the manifest.
"""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from training.card import write_card
from training.data.images import part
from training.data.manifest import ImageRow, Manifest, of_split
from training.evaluate.blind import ImageScore, labelled, result, score
from training.evaluate.systems import stage_scores, trained_dual, trained_whole
from training.export import OPSET, export, graphs
from training.heads import DualViewHead
from training.recipe import Recipe
from triage.core.errors import TriageError
from triage.core.study import DUAL_VIEW_SHAPE, PREPROCESSING_VERSION, WHOLE_IMAGE_SHAPE
from triage.decide.operating_point import CalibrationRecord, CalibrationSet, calibrate, write_record
from triage.infer.bundle import MANIFEST, OPERATING_POINT, load
from triage.infer.engine import Engine

LICENCE = "Apache-2.0"
CARD = "card.md"
PARTS = ("train", "validation", "calibration", "test")


@dataclass(frozen=True)
class Sources:
    """Where everything comes from: a recipe, its cache and run, and the split manifest."""

    recipe: Recipe
    cache: Path
    run: Path
    manifest: Manifest
    data_name: str
    """What the card and the calibration record call the data."""
    demonstration: bool = True

    def rows(self, split: str) -> Manifest:
        """One part of the manifest."""
        return of_split(self.manifest, split)


def build(sources: Sources, out: Path, version: str, threads: int = 2) -> dict[str, Any]:
    """Exports, fits the fusion on validation, calibrates, measures on the test part and writes everything."""
    out.mkdir(parents=True, exist_ok=True)
    (out / OPERATING_POINT).unlink(missing_ok=True)
    parity = export_models(sources.recipe, sources.run, out)
    body = _body(sources, out.name, version, parity)
    with tempfile.TemporaryDirectory() as folder:
        # A preliminary manifest: scoring needs a bundle, and the final manifest holds what scoring finds.
        draft = Path(folder)
        for file in parity:
            (draft / file).symlink_to((out / file).resolve())
        write_card(draft / CARD, body)
        _write_manifest(draft, body)
        engine = Engine(load(str(draft)), "auto", threads)
        calibration, calibration_scores = _scored(sources, "calibration", engine)
        test, test_scores = _scored(sources, "test", engine)
    threshold = _calibrate(sources, calibration, calibration_scores, "", body["created"]).threshold
    measured = result(test, test_scores, threshold)
    body["metrics"] = {"part": "test"} | measured["metrics"]
    write_card(out / CARD, body)
    sha256 = _write_manifest(out, body)
    write_record(_calibrate(sources, calibration, calibration_scores, sha256, body["created"]), out / OPERATING_POINT)
    load(str(out))
    return measured


def export_models(recipe: Recipe, run: Path, out: Path) -> dict[str, float]:
    """Writes the three ONNX files of a run; returns the largest difference from torch of each."""
    dual = trained_dual(recipe, run, recipe.systems.dual_view)
    whole = trained_whole(recipe, run, recipe.systems.whole_image)
    if not isinstance(dual.head, DualViewHead):
        raise TriageError(f"stage {recipe.systems.dual_view} is no dual-view system; a bundle serves one")
    out.mkdir(parents=True, exist_ok=True)
    made = graphs((dual.encoder, dual.head), (whole.encoder, whole.bag))
    return {file: export(graph, out / file) for file, graph in made.items()}


def fit_fusion(sources: Sources) -> dict[str, float]:
    """Logistic regression of the label on both logits over the validation part: weights and intercept."""
    images = part(sources.cache, "validation", paired=True)
    systems = sources.recipe.systems
    names = (systems.dual_view, systems.whole_image)
    logits = np.stack([stage_scores(sources.recipe, sources.run, name, images) for name in names], axis=1)
    # Standardised first: the penalty must not depend on the scale of either logit.
    scale = logits.std(axis=0)
    model = LogisticRegression().fit(logits / scale, images.normal)
    dual_view, whole_image = model.coef_[0] / scale
    if dual_view < 0 or whole_image < 0:
        raise TriageError(
            f"fusion weights {dual_view:.3f} and {whole_image:.3f}: a negative one turns a model's answer around; "
            "that model did not learn"
        )
    return {"dual_view": float(dual_view), "whole_image": float(whole_image), "intercept": float(model.intercept_[0])}


def _scored(sources: Sources, split: str, engine: Engine) -> tuple[Manifest, list[ImageScore]]:
    rows = sources.rows(split)
    return rows, score(rows, engine)


def _calibrate(
    sources: Sources, rows: Manifest, scores: Sequence[ImageScore], sha256: str, created: str
) -> CalibrationRecord:
    scored = labelled(rows, scores, "fused")
    if scored is None or (scored.birads < 0).any():
        raise TriageError("the calibration part needs normal and abnormal images, all with a BI-RADS category")
    admitted = sources.recipe.data.admitted_devices
    names = ", ".join(" ".join(device) for device in admitted)
    note = f"; {names} admitted for demonstration, without data of its own" if admitted else ""
    devices = {(row.manufacturer, row.model) for row in rows.rows} | set(admitted)
    return calibrate(
        CalibrationSet(scored.scores, scored.birads, scored.patients),
        bundle_sha256=sha256,
        dataset=f"{sources.data_name}, calibration part{note}",
        devices=tuple(sorted(devices)),
        created=created,
        demonstration=sources.demonstration,
    )


def _body(sources: Sources, name: str, version: str, parity: dict[str, float]) -> dict[str, Any]:
    """The manifest without files and metrics."""
    recipe = sources.recipe
    return {
        "schema": 1,
        "name": name,
        "version": version,
        "created": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "licence": LICENCE,
        "demonstration": sources.demonstration,
        "inputs": {
            "encoder.onnx": {"image": ["N", 1, *DUAL_VIEW_SHAPE]},
            "whole_image.onnx": {"image": ["N", 1, *WHOLE_IMAGE_SHAPE]},
        },
        "opset": OPSET,
        "fusion": fit_fusion(sources),
        "preprocessing": {
            "version": PREPROCESSING_VERSION,
            "pixels": "uint16 / 65535",
            "dual_view": DUAL_VIEW_SHAPE,
            "whole_image": WHOLE_IMAGE_SHAPE,
        },
        "training_data": {
            "sets": [sources.data_name],
            "seed": recipe.seed,
            "data_seed": recipe.data.seed,
            "encoders": {"dual_view": recipe.dual_encoder, "whole_image": recipe.whole_encoder},
            "parts": {split: _counts(sources.rows(split).rows) for split in PARTS},
        },
        "metrics": {},
        "parity": {"max_abs_difference": parity},
    }


def _counts(rows: Sequence[ImageRow]) -> dict[str, int]:
    return {
        "patients": len({row.patient_id for row in rows}),
        "images": len(rows),
        "abnormal_images": sum(row.normal is False for row in rows),
    }


def _write_manifest(folder: Path, body: dict[str, Any]) -> str:
    """Adds the digest of every file and writes the manifest; returns its own digest."""
    files = {}
    for path in sorted([*folder.glob("*.onnx"), folder / CARD]):
        content = path.read_bytes()
        files[path.name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    raw = (json.dumps(body | {"files": files}, indent=2) + "\n").encode()
    (folder / MANIFEST).write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()
