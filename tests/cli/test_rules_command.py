"""`triage rules` names every reason of the catalogue and what a missing element means."""

import json

import typer
from typer.testing import CliRunner

from triage.cli.rules import register
from triage.core.reasons import CODE_VALUES

app = typer.Typer()
register(app)
app.command("other")(lambda: None)  # with one command alone typer would drop its name


def test_every_reason_is_listed_with_what_absence_means() -> None:
    rows = json.loads(CliRunner().invoke(app, ["rules", "--json"]).stdout)
    assert {row["code"] for row in rows} == set(CODE_VALUES)
    assert all(row["says"] and row["absence"] and row["value"] == CODE_VALUES[row["code"]] for row in rows)
    optional = {row["code"] for row in rows if "optional" in row["absence"]}
    assert {"implant", "partial-view", "magnification", "not-screening"} <= optional


def test_one_reason_can_be_asked_for() -> None:
    assert "FocalSpots" in CliRunner().invoke(app, ["rules", "--code", "magnification", "--json"]).stdout
    assert "no rule gives" in CliRunner().invoke(app, ["rules", "--code", "nonsense"]).output
    assert "TRI-228" in CliRunner().invoke(app, ["rules", "--code", "not-screening"]).stdout
