"""`triage calibration`: every act on a running service, exit codes, tables, JSON."""

import csv
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from governed_service import DECLARATIONS, PEOPLE, Governed, application, rows, stratum_id
from served_exams import Archive
from typer.testing import CliRunner

from triage.cli import app
from triage.core.finding import Outcome
from triage.serve.server import listen, run
from triage.store.secret import patient_keys


class Desk:
    """Somebody at a terminal, with everybody's keys."""

    def __init__(self, governed: Governed, url: str) -> None:
        self.governed = governed
        self.url = url

    def run(self, who: str, *arguments: str) -> Result:
        """One command; it reaches the service and fails in no other way than by its exit code."""
        env = {"TRIAGE_KEY": self.governed.keys.get(who, who), "COLUMNS": "200"}
        result = CliRunner(env=env).invoke(app, ["calibration", *arguments, "--url", self.url])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def json(self, who: str, *arguments: str) -> dict:
        """What a command that must succeed prints as JSON."""
        result = self.run(who, *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def act(self, who: str, act: str, calibration_id: str, *more: str) -> Result:
        """A signed act."""
        signed = ("--printed-name", PEOPLE[who][0], "--meaning", "as agreed")
        return self.run(who, act, calibration_id, *signed, *more)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.chdir(tmp_path)
    archive = Archive(tmp_path / "home")
    listener, stop = listen("127.0.0.1", 0), threading.Event()
    server = threading.Thread(target=run, args=(application(archive), listener, stop))
    server.start()
    yield Desk(Governed.over(archive), f"http://127.0.0.1:{listener.getsockname()[1]}")
    stop.set()
    server.join(10)


def write(path: Path, content: list[dict[str, object]]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(content[0]))
        writer.writeheader()
        writer.writerows(content)
    return str(path)


def uploaded(desk: Desk, name: str, purpose: str) -> str:
    file = write(Path(f"{name}.csv"), [dict(one) for one in rows(name)])
    declared = [part for key, value in DECLARATIONS.items() for part in ("--declare", f"{key}={value}")]
    return desk.json("ada", "upload", file, "--name", name, "--purpose", purpose, *declared)["id"]


def test_the_whole_life_by_command(desk: Desk, tmp_path: Path) -> None:
    north, south = uploaded(desk, "north", "calibration"), uploaded(desk, "south", "evaluation")
    assert {one["id"] for one in desk.json("ada", "sets")} == {north, south}
    shown = desk.run("ada", "show-set", north).stdout
    assert stratum_id() in shown
    assert "BI-RADS 1: 1320" in shown
    fast = ("--protocol", '{"bootstraps": 100}')
    sets = ("--calibration-set", north, "--evaluation-set", south, "--kind", "image", *fast)
    made = desk.json("ada", "draft", stratum_id(), *sets)["id"]
    assert "not-evaluated" in desk.run("ada", "refusals", made).stdout
    assert "calibration.abnormal.n = 360" in desk.run("ada", "sample-size", made).stdout
    done = desk.act("ada", "evaluate", made)
    assert (done.exit_code, "is evaluated, threshold" in done.stdout) == (0, True)
    assert desk.run("cy", "refusals", made).stdout.strip() == "nothing speaks against approval"
    assert desk.act("cy", "approve", made).exit_code == 0
    assert desk.act("ada", "shadow", made).exit_code == 0
    assert desk.json("ada", "shadow-results", made)["n"] == 0
    assert desk.act("ada", "activate", made, "--expected-active", "none").exit_code == 0
    assert desk.act("ada", "suspend", made).exit_code == 0
    assert desk.act("ada", "request-reinstatement", made).exit_code == 0
    assert desk.act("cy", "reinstate", made).exit_code == 0
    assert desk.act("cy", "roll-back", made).exit_code == 0
    assert desk.json("ada", "list", "--state", "rolled_back")[0]["id"] == made
    shown = desk.run("ada", "show", made).stdout
    assert "sensitivity" in shown
    assert "evaluation set" in shown
    acts = [one["act"] for one in desk.json("flo", "history", made)]
    assert acts == [
        "draft", "evaluate", "approve", "shadow", "activate", "suspend", "request-reinstatement", "reinstate",
        "roll-back",
    ]  # fmt: skip
    draft = desk.json("ada", "draft", stratum_id(), *sets)["id"]
    assert desk.act("bo", "retire", draft).exit_code == 0
    assert made in desk.run("ada", "list").stdout


def test_what_is_refused_is_said_and_is_1(desk: Desk) -> None:
    made = desk.governed.draft(evaluation_set=None)
    desk.governed.act(made, "evaluate", "ada")
    refused = desk.act("cy", "approve", made)
    assert refused.exit_code == 1
    assert "no-evaluation-set:" in refused.stderr
    forbidden = desk.act("flo", "approve", made)
    assert (forbidden.exit_code, "flo" in forbidden.stderr) == (1, True)
    assert desk.act("cy", "shadow", made).exit_code == 1
    unknown = desk.run("tri_nobody", "request-reinstatement", made, "--printed-name", "N", "--meaning", "m")
    assert (unknown.exit_code, "TRIAGE_KEY" in unknown.stderr) == (1, True)
    assert desk.run("ada", "show", "nothing").exit_code == 1
    assert "Traceback" not in refused.output + forbidden.output + unknown.output


def test_wrong_rows_are_listed(desk: Desk) -> None:
    content = [dict(one) for one in rows("north")[:30]]
    for one in content[4:]:  # the first exam is whole
        one["patient"] = "P-0001"
    file = write(Path("wrong.csv"), content)
    failed = desk.run("ada", "upload", file, "--name", "x", "--purpose", "calibration")
    assert failed.exit_code == 1
    assert "row 6, patient:" in failed.stderr
    assert "and 6 more" in failed.stderr
    assert "P-0001" not in failed.output


def test_wrong_usage_is_2(desk: Desk) -> None:
    for arguments in (
        ("upload", "nowhere.csv", "--name", "x", "--purpose", "calibration"),
        ("list", "--state", "asleep"),
        ("activate", "some-id", "--printed-name", "Ada Admin", "--meaning", "go"),
        ("approve", "some-id"),
        ("draft", stratum_id(), "--calibration-set", "x", "--protocol", "{"),
        ("upload", __file__, "--name", "x", "--purpose", "calibration", "--declare", "consecutive"),
    ):
        assert desk.run("ada", *arguments).exit_code == 2, arguments


def test_the_key_may_come_from_a_file(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(desk.governed.keys["ada"] + "\n")
    made = desk.governed.draft()
    assert desk.run("", "shadow-results", made).exit_code == 1
    assert desk.run("", "shadow-results", made, "--key-file", str(file)).exit_code == 0
    assert desk.run("", "list", "--key-file", str(tmp_path / "nothing")).exit_code == 1


def test_no_service_is_one_clear_line() -> None:
    failed = CliRunner().invoke(app, ["calibration", "list", "--url", "http://127.0.0.1:9"])
    assert failed.exit_code == 1
    assert "is the service running?" in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_monitoring_commands(desk: Desk) -> None:
    made = desk.governed.brought_to("active")
    archive = desk.governed.archive
    uid = archive.receive(1)
    archive.decide(Outcome.CONFIDENTLY_NORMAL)
    assert desk.json("ada", "strata")[0]["in_force"]["id"] == made
    assert made in desk.run("ada", "strata").stdout
    assert desk.run("ada", "drift", stratum_id()).exit_code == 0
    assert desk.json("ada", "what-if", stratum_id(), "--threshold", "1.5")["exams"] == 0
    assessed = desk.json("flo", "assess", uid, "--right", "1", "--left", "4")
    assert assessed["assessment"]["left_birads"] == 4
    assert [one["id"] for one in desk.json("ada", "incidents", "--open")] == [assessed["incident"]]
    number = str(assessed["incident"])
    assert desk.run("cy", "close-incident", number, "--resolution", "a test").exit_code == 0
    assert desk.json("ada", "incidents", "--open") == []
    assert "missed-abnormal" in desk.run("ada", "incidents").stdout
    assert desk.run("ada", "assess", uid, "--right", "1").exit_code == 1


def test_a_set_from_studies_with_labels(desk: Desk) -> None:
    Path("labels.csv").write_text("study_instance_uid,right_birads,left_birads,follow_up\n1.2.3,1,,\n")
    failed = desk.run("ada", "from-studies", "--name", "x", "--purpose", "calibration", "--labels", "labels.csv")
    assert failed.exit_code == 1
    assert "No study can be used" in failed.stderr


def test_patients_are_hashed_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content: list[dict[str, object]] = [{"patient": "P-1", "exam": "E-1", "birads": 1}, {"patient": "P-2 "} | {}]
    content[1] |= {"exam": "E-2", "birads": 2}
    source = write(tmp_path / "in.csv", content)
    command = ["calibration", "hash-patients", source, "out.csv", "--home", "home"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    keys = patient_keys(tmp_path / "home")
    with Path("out.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"patient": keys.key("P-1"), "exam": keys.key("E-1"), "birads": "1"},
            {"patient": keys.key("P-2"), "exam": keys.key("E-2"), "birads": "2"},
        ]
    for wrong in ("a,b\n1,2\n", "patient\n\n", 'patient\n""\n', "patient,x\nP-1\n", ""):
        Path("wrong.csv").write_text(wrong)
        failed = CliRunner().invoke(app, ["calibration", "hash-patients", "wrong.csv", "not.csv", "--home", "home"])
        assert failed.exit_code == 1, wrong
        assert not Path("not.csv").exists()


def test_the_change_record_is_downloaded(desk: Desk) -> None:
    made = desk.governed.brought_to("evaluated")
    assert desk.run("ada", "change-record", made, "--out", "record.pdf").exit_code == 0
    assert Path("record.pdf").read_bytes().startswith(b"%PDF-")
    assert desk.run("ada", "change-record", made, "--out", "record.html", "--format", "html").exit_code == 0
    assert made in Path("record.html").read_text(encoding="utf-8")
    assert desk.run("ada", "change-record", made, "--out", "no/such/folder.pdf").exit_code == 1
    assert desk.run("ada", "change-record", "nothing", "--out", "record.pdf").exit_code == 1
