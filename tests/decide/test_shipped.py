"""Operating points that ship with a bundle cannot be edited or moved unnoticed."""

import json
from pathlib import Path
from typing import Any

import pytest

from triage.core.errors import BundleError
from triage.decide import shipped

SHA256 = "ab" * 32


def content() -> dict[str, Any]:
    site = {"site": "S", "manufacturer": "M", "model": "1", "software_version": "v", "acquisition_type": "DIRECT"}
    version = {
        "stratum": site,
        "kind": "exam_min",
        "threshold": 1.5,
        "image_threshold": 2.5,
        "limited_by_safety": True,
        "protocol": {"alpha": 0.025},
        "report": {},
    }
    return {
        "created": "2026-01-01T00:00:00+00:00",
        "expires": "2031-01-01T00:00:00+00:00",
        "dataset": "some exams",
        "demonstration": True,
        "bounds": {"image": [1.0, 9.0], "exam_min": [0.0, 3.0]},
        "pooled": {"image": 2.5, "exam_min": None},
        "calibrations": [version],
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    shipped.write(tmp_path / "calibrations.json", content(), SHA256)
    return tmp_path / "calibrations.json"


def test_what_is_written_is_read(path: Path) -> None:
    found = shipped.read(path, SHA256)
    [version] = found.calibrations
    assert (version.threshold, version.image_threshold, version.limited_by_safety) == (1.5, 2.5, True)
    assert (version.stratum.device, version.stratum.bundle_sha256) == ("M 1 v", SHA256)
    assert version.expires_at.year == 2031
    assert found.bounds["image"] == (1.0, 9.0)
    assert found.pooled["exam_min"] is None


def test_another_bundle_cannot_use_it(path: Path) -> None:
    with pytest.raises(BundleError, match="for another bundle"):
        shipped.read(path, "cd" * 32)


def test_an_edited_threshold_is_found(path: Path) -> None:
    body = json.loads(path.read_text())
    body["calibrations"][0]["threshold"] = 0.5
    path.write_text(json.dumps(body))
    with pytest.raises(BundleError, match="was changed after it was made"):
        shipped.read(path, SHA256)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": "x", "calibrations": [1]}'])
def test_anything_else_is_named(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(BundleError, match=r"calibrations\.json: not a file of operating points"):
        shipped.read(path, SHA256)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="restore it"):
        shipped.read(tmp_path / "calibrations.json", SHA256)
