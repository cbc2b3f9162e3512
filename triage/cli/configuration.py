"""Commands on configuration and database."""

import json
import re
from typing import Any

import typer

from triage.cli.options import Config, Home, Json
from triage.settings import load

app = typer.Typer(no_args_is_help=True, help="Show or check the configuration.")
db = typer.Typer(no_args_is_help=True, help="The study ledger.")


@app.command()
def show(home: Home = None, config: Config = None, as_json: Json = False) -> None:
    """Print the settings in force."""
    shown = load(config, home=home).model_dump(mode="json")
    shown["database"]["url"] = re.sub(r"(://[^:@/]+):[^@]*@", r"\1:***@", shown["database"]["url"])
    _print(shown, as_json)


@app.command()
def check(home: Home = None, config: Config = None, as_json: Json = False) -> None:
    """Check the settings, the runtime, the model bundle, its operating points and the ledger."""
    from triage.infer.runtime import installed_runtime
    from triage.roles import check as check_everything

    settings = load(config, home=home)
    bundle, shipped = check_everything(settings)
    found = {
        "settings": "valid",
        "destinations": [one.name for one in settings.destination],
        "runtime": installed_runtime(),
        "bundle": {"name": bundle.manifest.name, "version": bundle.manifest.version, "sha256": bundle.sha256},
        "demonstration": {one.stratum.device: one.threshold for one in shipped.calibrations},
        "dataset": shipped.dataset,
    }
    _print(found, as_json)


def _print(content: dict[str, Any], as_json: bool) -> None:
    """The content as JSON, or a line for each value."""
    if as_json:
        typer.echo(json.dumps(content, indent=2))
        return
    for key, value in content.items():
        if isinstance(value, dict):
            for name, inner in value.items():
                typer.echo(f"{key}.{name} = {json.dumps(inner)}")
        else:
            typer.echo(f"{key} = {json.dumps(value)}")


@db.command()
def upgrade(home: Home = None, config: Config = None) -> None:
    """Bring the ledger's schema up to date."""
    from triage.roles import open_ledger

    open_ledger(load(config, home=home))
    typer.echo("the ledger is up to date")
