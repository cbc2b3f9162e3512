"""Commands on people: who may act, with which roles."""

import json
from typing import Annotated

import typer

from triage.cli.options import Config, Home, Json
from triage.core.governance import Role
from triage.settings import load

app = typer.Typer(no_args_is_help=True, help="People who may act: administrators, approvers, readers.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Login name.")]


@app.command()
def add(
    name: Name,
    printed_name: Annotated[str, typer.Option(help="Full name, as it stands under what is signed.")],
    role: Annotated[list[Role], typer.Option(help="May be given several times.")],
    home: Home = None,
    config: Config = None,
) -> None:
    """Add a person, and print their key: it is shown this once. Approvers can be added only here, not over REST."""
    from triage.roles import open_ledger

    key = open_ledger(load(config, home=home)).add_person(name, printed_name, role)
    typer.echo(
        f"{name} ({printed_name}) was added. Hand over the key below; it is not kept and not shown again.", err=True
    )
    typer.echo(key)


@app.command("list")
def list_people(home: Home = None, config: Config = None, as_json: Json = False) -> None:
    """List everybody, the disabled too."""
    from rich.console import Console
    from rich.table import Table

    from triage.roles import open_ledger

    people = [
        {
            "name": one.actor.name,
            "printed_name": one.actor.printed_name,
            "roles": sorted(one.actor.roles),
            "created_at": one.created_at.isoformat(),
            "disabled_at": one.disabled_at.isoformat() if one.disabled_at else None,
        }
        for one in open_ledger(load(config, home=home)).people()
    ]
    if as_json:
        typer.echo(json.dumps(people, indent=2))
        return
    table = Table("Name", "Printed name", "Roles", "Disabled")
    for person in people:
        table.add_row(
            str(person["name"]),
            str(person["printed_name"]),
            ", ".join(person["roles"] or ()),
            str(person["disabled_at"] or ""),
        )
    Console().print(table)


@app.command()
def disable(name: Name, home: Home = None, config: Config = None) -> None:
    """Disable a person: their key opens nothing from now on."""
    from triage.roles import open_ledger

    open_ledger(load(config, home=home)).disable_person(name)
    typer.echo(f"{name} is disabled")
