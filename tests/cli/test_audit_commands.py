"""`triage audit verify` and `triage replay`: what is whole, what was changed, and how they say so."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from ledger_samples import Clock
from monitoring_samples import finished, flagged, in_force
from sqlalchemy import Engine, delete, select, update
from typer.testing import CliRunner, Result

from triage.cli import audit
from triage.core.errors import TriageError
from triage.core.finding import ImageFinding, Logits
from triage.core.reasons import reason
from triage.settings import Settings
from triage.store import calibration_tables as c
from triage.store import tables as t
from triage.store.database import open_database, writing
from triage.store.ledger import Ledger

RESCORED: dict[str, Mapping[str, ImageFinding]] = {}


def _rescorer(settings: Settings) -> audit.Rescore:
    return lambda uid: RESCORED[uid]


APP = typer.Typer()
audit.register(APP, _rescorer)


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(APP, [*arguments, "--home", str(home)])


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """The database of a service home."""
    return open_database("", tmp_path)


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    """Three studies with results: flagged, not flagged, refused."""
    made = Ledger(engine, Clock())
    version = in_force(made)
    flagged(made, 1, version)
    finished(made, 2, 0.3, version.operating_point)
    finished(made, 3, 2.0, None, reason("uncalibrated-device"))
    return made


def test_a_whole_trail(tmp_path: Path, ledger: Ledger) -> None:
    assert run(tmp_path, "audit", "verify").output.startswith("the audit trail is whole: 4 rows verified in ")
    found = json.loads(run(tmp_path, "audit", "verify", "--json").output)
    assert (found["whole"], found["rows"], found["first_bad_row"]) == (True, 4, None)


def test_a_changed_and_a_shortened_trail(tmp_path: Path, ledger: Ledger, engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(delete(t.audit).where(t.audit.c.id == 4))
    cut = run(tmp_path, "audit", "verify")
    assert cut.exit_code == 1
    assert "rows are missing at its end (4 rows expected)" in cut.output
    with writing(engine) as connection:
        connection.execute(update(t.audit).where(t.audit.c.id == 2).values(event="nothing"))
    changed = run(tmp_path, "audit", "verify", "--json")
    assert changed.exit_code == 1
    assert json.loads(changed.output)["first_bad_row"] == 2


def test_everything_replays(tmp_path: Path, ledger: Ledger) -> None:
    done = run(tmp_path, "replay", "--all", "--json")
    found = json.loads(done.output)
    assert done.exit_code == 0
    assert (found["results"], found["identical"], found["different"], found["lost"]) == (3, 3, [], [])
    assert found["unsealed"] == 0
    assert "1 of 1 results are identical" in run(tmp_path, "replay", "1.2.2").output


def test_wrong_usage_and_an_unknown_study(tmp_path: Path, ledger: Ledger) -> None:
    assert run(tmp_path, "replay").exit_code == 2
    assert run(tmp_path, "replay", "1.2.1", "--all").exit_code == 2
    failed = run(tmp_path, "replay", "9.9")
    assert isinstance(failed.exception, TriageError)
    assert "no result of study 9.9" in str(failed.exception)


def test_a_changed_score_a_lost_result_and_a_changed_calibration_are_found(
    tmp_path: Path, ledger: Ledger, engine: Engine
) -> None:
    with writing(engine) as connection:
        content = connection.execute(
            select(t.result.c.finding).where(t.result.c.result_id == "result-1.2.2-1")
        ).scalar()
        content["images"][0]["logits"]["fused"] = 1.7
        own = t.result.c.result_id == "result-1.2.2-1"
        connection.execute(update(t.result).where(own).values(finding=content))
        connection.execute(update(t.study).where(t.study.c.study_instance_uid == "1.2.3").values(result_id=None))
        connection.execute(delete(t.result).where(t.result.c.result_id == "result-1.2.3-1"))
    done = run(tmp_path, "replay", "--all")
    assert done.exit_code == 1
    assert "study 1.2.2 result result-1.2.2-1:" in done.output
    assert "the finding was changed after it was audited" in done.output
    assert "flagged False, decided again True" in done.output
    assert "result result-1.2.3-1 was audited and is not in the ledger" in done.output
    assert "1 of 2 results are identical" in done.output
    with writing(engine) as connection:
        connection.execute(update(c.calibration).values(threshold=0.1))
    changed = json.loads(run(tmp_path, "replay", "1.2.1", "--json").output)
    assert "was changed after its evaluation" in changed["different"][0]["differences"][0]


def test_pixels_are_scored_again_for_results_in_force(tmp_path: Path, ledger: Ledger) -> None:
    for one in ("1.2.1", "1.2.2", "1.2.3"):
        record = ledger.study(one)
        assert record is not None
        assert record.finding is not None
        RESCORED[one] = {image.sop_instance_uid: image for image in record.finding.images}
    assert run(tmp_path, "replay", "--all", "--pixels").exit_code == 0
    first, *others = RESCORED["1.2.1"].values()
    darker = replace(first, logits=Logits(0.2, 0.5, 0.2))
    RESCORED["1.2.1"] = {image.sop_instance_uid: image for image in (darker, *others)}
    done = run(tmp_path, "replay", "1.2.1", "--pixels")
    assert done.exit_code == 1
    assert "fused logit 2.0, from the pixels 0.2" in done.output
    assert "outcome confidently_normal, from the pixels not_flagged" in done.output
    assert run(tmp_path, "replay", "1.2.1").exit_code == 0, "without --pixels nothing is scored"
