"""Commands on configuration and database."""

import json

import typer

from triage.cli.options import Config, Home
from triage.settings import load

app = typer.Typer(no_args_is_help=True, help="Show or check the configuration.")
db = typer.Typer(no_args_is_help=True, help="The study ledger.")


@app.command()
def show(home: Home = None, config: Config = None) -> None:
    """Print the settings in force, as JSON."""
    typer.echo(json.dumps(load(config, home=home).model_dump(mode="json"), indent=2))


@app.command()
def check(home: Home = None, config: Config = None) -> None:
    """Check the settings, the model bundle and its operating point."""
    from triage.infer import bundle as bundles
    from triage.infer.runtime import installed_runtime
    from triage.roles import calibration_of

    settings = load(config, home=home)
    bundle = bundles.load(settings.inference.bundle)
    record = calibration_of(bundle)
    typer.echo(f"settings: valid; {len(settings.destination)} destination(s)")
    typer.echo(f"runtime: {installed_runtime()}")
    typer.echo(f"bundle: {bundle.manifest.name} {bundle.manifest.version}, every file as it was made")
    typer.echo(f"operating point: {record.id}, threshold {record.threshold}, {len(record.devices)} device(s)")


@db.command()
def upgrade(home: Home = None, config: Config = None) -> None:
    """Bring the ledger's schema up to date."""
    from triage.roles import open_ledger

    open_ledger(load(config, home=home))
    typer.echo("the ledger is up to date")
