"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real mammograms, or a skip that says how to get one."""
    folder = Path(os.environ.get("TRIAGE_DATA_DIR", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real mammograms at {folder}: set TRIAGE_DATA_DIR to a folder that holds them")
    return folder
