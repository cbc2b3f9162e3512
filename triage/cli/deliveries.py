"""Commands on deliveries: what was sent where, and sending it again."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triage.cli.options import Config, Home, Json
from triage.core.errors import TriageError
from triage.settings import load

if TYPE_CHECKING:
    from triage.store.records import Delivery

app = typer.Typer(no_args_is_help=True, help="What was sent where, and sending it again.")

STATES = ("pending", "sent", "confirmed", "failed")
TROUBLE = "trouble"
Destination = Annotated[str | None, typer.Option(help="Only deliveries to this destination.")]
State = Annotated[
    str | None,
    typer.Option(help=f"Only {', '.join(STATES)}, or {TROUBLE}: given up, rejected, or not committed."),
]


@app.command("list")
def list_(
    state: State = None,
    destination: Destination = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    home: Home = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List deliveries, newest first."""
    from triage.roles import open_ledger

    if state not in (None, TROUBLE, *STATES):
        raise typer.BadParameter(f"{state!r} is none of {', '.join((*STATES, TROUBLE))}")
    ledger = open_ledger(load(config, home=home))
    if state == TROUBLE:
        found = _to(destination, ledger.troubled_deliveries())[::-1][:limit]
    else:
        found = list(ledger.newest_deliveries(limit, state, destination))
    rows = [_row(one) for one in found]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print(rows)


@app.command()
def resend(
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID...", help="As `triage deliveries list` says.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Everything that was given up.")] = False,
    destination: Destination = None,
    home: Home = None,
    config: Config = None,
) -> None:
    """Send deliveries again, at once and under the same identifiers: by their ids, or all that failed."""
    from triage.roles import open_ledger

    if bool(ids) == failed:
        raise typer.BadParameter("give either ids or --failed")
    if ids and destination:
        raise typer.BadParameter("--destination goes with --failed: an id has its destination")
    ledger = open_ledger(load(config, home=home))
    given_up = [one.id for one in _to(destination, ledger.troubled_deliveries()) if one.state == "failed"]
    chosen = given_up if failed else list(ids or ())
    problems = []
    for number in chosen:
        try:
            if not ledger.resend(number):
                problems.append(f"no delivery {number}; `triage deliveries list` shows those there are")
        except TriageError as error:
            problems.append(str(error))
    typer.echo(f"{len(chosen) - len(problems)} of {len(chosen)} deliveries will be sent again")
    if problems:
        raise TriageError("; ".join(problems))


def _to(destination: str | None, deliveries: "tuple[Delivery, ...]") -> "list[Delivery]":
    return [one for one in deliveries if destination in (None, one.destination)]


def _row(one: "Delivery") -> dict[str, Any]:
    return {
        "id": one.id,
        "study_instance_uid": one.study_instance_uid,
        "destination": one.destination,
        "output": one.output,
        "state": one.state,
        "attempts": one.attempts,
        "sop_instance_uid": one.sop_instance_uid,
        "created_at": one.created_at.isoformat(),
        "next_at": one.next_at.isoformat() if one.state == "pending" else None,
        "sent_at": one.sent_at.isoformat() if one.sent_at else None,
        "last_error": one.last_error,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("Id", "Destination", "Output", "State", "Attempts", "Study", "Error")
    for row in rows:
        shown = (row["id"], row["destination"], row["output"], row["state"], row["attempts"])
        # As plain text: brackets in what a peer said are no markup.
        table.add_row(*(str(one) for one in shown), row["study_instance_uid"], Text(row["last_error"] or ""))
    Console().print(table)
