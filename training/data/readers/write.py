"""From a reader to a manifest on disk, with what was left out beside it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from training.data.manifest import LESIONS, ImageRow, write_lesions, write_manifest
from training.data.readers import reader
from training.data.split import split_by_patient


def write(name: str, source: Path, out: Path, shares: Mapping[str, float], seed: int) -> dict[str, int]:
    """Writes the manifest (files relative to it), its lesions, and NAME.left-out.json; returns the counts.

    Raises:
        ManifestError: unknown reader or unusable source.
    """
    found = reader(name)(source)
    rows = split_by_patient(found.rows, shares, seed) if shares else found.rows
    out.parent.mkdir(parents=True, exist_ok=True)
    base = Path(os.path.relpath(source.resolve(), out.parent.resolve()))
    write_manifest(out, [_moved(row, base) for row in rows])
    if found.lesions:
        moved = [one.model_copy(update={"file": (base / one.file).as_posix()}) for one in found.lesions]
        write_lesions(out.parent / LESIONS, moved)
    left_out = {
        "missing files": found.missing_files,
        "duplicates": found.duplicates,
        "unknown codes": found.unknown_codes,
    }
    out.with_suffix(".left-out.json").write_text(json.dumps(left_out, indent=2) + "\n", encoding="utf-8")
    return found.counts


def _moved(row: ImageRow, base: Path) -> ImageRow:
    mask = (base / row.mask).as_posix() if row.mask else ""
    return row.model_copy(update={"file": (base / row.file).as_posix(), "mask": mask})
