"""Commands on studies: send files, list the worklist, show one study."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from triage.cli.options import Config, Home, Json
from triage.core.errors import TriageError
from triage.settings import load


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("send")(send)
    app.command("studies")(studies)
    app.command("study")(study)


def send(
    paths: Annotated[list[Path], typer.Argument(help="DICOM files or folders of them.", exists=True)],
    to: Annotated[str | None, typer.Option(help="AET@HOST:PORT; the local service if not given.")] = None,
    home: Home = None,
    config: Config = None,
) -> None:
    """C-STORE files or folders."""
    from triage.deliver.c_store import CStore

    dicom = load(config, home=home).dicom
    ae_title, host, port = _address(to) if to else (dicom.ae_title, dicom.host, dicom.port)
    files = sorted(file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    sender = CStore("TRIAGE-SEND", ae_title, host, port)
    failures = 0
    for file in files:
        try:
            sender.send(file)
        except (TriageError, OSError) as error:
            failures += 1
            typer.echo(f"{file}: {error}", err=True)
    typer.echo(f"{len(files) - failures} of {len(files)} files sent to {ae_title}@{host}:{port}")
    if failures or not files:
        raise typer.Exit(1)


def _address(text: str) -> tuple[str, str, int]:
    ae_title, at, rest = text.partition("@")
    host, colon, port = rest.rpartition(":")
    if not (ae_title and at and host and colon and port.isdigit()):
        raise typer.BadParameter(f"{text!r} is not AET@HOST:PORT, such as TRIAGE@127.0.0.1:11112")
    return ae_title, host, int(port)


def studies(home: Home = None, config: Config = None, as_json: Json = False) -> None:
    """List the worklist, newest first."""
    from rich.console import Console
    from rich.table import Table

    from triage.roles import open_ledger

    rows, _ = open_ledger(load(config, home=home)).worklist(limit=200)
    if as_json:
        typer.echo(json.dumps([_row(row) for row in rows], indent=2))
        return
    table = Table("Study", "Accession", "State", "Outcome", "Revision")
    for row in rows:
        table.add_row(row.study_instance_uid, row.accession_number, row.state.value, (row.outcome or ""), str(row.rev))
    Console().print(table)


def _row(row: Any) -> dict[str, Any]:
    return {
        "study_instance_uid": row.study_instance_uid,
        "accession_number": row.accession_number,
        "state": row.state,
        "outcome": row.outcome,
        "revision": row.rev,
    }


def study(
    study_instance_uid: Annotated[str, typer.Argument(metavar="UID")],
    home: Home = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show one study: outcome, reasons, images, deliveries."""
    from triage.roles import open_ledger
    from triage.serve.api.presentation import study_json

    record = open_ledger(load(config, home=home)).study(study_instance_uid)
    if record is None:
        raise TriageError(f"no study {study_instance_uid}; `triage studies` lists those received")
    content = study_json(record)
    if as_json:
        typer.echo(json.dumps(content, indent=2))
        return
    typer.echo(f"{study_instance_uid} revision {content['revision']}: {content['state']}, {content['outcome']}")
    for found in content["reasons"]:
        typer.echo(f"  {found['code']}: {found['text']}")
    for image in content["images"]:
        typer.echo(f"  {image['laterality']}{image['view']} eligible={image['eligible']} logits={image['logits']}")
    for one in content["deliveries"]:
        typer.echo(f"  {one['output']} to {one['destination']}: {one['state']} after {one['attempts']} attempt(s)")
