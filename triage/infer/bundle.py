"""A model bundle: ONNX files, out-of-distribution check and fusion under one manifest with the SHA-256 of every file.

A file that is missing, added to the manifest wrongly or changed keeps the whole bundle from loading.
"""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from triage.core.errors import BundleError
from triage.core.finding import BundleIdentity
from triage.core.study import PREPROCESSING_VERSION

MANIFEST = "manifest.json"
CALIBRATIONS = "calibrations.json"
"""Lies beside the manifest and names it: operating points are found with the finished bundle."""
OOD = "ood.npz"
REQUIRED_FILES = ("encoder.onnx", "dual_head.onnx", "whole_image.onnx", OOD, "card.md")


class FileEntry(BaseModel):
    """Digest and size of one file."""

    model_config = ConfigDict(frozen=True)
    sha256: str
    bytes: int


class Fusion(BaseModel):
    """fused = dual_view * logit + whole_image * logit + intercept."""

    model_config = ConfigDict(frozen=True)
    dual_view: float
    whole_image: float
    intercept: float


class Manifest(BaseModel):
    """What `manifest.json` must hold; what only people read is kept as it stands."""

    model_config = ConfigDict(frozen=True)
    schema_version: Literal[1] = Field(alias="schema")
    name: str
    version: str
    created: str
    licence: str
    demonstration: bool
    files: dict[str, FileEntry]
    inputs: dict[str, dict[str, list[int | str]]]
    opset: int
    fusion: Fusion
    preprocessing: dict[str, Any]
    training_data: dict[str, Any]
    metrics: dict[str, Any]
    parity: dict[str, Any]


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk."""

    folder: Path
    manifest: Manifest
    sha256: str
    """Digest of the manifest, and through it of every file."""

    @property
    def identity(self) -> BundleIdentity:
        """What findings and reports say of the bundle."""
        manifest = self.manifest
        return BundleIdentity(manifest.name, manifest.version, self.sha256, manifest.demonstration)

    def file(self, name: str) -> Path:
        """Path of one file of the manifest."""
        return self.folder / name


def find(name: str) -> Path:
    """The folder of a bundle given by path, or by name under `models/` here, in the environment, or in the clone.

    Raises:
        BundleError: nowhere to be found.
    """
    clone = Path(__file__).resolve().parents[2]
    places = [Path(name), *(folder / "models" / name for folder in (Path(), Path(sys.prefix), clone))]
    for place in places:
        if (place / MANIFEST).is_file():
            return place
    raise BundleError(f"no model bundle {name!r}: looked for {MANIFEST} in {', '.join(str(place) for place in places)}")


def load(name: str) -> Bundle:
    """Finds a bundle and verifies every file against the manifest.

    Raises:
        BundleError: not found, malformed, incomplete or tampered with; the message names the file.
    """
    folder = find(name)
    raw = (folder / MANIFEST).read_bytes()
    try:
        manifest = Manifest.model_validate(json.loads(raw))
    except (ValueError, ValidationError) as error:
        raise BundleError(f"{folder / MANIFEST}: not a valid manifest: {error}") from error
    absent = [required for required in REQUIRED_FILES if required not in manifest.files]
    if absent:
        raise BundleError(f"{folder / MANIFEST}: does not list {', '.join(absent)}; build the bundle again")
    for filename, entry in manifest.files.items():
        if Path(filename).name != filename:
            raise BundleError(f"{folder / MANIFEST}: lists {filename!r}, which lies outside the bundle")
        _verify(folder / filename, entry)
    learnt = manifest.preprocessing.get("version")
    if learnt != PREPROCESSING_VERSION:
        raise BundleError(
            f"{folder / MANIFEST}: was made with preprocessing {learnt}, this software has {PREPROCESSING_VERSION}; "
            "use the bundle's release, or train and calibrate it again"
        )
    return Bundle(folder, manifest, hashlib.sha256(raw).hexdigest())


def _verify(path: Path, entry: FileEntry) -> None:
    if not path.is_file():
        raise BundleError(f"{path}: is in the manifest but not in the bundle; copy the bundle again")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != entry.sha256 or path.stat().st_size != entry.bytes:
        raise BundleError(f"{path}: was changed after the bundle was made (SHA-256 differs); copy the bundle again")
