"""Blind evaluation of a bundle: every image of a manifest through the service's own prepare, register and infer code.

Labels are looked at only after all scores are there. An image without a registered contralateral view is scored by the
whole-image model alone, and the result says how many those are.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from training.data.manifest import ImageRow, Manifest, of_split, read_manifest
from training.data.pixels import contralateral, exams, prepare_file
from training.evaluate.metrics import Scored, at_threshold, evaluate
from triage.core.errors import Rejected
from triage.core.study import PreparedView, RegisteredPair
from triage.decide import shipped
from triage.decide.operating_point import round_score
from triage.infer.bundle import CALIBRATIONS, load
from triage.infer.engine import Engine
from triage.register.affine import register_pair

Exam = list[tuple[int, ImageRow]]


@dataclass(frozen=True)
class ImageScore:
    """Logits of one image (higher is more surely normal), rounded as the service stores them."""

    file: str
    dual_view: float | None = None
    whole_image: float | None = None
    fused: float | None = None
    rejected: str = ""
    """Why the image was not scored."""
    contralateral: str = ""
    """File of the other view, `none`, or `registration-failed`."""


@dataclass(frozen=True)
class _Ready:
    exam: Exam
    views: dict[int, PreparedView | Rejected]
    pairs: dict[int, RegisteredPair]


def score(manifest: Manifest, engine: Engine, workers: int = 2) -> list[ImageScore]:
    """Scores of all rows, in their order; no label is read."""
    found: dict[int, ImageScore] = {}
    groups = exams(enumerate(manifest.rows))
    for ready in track(
        _prepared(manifest, groups, workers),
        "Scoring exams",
        len(groups),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ):
        for number, row in ready.exam:
            found[number] = _score_image(number, row, ready, engine, manifest)
    return [found[number] for number in range(len(manifest.rows))]


def _prepared(manifest: Manifest, groups: Sequence[Exam], workers: int) -> Iterator[_Ready]:
    # A few exams ahead of the models, no more: prepared views are large.
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(groups), 4 * workers):
            yield from pool.map(lambda exam: _prepare_exam(manifest, exam), groups[start : start + 4 * workers])


def _prepare_exam(manifest: Manifest, exam: Exam) -> _Ready:
    views: dict[int, PreparedView | Rejected] = {}
    for number, row in exam:
        try:
            views[number] = prepare_file(manifest.path(row))
        except Rejected as rejected:
            views[number] = rejected
    pairs = {}
    for number, row in exam:
        other = contralateral(row, exam)
        fixed, moving = views[number], None if other is None else views[other]
        if isinstance(fixed, PreparedView) and isinstance(moving, PreparedView):
            pairs[number] = register_pair(fixed, moving)
    return _Ready(exam, views, pairs)


def _score_image(number: int, row: ImageRow, ready: _Ready, engine: Engine, manifest: Manifest) -> ImageScore:
    view = ready.views[number]
    if isinstance(view, Rejected):
        return ImageScore(row.file, rejected=view.reason.code)
    whole = round_score(engine.whole_image([view.whole_image])[0][0])
    other, pair = contralateral(row, ready.exam), ready.pairs.get(number)
    if pair is None or other is None:
        return ImageScore(row.file, whole_image=whole, contralateral="none")
    if not pair.accepted:
        return ImageScore(row.file, whole_image=whole, contralateral="registration-failed")
    dual, _ = engine.dual_view([view.dual_view], [pair.moving])[0]
    fused = round_score(engine.fuse(dual, whole))
    return ImageScore(row.file, round_score(dual), whole, fused, contralateral=manifest.rows[other].file)


def result(manifest: Manifest, scores: Sequence[ImageScore], threshold: float | None = None) -> dict[str, Any]:
    """Metrics of each kind of logit, and every image's logits. `threshold`: the bundle's, for the fused logit."""
    kinds: dict[str, Any] = {}
    for kind in ("fused", "dual_view", "whole_image"):
        scored = labelled(manifest, scores, kind)
        kinds[kind] = "needs normal and abnormal images with this logit" if scored is None else evaluate(scored)
        if kind == "fused" and scored is not None and threshold is not None:
            kinds["at_bundle_threshold"] = at_threshold(scored, threshold)
    return {
        "images": len(scores),
        "not_scored": sum(bool(score.rejected) for score in scores),
        "whole_image_model_alone": sum(not score.rejected and score.fused is None for score in scores),
        "unlabelled": sum(row.normal is None for row in manifest.rows),
        "metrics": kinds,
        "scores": [asdict(score) for score in scores],
    }


def labelled(manifest: Manifest, scores: Sequence[ImageScore], kind: str) -> Scored | None:
    """Scores of one kind beside their labels; None without both normal and abnormal images."""
    known = [
        (row, value)
        for row, score in zip(manifest.rows, scores, strict=True)
        if (value := getattr(score, kind)) is not None and row.normal is not None
    ]
    if len({row.normal for row, _ in known}) < 2:
        return None
    return Scored(
        np.asarray([value for _, value in known], np.float64),
        np.asarray([row.normal for row, _ in known], np.bool_),
        np.asarray([-1 if row.birads is None else row.birads for row, _ in known], np.int64),
        np.asarray([row.patient_id for row, _ in known], np.str_),
    )


def evaluate_bundle(bundle_name: str, manifest_path: Path, split: str = "", threads: int = 2) -> dict[str, Any]:
    """Scores and metrics of a bundle on a manifest, or on one part of it; the bundle's threshold is applied too.

    Raises:
        BundleError: the bundle does not verify. ManifestError: the manifest has bad rows.
    """
    bundle = load(bundle_name)
    manifest = read_manifest(manifest_path)
    if split:
        manifest = of_split(manifest, split)
    scores = score(manifest, Engine(bundle, "auto", threads), threads)
    threshold = None
    if (bundle.folder / CALIBRATIONS).is_file():
        threshold = shipped.read(bundle.folder / CALIBRATIONS, bundle.sha256).pooled["image"]
    identity = {"name": bundle.identity.name, "version": bundle.identity.version, "sha256": bundle.sha256}
    return {"bundle": identity} | result(manifest, scores, threshold)
