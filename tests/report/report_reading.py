"""Reading structured reports in tests, with outside validators and by hand."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from triage.report.codes import SCHEME

# What dciodvfy may complain of: private codes, which it cannot know, and what the source image left out or misspelt
ALLOWED_WARNING = re.compile(
    rf"Warning - (?:Unrecognized defined term <{SCHEME}> for value 1 of attribute <Coding Scheme Designator>$"
    "|Missing attribute or value that would be needed to build DICOMDIR - (?:Patient ID|Study (?:Date|Time|ID))$"
    "|Value dubious for this VR - .* - Retired Person Name form$)"
)


def lines(command: list[str]) -> tuple[int, list[str]]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed (apt: dicom3tools, dcmtk)")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, errors="replace")
    return done.returncode, (done.stdout + done.stderr).splitlines()


def assert_valid(content: bytes, folder: Path) -> None:
    path = folder / "report.dcm"
    path.write_bytes(content)
    status, said = lines(["dciodvfy", str(path)])
    complaints = [line for line in said if line.startswith(("Error", "Warning"))]
    assert not [line for line in complaints if not ALLOWED_WARNING.match(line)]
    assert status == 0
    status, said = lines(["dsrdump", str(path)])
    assert status == 0
    assert not [line for line in said if line.startswith(("E:", "F:", "W: Target content item"))]


def texts(ds: Dataset, concept: str = "121106") -> list[str]:
    """Every TEXT of one concept (121106 is Comment) anywhere in the report."""
    found = []
    for item in ds.get("ContentSequence", []):
        if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeValue == concept:
            found.append(item.TextValue)
        found += texts(item, concept)
    return found


def groups(ds: Dataset) -> list[Dataset]:
    (measurements,) = [item for item in ds.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "126010"]
    return list(measurements.ContentSequence)


def values(group: Dataset, concept: str) -> list[str | float]:
    """Values of one concept in a measurement group: numbers, code values or text."""
    found: list[str | float] = []
    for item in group.ContentSequence:
        if item.ConceptNameCodeSequence[0].CodeValue == concept:
            if item.ValueType == "NUM":
                found.append(float(item.MeasuredValueSequence[0].NumericValue))
            else:
                found.append(item.ConceptCodeSequence[0].CodeValue if item.ValueType == "CODE" else item.TextValue)
    return found
