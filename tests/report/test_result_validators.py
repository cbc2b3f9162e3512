"""Every kind of result object of many studies before outside validators. Files are written once and read in batches."""

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import pytest
from dicom3tools import run_validator
from report_reading import ALLOWED_WARNING, lines
from result_objects import OUTPUTS, TREES, results_of
from varied_findings import NAMES, studies

from triage.report.structured_report import Device, write

# Neither value of Laterality says "both breasts", and absent it is an error
_LATERALITY = re.compile(r"Warning - is only permitted to be empty when actually unknown; .* attribute <Laterality>$")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, device: Device) -> Path:
    """One folder a study, with its source headers and all of its result objects."""
    root = tmp_path_factory.mktemp("studies")
    for name, (_, datasets) in studies().items():
        (root / name).mkdir()
        for number, ds in enumerate(datasets):
            (root / name / f"source-{number}.dcm").write_bytes(write(deepcopy(ds)))
        for output, ds in results_of(name, device).items():
            (root / name / f"{output}.dcm").write_bytes(write(ds))
    return root


def results(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.dcm")) if not path.name.startswith("source"))


def test_there_is_enough_to_look_at(folder: Path) -> None:
    assert len(studies()) >= 20
    counts = Counter(path.stem for path in results(folder))
    assert set(counts) == set(OUTPUTS)
    assert min(counts.values()) >= 20


def test_dciodvfy_finds_no_error(folder: Path) -> None:
    def complaints(path: Path) -> list[str]:
        status, said = lines(["dciodvfy", str(path)])
        serious = [line for line in said if line.startswith(("Error", "Warning"))]
        bad = [line for line in serious if not ALLOWED_WARNING.match(line) and not _LATERALITY.match(line)]
        return [f"{path.parent.name}/{path.name}: {line}" for line in [*bad, *([] if status == 0 else ["status"])]]

    with ThreadPoolExecutor(2) as pool:
        assert [line for found in pool.map(complaints, results(folder)) for line in found] == []


def test_dsrdump_reads_every_tree(folder: Path) -> None:
    def complaints(path: Path) -> list[str]:
        status, said = lines(["dsrdump", "--quiet", str(path)])
        bad = [line for line in said if line.startswith(("E:", "F:", "W: Target content item"))]
        return [f"{path.parent.name}/{path.name}: {line}" for line in [*bad, *([] if status == 0 else ["status"])]]

    trees = [path for path in results(folder) if path.stem in TREES and path.parent.name != "set-aside"]
    with ThreadPoolExecutor(2) as pool:
        assert [line for found in pool.map(complaints, trees) for line in found] == []


@pytest.mark.parametrize("name", studies())
def test_dcentvfy_finds_every_study_consistent(name: str, folder: Path) -> None:
    assert run_validator("dcentvfy", *sorted((folder / name).glob("*.dcm"))) == ""


def test_dcmtk_accepts_the_presentation_states(folder: Path) -> None:
    # It takes the bytes of a name in UTF-8 for letters, and some of them for a backslash's like
    states = [path for path in sorted(folder.rglob("gsps.dcm")) if path.parent.name not in {*NAMES, "japanese"}]
    assert len(states) >= 15
    for path in states:
        _, said = lines(["dcmpschk", str(path)])
        assert "Test passed" in "\n".join(said), path


def test_the_checks_would_see_a_broken_object(folder: Path, tmp_path: Path, device: Device) -> None:
    ds = deepcopy(results_of("flagged", device)["sc"])
    del ds.ConversionType
    ds.PatientSex = "M"
    (tmp_path / "sc.dcm").write_bytes(write(ds))
    assert lines(["dciodvfy", str(tmp_path / "sc.dcm")])[0] != 0
    assert "PatientSex" in run_validator("dcentvfy", tmp_path / "sc.dcm", folder / "flagged" / "source-0.dcm")
