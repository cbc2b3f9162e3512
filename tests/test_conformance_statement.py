"""The conformance statement says what the code does, and the file in docs/ is the statement."""

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from triage.cli.conformance import register
from triage.conformance import networking
from triage.conformance.content import PIXEL_ATTRIBUTES
from triage.conformance.statement import ACTORS, RENEW, statement
from triage.core.reasons import CODE_VALUES
from triage.deliver.commitment import accept_reports
from triage.receive import handlers
from triage.receive.contexts import IMAGE_SYNTAXES
from triage.receive.scp import Listener, _application_entity
from triage.report.codes import PRIVATE_CODES
from triage.report.kinds import KINDS

ROOT = Path(__file__).resolve().parents[1]


def part(number: str) -> str:
    """A section of the statement, from its heading to the next of any level."""
    found = re.search(rf"^#+ {re.escape(number)} .*?(?=^#)", statement() + "\n#", re.MULTILINE | re.DOTALL)
    assert found, number
    return found.group()


def test_the_file_is_the_statement() -> None:
    written = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert written == statement() + "\n", f"docs/conformance.md is out of date; renew it by `{RENEW}`"


def test_the_command_prints_it() -> None:
    app = typer.Typer()
    register(app)
    app.command("other")(lambda: None)  # with one command alone typer would drop its name
    assert CliRunner().invoke(app, ["conformance"]).stdout == statement() + "\n"


def test_a_change_of_the_code_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = statement()
    monkeypatch.setattr(networking, "IMAGE_SYNTAXES", IMAGE_SYNTAXES[1:])
    assert statement() != before


def test_the_listener_supports_what_is_said_and_no_more() -> None:
    ae = _application_entity(Listener())
    accept_reports(ae)
    rows = re.findall(r"\| ([0-9.]{10,}) \|", part("2.1"))
    syntaxes = {str(one) for context in ae.supported_contexts for one in context.transfer_syntax}
    classes = {str(context.abstract_syntax) for context in ae.supported_contexts}
    outside = {networking.VERIFICATION, networking.STORAGE_COMMITMENT}
    assert classes - outside == set(rows) - {str(one) for one in IMAGE_SYNTAXES}
    assert syntaxes == set(rows) & {str(one) for one in IMAGE_SYNTAXES}
    assert outside <= {*classes, networking.VERIFICATION}
    assert all(uid in part("2") for uid in outside)


def test_the_outputs_stand_with_their_classes() -> None:
    said = re.findall(r"\| `([a-z0-9.-]+)` \| .*? \| ([0-9.]{10,}) \|", part("2.2"))
    root = "1.2.840.10008.5.1.4.1.1."
    assert dict(said) == {
        "sr": f"{root}88.34", "sr-88.33": f"{root}88.33", "sr-88.22": f"{root}88.22", "sc": f"{root}7",
        "gsps": f"{root}11.1", "kos": f"{root}88.59", "pdf": f"{root}104.1", "cad-sr": f"{root}88.50",
    }  # fmt: skip
    assert len(said) == len(KINDS)


def test_every_status_and_every_code_is_listed_once() -> None:
    statuses = {value for value in vars(handlers).values() if type(value) is int}
    assert re.findall(r"\| 0x([0-9A-F]{4}) \|", part("3.1")) == [f"{status:04X}" for status in sorted(statuses)]
    listed = re.findall(r"^\| (TRI-\d+) \| (.*) \|$", part("4.3"), re.MULTILINE)
    assert listed == sorted((code.value, code.meaning) for code in PRIVATE_CODES)
    rules = statement().partition("### 4.2")[2].partition("### 4.3")[0]
    assert set(re.findall(r"TRI-\d+", rules)) == set(CODE_VALUES.values())


def test_lossy_syntaxes_are_told_from_lossless_ones() -> None:
    fates = dict(re.findall(r"\| ([0-9.]{10,}) \| (.*) \|$", part("2.1"), re.MULTILINE))
    assert fates["1.2.840.10008.1.2.4.80"] == "evaluated"
    assert fates["1.2.840.10008.1.2.4.81"] == "not evaluated: lossy-compression"
    assert fates["1.2.840.10008.1.2.4.91"] == "evaluated if LossyImageCompression is 00"


def test_what_the_pixels_are_prepared_by_is_named() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "triage" / "prepare").glob("*.py"))
    keywords = set(re.findall(r"\"([A-Z][A-Za-z]+[a-z][A-Z][A-Za-z]+)\"|ds\.([A-Z][A-Za-z]+)", source))
    read = {first or second for first, second in keywords} - {"TransferSyntaxUID"}
    assert set(PIXEL_ATTRIBUTES) >= read
    assert all(keyword in source for keyword in PIXEL_ATTRIBUTES)


def test_an_actor_is_named_only_where_a_test_shows_it() -> None:
    for _, _, tests in ACTORS:
        assert tests
        for test in tests:
            file, _, name = test.partition("::")
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), test
    before, _, _ = statement().partition("## 8 IHE")
    assert not re.search(r"IHE|\bAIR\b|RAD-\d|Evidence Creator", before)
