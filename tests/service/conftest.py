"""A running service for a module, and phantom exams to send."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_service import Service, require

from training.phantom.study import Choices, write_exams

EXAMS = 6


@pytest.fixture(scope="session")
def exams(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """Phantom exams: a list of four files each."""
    out = tmp_path_factory.mktemp("phantoms")
    write_exams(out, EXAMS, seed=4711, workers=2)
    return [sorted(folder.glob("*.dcm")) for folder in sorted(out.iterdir()) if folder.is_dir()]


@pytest.fixture(scope="session")
def flagged_exam(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The demo's exam that the shipped bundle flags."""
    from triage.cli.demo import FLAGGED_EXAM

    _, seed, _, first = FLAGGED_EXAM
    out = tmp_path_factory.mktemp("flagged")
    write_exams(out, 1, int(seed), choices=Choices(first=int(first)))
    return sorted(out.rglob("*.dcm"))


@pytest.fixture(scope="session")
def spot_exam(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A phantom exam with an extra diagnostic view."""
    out = tmp_path_factory.mktemp("spot")
    write_exams(out, 1, seed=99, choices=Choices(variant="spot"))
    return sorted(out.rglob("*.dcm"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service and its PACS, up and ready."""
    require("storescu", "storescp")
    running = Service(tmp_path_factory.mktemp("service"))
    running.pacs.start()
    running.start()
    yield running
    if running.process is not None:
        running.stop()
    running.pacs.stop()
