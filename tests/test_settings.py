"""Settings: where values come from, and what a wrong one says."""

from pathlib import Path

import pytest

from triage.core.errors import ConfigurationError
from triage.settings import load


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def toml(folder: Path, text: str) -> Path:
    path = folder / "given.toml"
    path.write_text(text)
    return path


def test_defaults_need_no_file() -> None:
    settings = load()
    assert (settings.dicom.ae_title, settings.dicom.port, settings.dicom.host) == ("TRIAGE", 11112, "127.0.0.1")
    assert settings.assembly.quiet.total_seconds() == 60
    assert settings.destination == ()


def test_command_line_beats_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = toml(tmp_path, 'home = "a"\n[dicom]\nport = 1\nae_title = "FILE"\n[http]\nport = 2\n')
    monkeypatch.setenv("TRIAGE_DICOM__PORT", "3")
    settings = load(path, home=Path("b"))
    assert (settings.home, settings.dicom.port, settings.dicom.ae_title) == (Path("b"), 3, "FILE")
    assert settings.http.port == 2


def test_the_shipped_example_is_valid() -> None:
    example = Path(__file__).resolve().parents[1] / "deploy" / "triage.toml"
    settings = load(example)
    assert settings.destination[0].name == "pacs"
    defaults = load().model_dump() | {"destination": settings.model_dump()["destination"]}
    assert settings.model_dump() == defaults


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[dicom]\nport = 99999\n", r"dicom\.port"),
        ("[dicm]\nport = 1\n", "unknown section dicm"),
        ("[dicom]\nprot = 1\n", r"dicom\.prot"),
        ("[dicom\n", "not valid TOML"),
        ("[assembly]\nquiet_seconds = -1\n", r"assembly\.quiet_seconds"),
        (
            '[[destination]]\nname = "a"\nae_title = "A"\n[[destination]]\nname = "a"\nae_title = "B"\n',
            "share a name: a",
        ),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(toml(tmp_path, text))


def test_a_mistyped_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_DICM__PORT", "1")
    with pytest.raises(ConfigurationError, match="TRIAGE_DICM__PORT"):
        load()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: cannot be read"):
        load(tmp_path / "nowhere.toml")
