"""The command `triage`. Heavy imports stay inside the commands, so that `--help` answers at once.

Exit codes: 0 done, 1 the work failed, 2 wrong usage.
"""

import logging
import sys
from typing import Annotated

import typer

from triage import __version__
from triage.cli import (
    audit,
    calibration,
    configuration,
    conformance,
    deliveries,
    demo,
    people,
    rules,
    service,
    sr,
    studies,
)
from triage.core.errors import TriageError
from triage.settings import Settings


class _TriageGroup(typer.core.TyperGroup):
    """Turns an error raised on purpose into one clear line and exit code 1."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except TriageError as error:
            typer.echo(f"triage: {error}", err=True)
            sys.exit(1)


def _rescorer(settings: Settings) -> audit.Rescore:
    from triage.roles import rescorer

    return rescorer(settings)


app = typer.Typer(cls=_TriageGroup, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)
app.add_typer(configuration.app, name="config")
app.add_typer(configuration.db, name="db")
app.add_typer(people.app, name="user")
app.add_typer(calibration.app, name="calibration")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(sr.app, name="sr")
service.register(app)
studies.register(app)
demo.register(app)
audit.register(app, _rescorer)
rules.register(app)
conformance.register(app)


def _version(show: bool) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Mammography triage: which screening exams are confidently normal. Every exam is still read."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(processName)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for chatty in ("pynetdicom", "alembic", "highdicom", "uvicorn", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
