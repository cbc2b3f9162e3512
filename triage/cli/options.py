"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path | None, typer.Option(help="Folder of database, spool and results.")]
Config = Annotated[Path | None, typer.Option(help="A triage.toml; ./triage.toml is found by itself.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
