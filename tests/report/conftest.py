"""Fixtures of the report tests."""

import pytest

from triage.report.structured_report import Device


@pytest.fixture(scope="session")
def device() -> Device:
    return Device("Triage", "Mammography triage project", "triage", "0.1.0", "home-1")
