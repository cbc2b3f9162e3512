"""From nothing to a bundle: phantoms -> split -> cache -> every stage -> comparison -> bundle, each step kept.

Layout of the work folder: phantoms/ (exams, manifest.csv, split.csv), cache/, stages/, comparison.json. A step whose
result is there is not done again, so the command continues where it was interrupted.
"""

import json
import logging
from pathlib import Path
from typing import Any

from training.data.manifest import Manifest, read_manifest, write_manifest
from training.data.split import split_by_patient
from training.recipe import Recipe

log = logging.getLogger(__name__)
SPLIT, COMPARISON = "split.csv", "comparison.json"
CACHED_PARTS = {"train", "validation", "test"}
"""The calibration part is only ever scored through the service's own code."""


def phantoms(recipe: Recipe, work: Path, workers: int) -> Manifest:
    """The recipe's phantom exams, split by patient."""
    from training.phantom.study import Choices, write_exams

    folder = work / "phantoms"
    if not (folder / "manifest.csv").is_file():
        exams = sum(recipe.data.exams.values())
        log.info("writing %d phantom exams", exams)
        write_exams(folder, exams, recipe.data.seed, workers, Choices(conspicuity=recipe.data.conspicuity))
    if not (folder / SPLIT).is_file():
        rows = read_manifest(folder / "manifest.csv").rows
        shares = {str(name): float(count) for name, count in recipe.data.exams.items()}
        write_manifest(folder / SPLIT, split_by_patient(rows, shares, recipe.data.seed))
    return read_manifest(folder / SPLIT)


def cache(manifest: Manifest, work: Path, workers: int) -> Path:
    """The parts that training and comparison read, as memory maps."""
    from training.data.memmap import build

    rows = tuple(row for row in manifest.rows if row.split in CACHED_PARTS)
    log.info("cache: %s", build(Manifest(manifest.folder, rows, manifest.lesions), work / "cache", workers))
    return work / "cache"


def train(recipe: Recipe, work: Path) -> Path:
    """Every stage of the recipe, in its order."""
    from training.stages import Trainer

    trainer = Trainer(recipe, work / "cache", work / "stages")
    for name in recipe.stages:
        log.info("stage %s", name)
        trainer.fit(name)
    return work / "stages"


def compare(recipe: Recipe, work: Path) -> dict[str, Any]:
    """Every compared system on the test part."""
    from training.evaluate.systems import compare as compare_systems

    if not (work / COMPARISON).is_file():
        log.info("comparing systems")
        found = compare_systems(recipe, work / "cache", work / "stages")
        (work / COMPARISON).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return dict(json.loads((work / COMPARISON).read_text(encoding="utf-8")))


def bundle(recipe: Recipe, work: Path, out: Path, version: str) -> dict[str, Any]:
    """The bundle of a finished work folder; returns what was measured on the test part."""
    from training.bundle import Sources, build

    manifest = read_manifest(work / "phantoms" / SPLIT)
    name = f"{sum(recipe.data.exams.values())} phantom exams (seed {recipe.data.seed})"
    log.info("bundle %s", out)
    return build(Sources(recipe, work / "cache", work / "stages", manifest, name), out, version, recipe.threads)


def reproduce(recipe: Recipe, work: Path, out: Path, version: str) -> dict[str, Any]:
    """All of it."""
    cache(phantoms(recipe, work, recipe.threads), work, recipe.threads)
    train(recipe, work)
    compare(recipe, work)
    return bundle(recipe, work, out, version)
