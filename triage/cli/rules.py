"""`triage rules`: every reason for which an image or an exam is not evaluated, and what a missing element means."""

import json
from typing import Annotated

import typer

from triage.cli.options import Json


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("rules")(rules)


def rules(
    as_json: Json = False,
    code: Annotated[str, typer.Option(help="Only the rules with this reason code.")] = "",
) -> None:
    """List the acceptance rules: reason code, its coded value, what is demanded, what absence means."""
    from rich.console import Console
    from rich.table import Table

    rows = [row for row in _rows() if code in ("", row["code"])]
    if not rows:
        raise typer.BadParameter(f"no rule gives the reason {code!r}", param_hint="--code")
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("Asked of", "Reason", "Value", "Demanded", "If absent")
    for row in rows:
        table.add_row(*(row[key] for key in ("of", "code", "value", "says", "absence")))
    Console().print(table)


def _rows() -> list[dict[str, str]]:
    """Header rules in the order in which they are asked, exam rules, then what pixels and models can give."""
    from triage.accept.exam_rules import EXAM_RULES
    from triage.accept.header_rules import ELIGIBILITY
    from triage.accept.set_aside import SET_ASIDE
    from triage.core.reasons import CODE_VALUES, SENTENCES

    header = [("object", rule.code, rule.says, rule.absence) for rule in SET_ASIDE]
    header += [("image", rule.code, rule.says, rule.absence) for rule in ELIGIBILITY]
    exam = [("exam", rule.code, rule.says, rule.absence) for rule in EXAM_RULES]
    asked = {one[1] for one in (*header, *exam)}
    pixels = [
        ("pixels" if value.startswith("TRI-3") else "run", code, f"not so: {SENTENCES[code]}", "refused")
        for code, value in CODE_VALUES.items()
        if value.startswith(("TRI-3", "TRI-4")) or code not in asked
    ]
    keys = ("of", "code", "says", "absence")
    return [dict(zip(keys, one, strict=True)) | {"value": CODE_VALUES[one[1]]} for one in (*header, *exam, *pixels)]
