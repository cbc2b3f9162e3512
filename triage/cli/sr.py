"""Commands on structured reports."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from triage.cli.options import Json

app = typer.Typer(no_args_is_help=True, help="Structured reports.")


@app.callback()
def _group() -> None:
    """Structured reports."""


@app.command("check")
def check(
    files: Annotated[
        list[Path], typer.Argument(help="DICOM files of structured reports.", exists=True, dir_okay=False)
    ],
    as_json: Json = False,
) -> None:
    """Check reports against TID 1500, 2010 and 4000, row by row; exit code 1 if there is a problem."""
    from triage.report.document_check import check_file

    found = {str(file): check_file(file) for file in files}
    if as_json:
        content = [{"file": name, "problems": [asdict(one) for one in found[name]]} for name in found]
        typer.echo(json.dumps(content, indent=2))
    else:
        for name, problems in found.items():
            typer.echo(f"{name}: {f'{len(problems)} problem(s)' if problems else 'no problem found'}")
            for one in problems:
                typer.echo(f"  {one.place or '-'}  {one.row}: {one.text}")
    if any(found.values()):
        raise typer.Exit(1)
