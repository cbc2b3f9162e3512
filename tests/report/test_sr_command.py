"""`triage sr check`."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
from planted_faults import drop
from result_objects import results_of
from typer.testing import CliRunner

from triage.cli.sr import app
from triage.report.composite import Device, write


@pytest.fixture
def files(tmp_path: Path, device: Device) -> tuple[Path, Path]:
    good, bad = tmp_path / "good.dcm", tmp_path / "bad.dcm"
    report = results_of("flagged", device)["sr"]
    good.write_bytes(write(report))
    broken = deepcopy(report)
    drop("121058")(broken)
    bad.write_bytes(write(broken))
    return good, bad


def test_a_sound_report_passes(files: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(app, ["check", str(files[0])])
    assert done.exit_code == 0
    assert "no problem found" in done.output


def test_a_problem_is_named_and_fails(files: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(app, ["check", *map(str, files)])
    assert done.exit_code == 1
    assert "TID 1500 row 4 Procedure reported" in done.output


def test_json_names_every_file(files: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(app, ["check", "--json", *map(str, files)])
    content = json.loads(done.output)
    assert [len(one["problems"]) for one in content] == [0, 1]
    assert content[1]["problems"][0]["place"] == "1"
    assert done.exit_code == 1


def test_a_file_that_is_no_dicom_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"Secret^Name")
    done = CliRunner().invoke(app, ["check", str(path)])
    assert done.exit_code == 1
    assert "cannot be read as DICOM" in done.output
    assert "Secret" not in done.output
