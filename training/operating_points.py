"""Operating points and out-of-distribution check of a bundle, from the scores of fresh phantom exams.

Input: `Scores` of exams as they come, and of abnormal ones besides, since a bound on rare misses needs thousands.
Output: `ood.npz` (part of the bundle) and the content of `calibrations.json` (beside it). The check is fitted on the
first FIT of the exams and cut on the others; thresholds are found on the first two thirds and all additional abnormal
ones, and looked at once on the last third. One exam is one patient.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from training.calibration_scores import Scores
from training.phantom.acquisition import LOOKS
from training.phantom.dicom import INSTITUTION
from triage.core.errors import Rejected
from triage.core.strata import Stratum
from triage.core.study import PREPROCESSING_VERSION
from triage.decide import ood
from triage.decide.evaluation import evaluate
from triage.decide.exam_level import KINDS, Units, units
from triage.decide.operating_point import CalibrationSet, Protocol, find_threshold
from triage.infer.engine import Engine
from triage.prepare.view import prepare_pixels

FIT = 0.25
"""Share of the exams that the out-of-distribution check is fitted on."""
CALIBRATE = 2 / 3
"""Share of the exams that thresholds are found on."""
VALID_YEARS = 5
"""A demonstration changes with its bundle, not with the years; a site's own calibration expires after one."""
KIND = "exam_min"
ABNORMAL_ONLY = "abnormal exams only"
EVERYBODY = "all phantom units"
GROUPS = 400
"""Exams of four real images drawn for the reference of the wrapper, whose images belong to nobody's exam."""


def device_stratum(manufacturer: str, bundle_sha256: str = "") -> Stratum:
    """The stratum of a phantom unit, or of the wrapper of PNG exams."""
    look = LOOKS.get(manufacturer)
    model, software, detector = (look.model, look.software, look.detector) if look else ("8-bit PNG", "1", "DIRECT")
    return Stratum(INSTITUTION, manufacturer, model, software, detector, bundle_sha256, str(PREPROCESSING_VERSION))


def fit_check(scores: Scores, wrapped: ood.Sample | None) -> bytes:
    """The fitted out-of-distribution check, as the bundle keeps it. `wrapped`: real images of the wrapper, if any."""
    keys = {name: ood.device_key(device_stratum(name)) for name in sorted(set(scores.manufacturers.tolist()))}
    positions = np.asarray([view[1:] for view in scores.views], np.str_)
    devices = np.asarray([keys[name] for name in scores.manufacturers.tolist()], np.str_)
    sample = ood.Sample(devices, positions, scores.exams.astype(np.str_), scores.embeddings, scores.statistics)
    first = _first(scores.exams, FIT)
    fitting, reference = sample.where(first), sample.where(~first)
    apart: tuple[str, ...] = ()
    if wrapped is not None:
        apart = (str(wrapped.devices[0]),)
        half = np.arange(wrapped.positions.size) % 2 == 0
        fitting = _joined(fitting, wrapped.where(half))
        reference = _joined(reference, _grouped(wrapped.where(~half)))
    return ood.to_bytes(ood.fit(fitting, reference, apart))


def real_images(folder: Path, manufacturer: str, engine: Engine) -> ood.Sample | None:
    """Real images that say how the wrapper's look: `cc-digital` (CC) and `mini-mias` (MLO) under `folder`.

    None if they are not there: then a wrapped exam is held against the phantoms, and most likely refused.
    """
    files = [("CC", path) for path in sorted((folder / "cc-digital" / "images").glob("*.jp*g"))]
    files += [("MLO", path) for path in sorted((folder / "mini-mias" / "images").glob("*.png"))]
    rows = []
    for position, path in files:
        pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        try:
            view = prepare_pixels(np.asarray(pixels, np.uint8), None, 8)
        except Rejected:
            continue
        embedding = engine.dual_view([view.dual_view], [view.dual_view])[0][1]
        rows.append((position, path.stem, embedding, view.statistics))
    if not rows:
        return None
    found_positions, names, embeddings, statistics = zip(*rows, strict=True)
    key = ood.device_key(device_stratum(manufacturer))
    return ood.Sample(
        np.full(len(rows), key),
        np.asarray(found_positions, np.str_),
        np.asarray(names, np.str_),
        np.stack(embeddings),
        np.stack(statistics),
    )


@dataclass(frozen=True)
class Evidence:
    """What the operating points of one bundle are found on."""

    consecutive: Scores
    """Exams as they come."""
    abnormal: Scores
    """Abnormal exams of other patients, for the bound on misses."""
    admitted: tuple[str, ...]
    """Manufacturers without data of their own."""
    dataset: str


def calibrations(evidence: Evidence, bundle_sha256: str, created: datetime) -> dict[str, Any]:
    """What `triage.decide.shipped.write` writes: a version for each phantom unit and each admitted manufacturer.

    Abnormal exams are pooled over the units, normal ones are the unit's own. An admitted manufacturer has no data at
    all: it gets the threshold of all units together, and its report says so.
    """
    protocol, scores, admitted = Protocol(), evidence.consecutive, evidence.admitted
    own = sorted(set(scores.manufacturers.tolist()))
    strata = {name: device_stratum(name, bundle_sha256) for name in (*own, *admitted)}
    data = _set(scores, {name: stratum.id for name, stratum in strata.items()})
    # Strata of their own: the healthy breasts of chosen exams are not what 20% of normal images is to mean.
    chosen = {name: replace(stratum, site=ABNORMAL_ONLY).id for name, stratum in strata.items()}
    first = _first(scores.exams, CALIBRATE)
    found, checked = _both(data.where(first), _set(evidence.abnormal, chosen)), data.where(~first)
    versions = [_version(strata[name], evaluate(found, checked, strata[name].id, KIND, protocol, True)) for name in own]
    for name in admitted:
        one, two = (_as_one(part, strata[name].id, [strata[device].id for device in own]) for part in (found, checked))
        report = evaluate(one, two, strata[name].id, KIND, protocol, True)
        versions.append(_version(strata[name], report | {"note": "all phantom units together; no data of this device"}))
    everybody = _as_one(found, EVERYBODY, [strata[device].id for device in own])
    pooled = {kind: units(everybody, EVERYBODY, kind, True) for kind in KINDS}
    return {
        "created": created.isoformat(),
        "expires": created.replace(year=created.year + VALID_YEARS).isoformat(),
        "dataset": evidence.dataset,
        "demonstration": True,
        "bounds": {kind: _bounds(one) for kind, one in pooled.items()},
        "pooled": {kind: find_threshold(one.data, one.local, protocol).threshold for kind, one in pooled.items()},
        "calibrations": versions,
    }


def summary(content: dict[str, Any]) -> list[dict[str, Any]]:
    """What the card says of each version: device, threshold, and what it did to exams that it was not found on."""
    return [
        {
            "device": " ".join(one["stratum"][name] for name in ("manufacturer", "model", "software_version")),
            "threshold": one["threshold"],
            "limited_by_safety": one["limited_by_safety"],
            "own_data": "note" not in one["report"],
            **{name: one["report"]["kinds"][KIND]["evaluation"][name] for name in ("sensitivity", "missed")},
        }
        for one in content["calibrations"]
    ]


def _version(stratum: Stratum, report: dict[str, Any]) -> dict[str, Any]:
    key = {name: value for name, value in asdict(stratum).items() if name not in ("bundle_sha256", "preprocessing")}
    return {
        "stratum": key,
        "kind": report["kind"],
        "threshold": report["threshold"],
        "image_threshold": report["image_threshold"],
        "limited_by_safety": report["limited_by_safety"],
        "protocol": report["protocol"],
        "report": report,
    }


def _set(scores: Scores, ids: dict[str, str]) -> CalibrationSet:
    exams = scores.exams.astype(np.str_)
    strata = np.asarray([ids[name] for name in scores.manufacturers.tolist()], np.str_)
    follow_up = np.full(exams.shape, "")
    return CalibrationSet(scores.fused, scores.birads, exams, exams, follow_up, strata)


def _both(one: CalibrationSet, two: CalibrationSet) -> CalibrationSet:
    names = ("scores", "birads", "patients", "exams", "follow_up", "strata")
    return CalibrationSet(*(np.concatenate([getattr(one, name), getattr(two, name)]) for name in names))


def _as_one(data: CalibrationSet, stratum_id: str, members: list[str]) -> CalibrationSet:
    """The strata of `members` as one."""
    return replace(data, strata=np.where(np.isin(data.strata, members), stratum_id, data.strata))


def _bounds(found: Units) -> list[float]:
    """From the median to the top of the normal scores: outside, a threshold would flag most normals or none."""
    normal = found.data.scores[found.local & found.data.normal]
    return [float(np.median(normal)), float(normal.max())]


def _first(exams: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.bool_]:
    """The images of the first exams, by number."""
    known = np.unique(exams)
    return exams < known[round(share * known.size)] if known.size else np.zeros(exams.shape, np.bool_)


def _joined(one: ood.Sample, two: ood.Sample) -> ood.Sample:
    return ood.Sample(
        *(
            np.concatenate([getattr(one, name), getattr(two, name)])
            for name in ("devices", "positions", "exams", "embeddings", "statistics")
        )
    )


def _grouped(images: ood.Sample) -> ood.Sample:
    """Exams of two CC and two MLO images drawn at random: what an exam of the wrapper's could look like."""
    generator = np.random.default_rng(0)
    groups = [
        np.concatenate(
            [generator.choice(np.flatnonzero(images.positions == position), 2) for position in ood.POSITIONS]
        )
        for _ in range(GROUPS)
    ]
    chosen = np.concatenate(groups)
    drawn = images.where(chosen)
    exams = np.repeat([f"drawn {number}" for number in range(GROUPS)], 4)
    return ood.Sample(drawn.devices, drawn.positions, exams, drawn.embeddings, drawn.statistics)
