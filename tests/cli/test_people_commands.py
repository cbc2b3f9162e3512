"""The commands on people."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from triage.cli.people import app
from triage.core.errors import TriageError
from triage.core.governance import Actor, Role
from triage.roles import open_ledger
from triage.settings import load

RUN = CliRunner()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_person_comes_and_goes() -> None:
    added = RUN.invoke(app, ["add", "ann", "--printed-name", "Ann Admin", "--role", "admin", "--role", "approver"])
    assert added.exit_code == 0
    key = added.stdout.strip()
    ledger = open_ledger(load(None, home=None))
    assert ledger.person_by_key(key) == Actor("ann", "Ann Admin", frozenset({Role.ADMIN, Role.APPROVER}))

    [listed] = json.loads(RUN.invoke(app, ["list", "--json"]).stdout)
    assert (listed["name"], listed["roles"], listed["disabled_at"]) == ("ann", ["admin", "approver"], None)
    assert RUN.invoke(app, ["disable", "ann"]).exit_code == 0
    assert ledger.person_by_key(key) is None
    table = RUN.invoke(app, ["list"]).stdout
    assert "Ann Admin" in table
    assert key not in table


def test_wrong_usage_is_2_and_a_refusal_names_the_person() -> None:
    assert RUN.invoke(app, ["add", "ann", "--printed-name", "Ann"]).exit_code == 2
    assert RUN.invoke(app, ["add", "ann", "--printed-name", "Ann", "--role", "chief"]).exit_code == 2
    refused = RUN.invoke(app, ["disable", "bob"])
    assert isinstance(refused.exception, TriageError)
    assert "there is no bob" in str(refused.exception)
