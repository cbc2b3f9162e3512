"""David Clunie's validators, run from tests."""

import shutil
import subprocess
from pathlib import Path

import pytest


def run_validator(tool: str, *paths: Path) -> str:
    """Lines of a dicom3tools validator that are errors."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} (Debian package dicom3tools) is not installed")
    result = subprocess.run([tool, *map(str, paths)], capture_output=True, text=True, check=False)
    return "\n".join(line for line in (result.stdout + result.stderr).splitlines() if line.startswith("Error"))
