"""The command line: exit codes, JSON, clear errors."""

import json
from pathlib import Path

import pytest
from dicom_samples import free_port
from tiny_bundle import make_bundle
from typer.testing import CliRunner

from triage.cli import app
from triage.core.strata import Stratum

RUN = CliRunner()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_version_and_help() -> None:
    assert RUN.invoke(app, ["--version"]).exit_code == 0
    shown = RUN.invoke(app, ["--help"])
    assert shown.exit_code == 0
    for command in ("serve", "scp", "worker", "api", "demo", "send", "studies", "study", "config", "db"):
        assert command in shown.output


def test_wrong_usage_is_2() -> None:
    assert RUN.invoke(app, ["no-such-command"]).exit_code == 2
    assert RUN.invoke(app, ["send", "nowhere.dcm"]).exit_code == 2


def test_config_show_and_check(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "tiny", strata=[Stratum("Site", "ACME", "M1", "1.0", "DIRECT", "", "")])
    (tmp_path / "triage.toml").write_text(f'[inference]\nbundle = "{bundle}"\n')
    shown = RUN.invoke(app, ["config", "show", "--json"])
    assert json.loads(shown.output)["inference"]["bundle"] == str(bundle)
    assert "dicom.port = 11112" in RUN.invoke(app, ["config", "show"]).output
    checked = json.loads(RUN.invoke(app, ["config", "check", "--json"]).output)
    assert checked["demonstration"] == {"ACME M1 1.0": 16.0}


def test_a_missing_bundle_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "triage.toml").write_text('[inference]\nbundle = "nowhere"\n')
    failed = RUN.invoke(app, ["config", "check"])
    assert failed.exit_code == 1
    assert "no model bundle 'nowhere'" in failed.output
    assert "Traceback" not in failed.output


def test_an_empty_worklist_and_an_unknown_study() -> None:
    assert RUN.invoke(app, ["db", "upgrade"]).exit_code == 0
    assert json.loads(RUN.invoke(app, ["studies", "--json"]).output) == []
    failed = RUN.invoke(app, ["study", "1.2.3"])
    assert failed.exit_code == 1
    assert "no study 1.2.3" in failed.output


def test_send_names_what_it_cannot_send(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "readme.txt").write_text("no DICOM")
    failed = RUN.invoke(app, ["send", "folder", "--to", f"TRIAGE@127.0.0.1:{free_port()}"])
    assert failed.exit_code == 1
    assert "readme.txt is not a DICOM file" in failed.output
    assert "0 of 1 files sent" in failed.output
    assert RUN.invoke(app, ["send", "folder", "--to", "nonsense"]).exit_code == 2
