"""mini-MIAS (Suckling 1994): film MLO pairs, `labels.csv`, `lesions.csv`, `images/*.png`, all 1024 x 1024.

Its labels are normal, benign and malignant, not BI-RADS, so `birads` stays empty. Odd numbers have the chest wall at
the right and even ones at the left. The films were digitised from the back, so which breast an image shows is unknown;
what a manifest needs is which two belong together, and the side of the chest wall serves as a name for them.
"""

import csv
from pathlib import Path
from typing import Literal

from training.data.manifest import ImageRow, LesionRow, ManifestError
from training.data.readers.result import Collector, ReadResult

_PATHOLOGIES: dict[str, Literal["normal", "benign", "malignant"]] = {
    "normal": "normal",
    "benign": "benign",
    "malignant": "malignant",
}
_SEVERITIES: dict[str, Literal["benign", "malignant"]] = {"B": "benign", "M": "malignant"}
_SIDES: dict[str, Literal["L", "R"]] = {"left": "L", "right": "R"}
_TYPES = {
    "CALC": "calcification",
    "CIRC": "mass",
    "SPIC": "mass",
    "MISC": "mass",
    "ARCH": "distortion",
    "ASYM": "asymmetry",
}


def read(source: Path) -> ReadResult:
    """Reads the folder; one patient an image pair.

    Raises:
        ManifestError: no `labels.csv`.
    """
    collector = Collector()
    for label in _table(source / "labels.csv"):
        file = f"images/{label['image']}.png"
        pathology, side = _PATHOLOGIES.get(label["label"]), _SIDES.get(label["chest_wall_side"])
        if pathology is None or side is None:
            collector.unknown_codes.append(f"{label['image']}: {label['label']}/{label['chest_wall_side']}")
            continue
        mask = f"breast_masks/{label['image']}.png"
        row = ImageRow(
            file=file,
            patient_id=f"mias-{label['pair_id']}",
            study_id=f"mias-{label['pair_id']}",
            laterality=side,
            view="MLO",
            pathology=pathology,
            manufacturer="film",
            model="mini-MIAS",
            mask=mask if (source / mask).is_file() else "",
        )
        collector.add(row, present=(source / file).is_file())
    if (source / "lesions.csv").is_file():
        _read_lesions(source / "lesions.csv", collector)
    return collector.result()


def _read_lesions(path: Path, collector: Collector) -> None:
    for entry in _table(path):
        if not entry["severity"] or not entry["radius"]:
            continue  # a normal image, or one of the four lesions without coordinates
        if entry["severity"] not in _SEVERITIES or entry["class"] not in _TYPES:
            collector.unknown_codes.append(f"{entry['image']}: {entry['class']}/{entry['severity']}")
            continue
        x, y, radius = (float(entry[key]) for key in ("x", "y_from_top", "radius"))
        collector.lesions.append(
            LesionRow(
                file=f"images/{entry['image']}.png",
                type=_TYPES[entry["class"]],
                pathology=_SEVERITIES[entry["severity"]],
                xmin=x - radius,
                ymin=y - radius,
                xmax=x + radius,
                ymax=y + radius,
            )
        )


def _table(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise ManifestError(f"{path} does not exist; give the folder that holds labels.csv and images/")
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))
