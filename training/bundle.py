"""Bundle: the trained systems of a run in, `models/NAME` out - ONNX files, manifest, card and operating points.

The order matters: the manifest names every file by its SHA-256, the operating points name the manifest by its own, so
scoring happens on the finished graphs and the operating points are written last, beside the manifest.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from training.calibration_scores import Wanted, score_phantoms
from training.card import write_card
from training.data.images import part
from training.data.manifest import ImageRow, Manifest, of_split
from training.evaluate.blind import ImageScore, result, score
from training.evaluate.systems import stage_scores, trained_dual, trained_whole
from training.export import OPSET, export, graphs
from training.heads import DualViewHead
from training.operating_points import Evidence, calibrations, fit_check, real_images, summary
from training.recipe import Recipe
from triage.core.errors import TriageError
from triage.core.study import DUAL_VIEW_SHAPE, PREPROCESSING_VERSION, WHOLE_IMAGE_SHAPE
from triage.decide import shipped
from triage.infer.bundle import CALIBRATIONS, MANIFEST, OOD, load
from triage.infer.engine import Engine

LICENCE = "Apache-2.0"
CARD = "card.md"
PARTS = ("train", "validation", "test")


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
    (out / CALIBRATIONS).unlink(missing_ok=True)
    parity = export_models(sources.recipe, sources.run, out)
    body = _body(sources, out.name, version, parity)
    with tempfile.TemporaryDirectory() as folder:
        # A preliminary manifest: scoring needs a bundle, and the final manifest holds what scoring finds.
        draft = _draft(Path(folder), out, parity, body)
        engine = Engine(load(str(draft)), "auto", threads)
        evidence = _evidence(sources, draft, threads)
        real = _real_images(sources, engine)
        (out / OOD).write_bytes(fit_check(evidence.consecutive, real))
        test, test_scores = _scored(sources, "test", engine)
    created = datetime.fromisoformat(body["created"])
    points = calibrations(evidence, "", created)
    measured = result(test, test_scores, points["pooled"]["image"])
    body["metrics"] = {"part": "test"} | measured["metrics"] | {"operating_points": summary(points)}
    images = 0 if real is None else real.positions.size
    body["training_data"] |= {"operating_points": evidence.dataset, "real_images_known": images}
    write_card(out / CARD, body)
    sha256 = _write_manifest(out, body)
    shipped.write(out / CALIBRATIONS, calibrations(evidence, sha256, created), sha256)
    shipped.read(out / CALIBRATIONS, load(str(out)).sha256)
    return measured


def _draft(folder: Path, out: Path, parity: dict[str, float], body: dict[str, Any]) -> Path:
    """A bundle that scores and does nothing else: its out-of-distribution check is still empty."""
    for file in parity:
        (folder / file).symlink_to((out / file).resolve())
    (folder / OOD).write_bytes(b"")
    write_card(folder / CARD, body)
    _write_manifest(folder, body)
    return folder


def _evidence(sources: Sources, draft: Path, threads: int) -> Evidence:
    """Scores of fresh exams, kept in the work folder."""
    points, work = sources.recipe.data.operating_points, sources.run.parent
    consecutive = Wanted(points.exams, points.seed)
    abnormal = Wanted(points.abnormal_from, points.seed + 1, abnormal_only=True)
    scores = score_phantoms(str(draft), work / "operating", consecutive, threads)
    more = score_phantoms(str(draft), work / "operating-abnormal", abnormal, threads)
    dataset = f"{points.exams} fresh phantom exams (seed {points.seed}) and the abnormal ones of {abnormal.exams} more"
    return Evidence(scores, more, points.admitted, dataset)


def _real_images(sources: Sources, engine: Engine) -> Any:
    points = sources.recipe.data.operating_points
    folder = Path(os.environ.get("TRIAGE_DATA_DIR", points.real_images))
    return real_images(folder, points.admitted[0], engine) if points.admitted else None


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
    for path in sorted([*folder.glob("*.onnx"), folder / OOD, folder / CARD]):
        content = path.read_bytes()
        files[path.name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    raw = (json.dumps(body | {"files": files}, indent=2) + "\n").encode()
    (folder / MANIFEST).write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()
